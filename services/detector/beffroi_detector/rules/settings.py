"""Settings of the rules: environment variables that begin with BEFFROI_RULES_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from beffroi_common.runtime.settings import ServiceSettings


class RulesSettings(ServiceSettings):
    """Settings of one instance of the rules."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_RULES_")

    data_folder: Path | None = None
    """Faust wants a folder of its own. Nothing that matters is in it: the table lives on the bus. None: one that is
    made for this run, which no other account could have prepared."""
    changelog_replicas: int = Field(default=1, ge=1, le=5)
    """Copies of the table's changelog: as many as the other topics have."""
    stream_buffer: int = Field(default=256, ge=1, le=4096)
    """Messages read ahead of the rules, about a minute of one camera. Faust's own 4096 hide for a quarter of an hour
    that they are late."""
    commit_interval_s: float = Field(default=1.0, gt=0)
    """A crash counts again at most about this much, and the rules know what they have counted."""
    flush_timeout_s: float = Field(default=5.0, gt=0)
    """Longest wait for the broker for an alert, before it is said that the rules wait."""
    idle_s: float = Field(default=60.0, gt=0)
    """After so long without tracks of a camera, in time in which its partition was read to its end, its open alerts
    end. No rule bridges more than 30 s, and ingest is back within less than a minute at a camera that is there."""
    idle_check_s: float = Field(default=5.0, gt=0)
    """How often the broker is asked whether there is more to read, and idle cameras are looked for."""
    retry_s: float = Field(default=0.5, gt=0)
    """Wait after "retry later"."""
    retry_log_s: float = Field(default=5.0, gt=0)
    """How often it is said that the broker is waited for."""

"""Settings of the recorder."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from beffroi_common.contracts import StoreName
from beffroi_common.runtime.settings import RECORDINGS_STORE, KeyedSettings, StoreSettings


class RecorderSettings(KeyedSettings):
    """Settings of one recorder."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_RECORDER_")

    store: StoreSettings
    store_name: StoreName = RECORDINGS_STORE
    """What recordings call this store. Whoever reads them looks it up by this name in settings of its own."""
    work_dir: Path
    """Where segments lie while they are made. Of this instance alone; emptied at start, since Kafka has it all."""
    work_bytes: int = Field(default=4 * 1024**3, ge=64 * 1024**2)
    """Bound of the work directory: a minute of 120 cameras at 4 Mbit/s is 3.6 GB. Beyond it the recorder waits."""
    segment_s: int = Field(default=60, ge=2, le=600)
    """Segments are cut at full multiples of this in UTC. Much shorter makes many objects, much longer slow replays."""
    max_gap_s: float = Field(default=10.0, gt=0.0, le=60.0)
    """A hole in the capture times or in the media clock longer than this ends a segment: players do not like it."""
    max_drift_s: float = Field(default=1.0, gt=0.0)
    """A segment ends when media clock and wall clock went apart by more: playback shows start + media time."""
    idle_s: float = Field(default=30.0, gt=0.0)
    """A camera from which nothing came for so long gets its segment closed, so that it holds back no offset.
    A full disk ends segments after it, too."""
    retention_days: int = Field(default=14, ge=1)
    """Promise of the commune's charter; the bucket's lifecycle rule must say the same."""
    legal_ceiling_days: int = Field(default=30, ge=1)
    """Longest retention the law allows; a deployment's DPO confirms it."""
    legal_ceiling_reference: str = "CSI art. L252-5, as read on 2026-11-01"
    """The text the ceiling comes from, and when it was looked at."""
    destroy_interval_s: float = Field(default=60.0, gt=0.0)
    """What is due is destroyed this often, and every second while more is due than one round may destroy."""
    destroy_most: int = Field(default=200, ge=1)
    """Most objects destroyed in one round, a second before the next while more is due."""
    store_retry_first_s: float = Field(default=0.5, gt=0.0)
    store_retry_most_s: float = Field(default=10.0, gt=0.0)
    """Wait from a failure to the next try while the store is away: doubled from the first to the most."""

    @model_validator(mode="after")
    def _within_the_law(self) -> Self:
        if self.retention_days > self.legal_ceiling_days:
            raise ValueError(
                f"retention_days {self.retention_days} is more than the {self.legal_ceiling_days} days that "
                f"{self.legal_ceiling_reference} allows: lower it"
            )
        return self

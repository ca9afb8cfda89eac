"""Settings of the process of the live views, by variables that begin with BEFFROI_LIVE_."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from beffroi_api.process.settings import ProcessSettings


class LiveProcessSettings(ProcessSettings):
    """Those that every process has which people reach, and no others."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_LIVE_")

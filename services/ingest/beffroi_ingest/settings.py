"""Settings of ingest: environment variables that begin with BEFFROI_INGEST_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from beffroi_common.addresses import AllowedAddresses
from beffroi_common.runtime.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """Settings of one instance of ingest."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_INGEST_")

    secrets_dir: Path | None = None
    """Folder with one file for each secret that a camera names; `user:password` in its first line, in the lines
    after it the hosts and networks to which it may be sent."""
    addresses: AllowedAddresses = AllowedAddresses()
    """Where cameras may be; what is not named here is not opened."""
    open_timeout_s: float = Field(default=8.0, gt=0)
    """Until a camera has answered. Slow ones take a few seconds to start their encoder."""
    read_timeout_s: float = Field(default=4.0, gt=0)
    """Between two pictures: a camera that sends nothing for so long is dead and is connected to again."""
    retry_first_s: float = Field(default=0.5, gt=0)
    retry_most_s: float = Field(default=15.0, gt=0)
    """Waits between two tries. Longer would lose more of a camera that came back than trying costs."""
    batch_s: float = Field(default=0.5, gt=0.0, le=1.0)
    """Length of a batch: half the delay that live pictures may have before the masker sees them."""
    batch_bytes: int = Field(default=4 * 1024 * 1024, ge=64 * 1024, le=12 * 1024 * 1024)
    """Size of a batch: half a second at 64 Mbit/s, and well below the largest record."""
    outbox_bytes: int = Field(default=128 * 1024 * 1024, ge=1024 * 1024)
    """What waits in memory while the broker is away: about four minutes of one 4 Mbit/s camera."""
    in_flight_bytes: int = Field(default=8 * 1024 * 1024, ge=1024 * 1024)
    """Handed to the broker and not acknowledged: enough to keep 60 MB/s going at 100 ms a round."""
    retry_log_s: float = Field(default=5.0, gt=0)
    """How often it is said that the broker is waited for."""

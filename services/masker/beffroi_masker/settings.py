"""Settings of the masker: environment variables that begin with BEFFROI_MASKER_."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from beffroi_common.runtime.settings import ParallelSettings


class MaskerSettings(ParallelSettings):
    """Settings of one instance of the masker."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_MASKER_")

    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"
    """Of x264. `ultrafast` takes half the CPU and makes half as many bits again."""
    crf: int = Field(default=23, ge=10, le=40)
    """Quality of x264, lower is better: 23 is its own default, and looks like what the camera sent."""
    max_bitrate_bps: int = Field(default=12_000_000, ge=200_000)
    """Bound for nights of rain and noise; quality gives way, not the network."""
    encoder_threads: int = Field(default=1, ge=1, le=16)
    """Of one picture. With many cameras one each is most thrifty; more make a large picture pass sooner."""
    decoder_threads: int = Field(default=1, ge=1, le=16)
    max_pixels: int = Field(default=36_000_000, ge=10_000)
    """Of one picture: 8K passes. Larger ones are refused before memory is taken for them."""
    max_rewind_batches: int = Field(default=120, ge=1)
    """A restart begins at the last key frame, at most about a minute back: cameras with 10-second groups of pictures
    exist, and one that never sends a second key frame must not make a restart read everything again."""
    idle_s: float = Field(default=10.0, gt=0)
    """A camera without pictures for so long holds no offset back any more. Older batches are a backlog."""
    lane_behind_s: float = Field(default=5.0, ge=2.0)
    """A camera whose pictures wait longer than this shows its newest key pictures first, see `Lane`; `inf`: none does.
    At 5 s the console takes a picture for no longer true."""
    retry_log_s: float = Field(default=5.0, gt=0)
    """How often it is said that the broker is waited for."""

"""Settings of vision: environment variables that begin with BEFFROI_VISION_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from beffroi_common.runtime.settings import ParallelSettings
from beffroi_detector.catalogue import DEFAULT_MODEL


class VisionSettings(ParallelSettings):
    """Settings of one instance of vision."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_VISION_")

    model: str = DEFAULT_MODEL
    """Name of a prepared model in the cache."""
    model_folder: Path | None = None
    """A prepared model elsewhere, e.g. on a volume; it goes before `model`."""
    device: str = Field(default="CPU", pattern=r"^[A-Z]+(\.\d+)?$")
    """OpenVINO's name of what runs the model."""
    threads: int = Field(default=1, ge=1, le=64)
    """Of one inference. A second one waits in a busy loop where cores are shared, and doubles the cost."""
    input_width: int = Field(default=512, ge=160, le=1920, multiple_of=32)
    input_height: int = Field(default=384, ge=160, le=1920, multiple_of=32)
    """The picture is fitted into this. 512×384 finds who is 25 pixels high in it, for two thirds of 640×480's cost."""
    max_inference_batch: int = Field(default=4, ge=1, le=64)
    """Pictures in one inference: those sampled from one frame batch. On a CPU more bring nothing, on a GPU they do."""
    sample_period_s: float = Field(default=0.2, gt=0, le=2)
    """Five pictures a second: a walker moves a quarter of their height between two."""
    catch_up_after_s: float = Field(default=2.0, gt=0)
    """Who is behind by so much…"""
    catch_up_period_s: float = Field(default=0.5, gt=0, le=2)
    """…samples so seldom until the present is reached: late is worse than coarse."""
    annotated_late_s: float = Field(default=10.0, gt=0)
    """Nobody calls older pictures live: they are not drawn, which helps to catch up."""
    confidence_low: float = Field(default=0.2, gt=0, lt=1)
    """Below this it is no detection. Above, it may go on with a track that exists."""
    confidence_high: float = Field(default=0.4, gt=0, lt=1)
    """Above this it may begin a track. 0.3 lets street signs in, 0.5 loses people in coats before hedges."""
    overlap: float = Field(default=0.6, gt=0, lt=1)
    """Boxes that share more are one object seen twice; two people abreast share up to half."""
    lost_track_s: float = Field(default=2.0, gt=0, le=10)
    """A track that is not seen for so long ends (docs/rules.md: a gap up to 2 s is none)."""
    max_pixels: int = Field(default=36_000_000, ge=10_000)
    """Of one picture: 8K passes. Larger ones are refused before memory is taken for them."""
    max_rewind_batches: int = Field(default=120, ge=1)
    """A restart begins at the last key frame, at most about a minute back."""
    idle_s: float = Field(default=10.0, gt=0)
    """A camera without pictures for so long is evicted: it holds decoder and offset. Older batches are a backlog."""
    annotated_preset: str = Field(default="ultrafast", pattern=r"^[a-z]+$")
    annotated_crf: int = Field(default=26, ge=10, le=40)
    """Of x264. Annotated pictures are looked at once and never stored: cheap goes before small."""
    retry_log_s: float = Field(default=5.0, gt=0)
    """How often it is said that the broker is waited for."""

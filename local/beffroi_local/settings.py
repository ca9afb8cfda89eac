"""Settings of the one-machine system: variables that begin with BEFFROI_."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, FilePath, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from beffroi_common.addresses import RTSP_PORTS, AllowedAddresses, FolderList, NetworkList, PortList

from .clips import CLIP_VARIABLE
from .paths import REPOSITORY
from .ports import free_port

Port = Annotated[int, Field(ge=1, le=65535)]

PREFIX = "BEFFROI_"

OTHERS = ("CACHE", "PYTHON", CLIP_VARIABLE.removeprefix(PREFIX))
"""Variables that install.sh and clips.py read."""

PASSED_ON = ("INGEST_", "MASKER_", "VISION_", "RULES_", "DETECTOR_", "RECORDER_", "API_", "TEST_")
"""What begins so belongs to a service (or to the tests) and is passed on as it is."""


class StackSettingsError(SystemExit):
    """A variable is wrong or unknown: the process ends with status 1 and this text."""


class StackSettings(BaseSettings):
    """Ports, folders, memory and truth of the one-machine system."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    home: Path = REPOSITORY / "run"
    """Data, configuration and logs of the runs; several gigabytes an hour at full bitrate."""
    http_port: Port = 8080
    """Console and api."""
    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    minio_port: Port = 9000
    rtsp_port: Port = 8554
    kafka_heap_mb: int = Field(default=512, ge=256)
    """Hard limit of the broker's heap."""
    minio_memory_mb: int = Field(default=512, ge=128)
    """Soft limit: MinIO's collector works harder as it comes near."""
    service_memory_mb: int = Field(default=4096, ge=512)
    """Hard limit of each service's own data (RLIMIT_DATA): one that leaks ends with an error and starts again."""
    camera_networks: NetworkList = ()
    camera_ports: PortList = RTSP_PORTS
    camera_folders: FolderList = ()
    """Where cameras of one's own may be, beside the RTSP camera that is played here."""
    truth: FilePath | None = None
    """Human truth for the clip, for the check; None: the file of this machine, if it has one."""

    @property
    def cameras(self) -> AllowedAddresses:
        """Where cameras of one's own may be."""
        return AllowedAddresses(networks=self.camera_networks, ports=self.camera_ports, folders=self.camera_folders)

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """For each part the variable that sets its port, and the port."""
        return {
            "the console": ("BEFFROI_HTTP_PORT", self.http_port),
            "Kafka": ("BEFFROI_KAFKA_PORT", self.kafka_port),
            "Kafka's controller": ("BEFFROI_KAFKA_CONTROLLER_PORT", self.kafka_controller_port),
            "MinIO": ("BEFFROI_MINIO_PORT", self.minio_port),
            "the RTSP camera": ("BEFFROI_RTSP_PORT", self.rtsp_port),
        }

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            StackSettingsError: naming each variable that is wrong or unknown.
        """
        known = {name.upper() for name in cls.model_fields} | set(OTHERS)
        names = [name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)]
        unknown = sorted(name for name in names if name not in known and not name.startswith(PASSED_ON))
        if unknown:
            listed = ", ".join(PREFIX + name for name in unknown)
            raise StackSettingsError(f"unknown setting {listed}: check the spelling (see README.md), or unset it")
        try:
            return cls()
        except ValidationError as error:
            lines = [f"{PREFIX}{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()]
            raise StackSettingsError("\n".join(lines)) from None

    @classmethod
    def on_free_ports(cls, home: Path) -> Self:
        """Return settings for tests: any free ports, everything under `home`."""
        return cls(
            home=home,
            http_port=free_port(),
            kafka_port=free_port(),
            kafka_controller_port=free_port(),
            minio_port=free_port(),
            rtsp_port=free_port(),
        )

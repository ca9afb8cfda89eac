"""The processes of the one-machine system: command line, variables and limits of each."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, SecretStr

from beffroi_common.addresses import AllowedAddresses
from beffroi_common.bus.rights import user_of
from beffroi_common.topics import Service

from .cameras import CameraServer
from .kafka import Broker, Users
from .minio import ObjectServer
from .ports import LOOPBACK
from .private_files import write_private
from .settings import StackSettings
from .supervisor import Program

SERVICES = ("ingest", "masker", "vision", "rules", "recorder", "api")

MODULES = {"vision": "beffroi_detector.vision", "rules": "beffroi_detector.rules"}

COMMUNE = "Démonstration"

KEY_BYTES = 32

RTSP_SECRET = "demo-camera"  # noqa: S105 - the reference by which the camera names its secret
"""Name of the file with the RTSP camera's user and password, in ingest's folder of secrets."""

VTEST = "/vtest"
"""Mount point of the RTSP camera."""


@dataclass(frozen=True)
class Parts:
    """The real parts of one run, each in a folder of its own."""

    folder: Path
    broker: Broker
    store: ObjectServer
    cameras: CameraServer
    allowed: AllowedAddresses
    http_port: int
    service_memory_mb: int
    trail_key: str = field(default_factory=lambda: secrets.token_hex(KEY_BYTES), repr=False)
    """Key of the api's audit trail; see `trail_key_file`."""
    second_factor_key: str = field(default_factory=lambda: secrets.token_hex(KEY_BYTES), repr=False)
    """Encrypts the secrets of second factors; the accounts are of this run too."""

    @classmethod
    def of(cls, settings: StackSettings, folder: Path, clip: Path) -> Parts:
        """Lay out a run in `folder` with the prepared `clip` on the RTSP camera, its password made here."""
        return cls(
            folder=folder,
            broker=Broker(
                folder=folder / "kafka",
                port=settings.kafka_port,
                controller_port=settings.kafka_controller_port,
                heap_mb=settings.kafka_heap_mb,
                users=Users.new(),
            ),
            store=ObjectServer(folder=folder / "minio", port=settings.minio_port, memory_mb=settings.minio_memory_mb),
            cameras=CameraServer(
                folder=folder / "cameras",
                port=settings.rtsp_port,
                mounts={VTEST: clip},
                user="beffroi",
                password=secrets.token_urlsafe(18),
            ),
            allowed=settings.cameras,
            http_port=settings.http_port,
            service_memory_mb=settings.service_memory_mb,
        )

    @property
    def database_url(self) -> str:
        """The api's database."""
        return f"sqlite:///{self.folder / 'api' / 'beffroi.sqlite3'}"

    @property
    def trail_key_file(self) -> Path:
        """Where whoever runs the machine finds the key, for `python -m beffroi_api.commands.audit`."""
        return self.folder / "keys" / "trail"

    @property
    def api_environment(self) -> dict[str, str]:
        """What a command of the api needs to reach its database and to add to its trail."""
        return {"BEFFROI_API_DATABASE_URL": self.database_url, "BEFFROI_API_TRAIL_KEY": self.trail_key}

    @property
    def secrets_folder(self) -> Path:
        """Where ingest looks secrets up, a file for each reference."""
        return self.folder / "secrets"

    @property
    def clips_folder(self) -> Path:
        """Whose files may be played as cameras."""
        return self.folder / "clips"

    def prepare(self) -> None:
        """Write every configuration and folder that the processes expect."""
        for part in (self.broker, self.store, self.cameras):
            part.prepare()
        for service in SERVICES:
            (self.folder / service).mkdir(exist_ok=True)
        self.clips_folder.mkdir(exist_ok=True)
        self.secrets_folder.mkdir(mode=0o700, exist_ok=True)
        self.write_secret()

    def write_secret(self) -> None:
        """Write the RTSP camera's user and password, for this machine alone."""
        login = f"{self.cameras.user}:{self.cameras.password}"
        self.trail_key_file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(self.trail_key_file, self.trail_key)
        write_private(self.secrets_folder / RTSP_SECRET, f"{login}\n{LOOPBACK}\n")

    def programs(self) -> list[Program]:
        """Return every process of the run."""
        parts = [
            Program("kafka", self.broker.argv()),
            Program("minio", self.store.argv(), self.store.environment),
            Program("cameras", self.cameras.argv(), self.cameras.environment),
        ]
        return parts + [self._service(name) for name in SERVICES]

    def _service(self, name: str) -> Program:
        prefix = f"BEFFROI_{name.upper()}_"
        values = _beneath("KAFKA", _variables(self.broker.settings(user_of(Service(name)))))
        values["INSTANCE"] = f"{name}-0"
        values |= self._own_settings().get(name, {})
        return Program(
            name,
            [sys.executable, "-m", MODULES.get(name, f"beffroi_{name}")],
            # Arenas of one process for many threads let memory grow with no need: two are enough.
            {"MALLOC_ARENA_MAX": "2"} | {prefix + key: value for key, value in values.items()},
            self.service_memory_mb,
        )

    def _journal(self, service: str) -> dict[str, str]:
        return {"JOURNAL_FOLDER": str(self.folder / service / "journal")}

    def _own_settings(self) -> Mapping[str, Mapping[str, str]]:
        recorder, api = (_variables(self.store.settings(each)) for each in (Service.RECORDER, Service.API))
        where = {
            "NETWORKS": _listed(f"{LOOPBACK}/32", *self.allowed.networks),
            "PORTS": _listed(self.cameras.port, *self.allowed.ports),
            "FOLDERS": _listed(self.clips_folder, *self.allowed.folders),
        }
        addresses = _beneath("ADDRESSES", where)
        return {
            "ingest": addresses | {"SECRETS_DIR": str(self.secrets_folder)},
            "rules": {"DATA_FOLDER": str(self.folder / "rules" / "faust")},
            "masker": self._journal("masker"),
            "vision": self._journal("vision"),
            "recorder": _beneath("STORE", recorder)
            | {"WORK_DIR": str(self.folder / "recorder" / "work")}
            | self._journal("recorder"),
            "api": _beneath("STORES__RECORDINGS", api)
            | addresses
            | {
                "HOST": LOOPBACK,
                "PORT": str(self.http_port),
                "DATABASE_URL": self.database_url,
                "TRAIL_KEY": self.trail_key,
                "SECOND_FACTOR_KEY": self.second_factor_key,
                "COMMUNE": COMMUNE,
            },
        }


def _listed(*values: object) -> str:
    return ",".join(map(str, values))


def _variables(group: BaseModel) -> dict[str, str]:
    """What was set of a group of settings, as variables hold it."""
    said = group.model_dump(exclude_unset=True)
    plain = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in said.items()}
    return {name.upper(): str(value) for name, value in plain.items()}


def _beneath(group: str, values: Mapping[str, str]) -> dict[str, str]:
    """Settings of a group, by the names of their variables."""
    return {f"{group}__{name}": value for name, value in values.items()}

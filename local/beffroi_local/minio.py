"""A real MinIO server in a folder of its own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr

from beffroi_common.bus.rights import user_of
from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store.policies import ACTIONS, policy
from beffroi_common.topics import Service

from .paths import minio_program
from .ports import LOOPBACK, free_port
from .process import Command, running

READY_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 2.0

KEY_BYTES = 24


def _new_key() -> str:
    return secrets.token_urlsafe(KEY_BYTES)


@dataclass(frozen=True)
class ObjectServer:
    """A server's place and keys.

    Attributes:
        folder: data and log.
        port: of clients.
        access_key: user of the account that may do everything: nobody's but this machine's owner's.
        secret_key: its password; never shown.
        service_keys: for each service that has a key, the secret; never shown.
        memory_mb: soft limit of its memory, MiB.
    """

    folder: Path
    port: int
    access_key: str = "beffroi"
    secret_key: str = field(default_factory=_new_key, repr=False)
    service_keys: Mapping[Service, str] = field(
        default_factory=lambda: {service: _new_key() for service in ACTIONS}, repr=False
    )
    memory_mb: int = 512

    @property
    def endpoint(self) -> str:
        """Host and port, as the `minio` client takes them."""
        return f"{LOOPBACK}:{self.port}"

    def settings(self, service: Service | None = None) -> StoreSettings:
        """How a service reaches its bucket; None: with the key that may do everything."""
        key = (self.access_key, self.secret_key)
        if service is not None:
            key = (user_of(service), self.service_keys[service])
        return StoreSettings(endpoint=self.endpoint, access_key=key[0], secret_key=SecretStr(key[1]), secure=False)

    def grant(self) -> None:
        """Make each service's key, with what its policy allows and nothing else. The server answers already."""
        keys = StaticProvider(self.access_key, self.secret_key)
        admin = MinioAdmin(endpoint=self.endpoint, credentials=keys, secure=False)
        for service, secret in self.service_keys.items():
            own = self.settings(service)
            admin.policy_add(own.access_key, policy=policy(service, own.bucket))
            admin.user_add(own.access_key, secret)
            admin.attach_policy([own.access_key], user=own.access_key)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the server's process."""
        return {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "GOMEMLIMIT": f"{self.memory_mb}MiB",
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CALLHOME_ENABLE": "off",
            # The scanner applies lifecycle rules; a cycle's pause of a minute by default.
            "MINIO_SCANNER_SPEED": "fastest",
        }

    def argv(self) -> list[str]:
        """Return the server's command line; the keys go by `environment`."""
        return [str(minio_program()), "server", "--quiet", "--address", self.endpoint, str(self.folder / "data")]

    def prepare(self) -> None:
        """Make the data folder."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)

    def is_ready(self) -> bool:
        """Say whether it answers requests."""
        try:
            url = f"http://{self.endpoint}/minio/health/cluster"
            return httpx.get(url, timeout=PROBE_TIMEOUT_S, trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def object_server(folder: Path) -> Iterator[ObjectServer]:
    """Run a server on a free port for as long as the context lasts."""
    server = ObjectServer(folder=folder, port=free_port())
    server.prepare()
    command = Command("minio", server.argv(), folder, server.environment)
    with running(command, server.is_ready, READY_TIMEOUT_S, stop_timeout_s=0):
        yield server

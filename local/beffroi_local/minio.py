"""A real MinIO server in a folder of its own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from .paths import minio_program
from .ports import LOOPBACK, free_port
from .process import Command, running

READY_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class ObjectServer:
    """A server's place and keys.

    Attributes:
        folder: data and log.
        port: of clients.
        access_key: user of the one account.
        secret_key: its password; never shown.
        memory_mb: soft limit of its memory, MiB.
    """

    folder: Path
    port: int
    access_key: str = "beffroi"
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    memory_mb: int = 512

    @property
    def endpoint(self) -> str:
        """Host and port, as the `minio` client takes them."""
        return f"{LOOPBACK}:{self.port}"

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

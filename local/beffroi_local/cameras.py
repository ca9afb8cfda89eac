"""RTSP cameras on this machine: `rtsp_server.py` in a process of its own, and what it writes down."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .paths import LOCAL, SYSTEM_PYTHON
from .ports import LOOPBACK, free_port, is_open
from .process import Command, start_ready, stop

READY_TIMEOUT_S = 30.0

PATH = "/camera"
"""Mount point of a server's only camera."""

SERVER = LOCAL / "beffroi_local" / "rtsp_server.py"

PASSWORD_VARIABLE = "BEFFROI_LOCAL_RTSP_PASSWORD"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class Loop:
    """The start of one loop of a camera's clip.

    Attributes:
        path: the camera's mount point.
        loop: how many loops went before.
        started_ns: wall clock (UTC, ns) at which its first picture was due and sent.
        sent_before: pictures sent to somebody since the server started, this loop's not counted.
    """

    path: str
    loop: int
    started_ns: int
    sent_before: int


@dataclass(frozen=True)
class CameraServer:
    """One server of cameras.

    Attributes:
        folder: configuration, journal and log.
        port: of RTSP.
        mounts: for each path (with its slash) the index of the prepared clip that it plays.
        user: who may watch; None: anybody.
        password: of `user`; never shown.
    """

    folder: Path
    port: int
    mounts: Mapping[str, Path]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def journal(self) -> Path:
        """Where the starts of loops are written."""
        return self.folder / "cameras.jsonl"

    def url(self, path: str) -> str:
        """Return the address of the camera at `path`, without credentials."""
        return f"rtsp://{LOOPBACK}:{self.port}{path}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the server's process."""
        # The system's Python must not look into this environment's packages.
        return {"PYTHONPATH": "", "PYTHONHOME": "", PASSWORD_VARIABLE: self.password or ""}

    def argv(self) -> list[str]:
        """Return the server's command line."""
        return [str(SYSTEM_PYTHON), str(SERVER), str(self.folder / "cameras.json")]

    def prepare(self) -> None:
        """Write the server's configuration and an empty journal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = {
            "host": LOOPBACK,
            "port": self.port,
            "mounts": {path: str(index) for path, index in self.mounts.items()},
            "journal": str(self.journal),
            "user": self.user,
            "password_variable": PASSWORD_VARIABLE,
        }
        (self.folder / "cameras.json").write_text(json.dumps(config, indent=2))
        self.journal.write_text("")

    def loops(self, path: str) -> list[Loop]:
        """Return the starts of loops of the camera at `path` so far, in order."""
        lines = self.journal.read_text().splitlines()
        return [loop for loop in (Loop(**json.loads(line)) for line in lines) if loop.path == path]


@dataclass
class RtspCamera:
    """A server of cameras that can be started, killed and started again at the same address, as tests need it."""

    server: CameraServer
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def on_free_port(
        cls, folder: Path, mounts: Mapping[str, Path], user: str | None = None, password: str | None = None
    ) -> RtspCamera:
        """Choose a port; `start` starts it."""
        server = CameraServer(folder=folder, port=free_port(), mounts=mounts, user=user, password=password)
        server.prepare()
        return cls(server)

    @property
    def url(self) -> str:
        """Address of the camera at `PATH`, without credentials."""
        return self.server.url(PATH)

    @property
    def loops(self) -> list[Loop]:
        """The starts of loops of the camera at `PATH` so far."""
        return self.server.loops(PATH)

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        command = Command("cameras", self.server.argv(), self.server.folder, self.server.environment)
        self._process = start_ready(command, lambda: is_open(self.server.port), READY_TIMEOUT_S)

    def stop(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None:
            stop(self._process, timeout_s=0)
            self._process = None

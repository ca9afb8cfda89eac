"""The api, and its live views, as processes: for tests that run them, kill them, and run several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from tests.application import PASSWORD, SECOND_FACTOR_KEY, TRAIL_KEY, eventually

from beffroi_api.http.access import COOKIE
from beffroi_local.ports import free_port

V1 = "/api/v1"
NOBODY = "127.0.0.1:1"
"""Nothing listens there."""
TIMEOUT_S = 60.0

PREFIXES = {"beffroi_api": "BEFFROI_API_", "beffroi_api.live": "BEFFROI_LIVE_"}
"""Of the settings of each program."""

OF_THE_MODULE = {
    "beffroi_api": {
        "SLOTS": "2",
        "SECOND_FACTOR_KEY": SECOND_FACTOR_KEY,
        "STORES__RECORDINGS__ENDPOINT": NOBODY,
        "STORES__RECORDINGS__ACCESS_KEY": "key",
        "STORES__RECORDINGS__SECRET_KEY": "hunter2-secret",
        "STORES__RECORDINGS__SECURE": "false",
    },
    "beffroi_api.live": {},
}
"""What only one of them must be told."""


@dataclass
class Process:
    """One `python -m beffroi_api` (or of another module), which can be killed and started again."""

    folder: Path
    variables: dict[str, str]
    module: str = "beffroi_api"
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    running: subprocess.Popen[str] | None = None
    clients: list[httpx2.Client] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "DATABASE_URL": f"sqlite:///{self.folder / 'api.sqlite3'}",
            "PORT": str(self.port),
            "ADMIN_PORT": str(self.admin_port),
            "INSTANCE": "test",
            "TRAIL_KEY": TRAIL_KEY,
            "KAFKA__BOOTSTRAP_SERVERS": NOBODY,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BEFFROI_")}
        given = own | OF_THE_MODULE[self.module] | self.variables
        return kept | {f"{PREFIXES[self.module]}{name}": value for name, value in given.items()}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        if self.module == "beffroi_api":
            subprocess.run([sys.executable, "-m", "beffroi_api.commands.migrate"], env=self.environment, check=True)
        with (self.folder / "log").open("a") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", self.module], env=self.environment, stdout=log, stderr=log, text=True
            )
        eventually(self._answers, TIMEOUT_S)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.running is not None
        self.running.send_signal(how)
        return self.running.wait(TIMEOUT_S)

    def user(self, role: str) -> httpx2.Client:
        words = ["add", "--username", role, "--display-name", role, "--role", role, "--own-password"]
        command = [sys.executable, "-m", "beffroi_api.commands.users", *words]
        subprocess.run(command, env=self.environment, input=PASSWORD + "\n", text=True, check=True)
        return self.sign_in(role)

    def sign_in(self, role: str) -> httpx2.Client:
        client = httpx2.Client(base_url=f"http://{self.address}", headers={"X-Beffroi-Request": "1"}, timeout=TIMEOUT_S)
        self.clients.append(client)
        answer = client.post(f"{V1}/session", json={"username": role, "password": PASSWORD}).raise_for_status()
        client.headers["Cookie"] = f"{COOKIE}={answer.cookies[COOKIE]}"  # Secure, and this is http
        return client

    def _answers(self) -> bool:
        assert self.running is not None
        assert self.running.poll() is None, self.log
        try:
            return httpx2.get(f"http://127.0.0.1:{self.admin_port}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def end(self) -> None:
        """Leave nothing running."""
        for client in self.clients:
            client.close()
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()

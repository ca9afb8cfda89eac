"""A real PostgreSQL server in a folder of its own, for tests: PostgreSQL is the production database."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .paths import NotInstalledError
from .ports import LOOPBACK, free_port
from .process import Command, PartFailedError, running

READY_TIMEOUT_S = 60.0

OWNER = "beffroi"
"""The one account of the server."""

SYSTEM_USER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""


def _program(name: str) -> Path:
    if found := shutil.which(name):
        return Path(found)
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise NotInstalledError(f"PostgreSQL's {name} was not found: run `make test`, which installs it")
    return versions[-1]


@dataclass(frozen=True)
class PostgresServer:
    """A server's place and password.

    Attributes:
        folder: data, socket and log.
        port: of clients.
        password: of `OWNER`; never shown.
    """

    folder: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def url(self, database: str = "postgres") -> str:
        """Return the address of `database` as SQLAlchemy takes it. Holds the password."""
        return f"postgresql+psycopg://{OWNER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self) -> str:
        """Make an empty database and return its `url`."""
        name = f"test_{uuid.uuid4().hex}"
        subprocess.run(
            [_program("createdb"), "--host", LOOPBACK, "--port", str(self.port), "--username", OWNER, name],
            env={**os.environ, "PGPASSWORD": self.password},
            check=True,
        )
        return self.url(name)

    def is_ready(self) -> bool:
        """Say whether it accepts connections."""
        arguments = ("--quiet", "--host", LOOPBACK, "--port", str(self.port), "--username", OWNER)
        return subprocess.run([_program("pg_isready"), *arguments], check=False).returncode == 0


def _user() -> str | None:
    return SYSTEM_USER if os.geteuid() == 0 else None


def _initialise(server: PostgresServer, data: Path) -> None:
    password_file = server.folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(server.password)
    if user := _user():
        shutil.chown(server.folder, user)
        shutil.chown(password_file, user)
    done = subprocess.run(
        [
            *(_program("initdb"), "--pgdata", data, "--username", OWNER, "--pwfile", password_file),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        cwd=server.folder,
        user=_user(),
        check=False,
    )
    password_file.unlink()
    if done.returncode != 0:
        raise PartFailedError(f"PostgreSQL's data folder could not be made:\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server on a free port for as long as the context lasts.

    Its folder is made directly in the folder for temporary files: the user it runs as cannot enter root's own.
    """
    folder = Path(tempfile.mkdtemp(prefix="beffroi-postgres-"))
    try:
        server = PostgresServer(folder=folder, port=free_port())
        data = folder / "data"
        _initialise(server, data)
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(server.port),
            "unix_socket_directories": str(folder),
            "fsync": "off",  # thrown away at the end
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        argv = [str(_program("postgres")), "-D", str(data), *options]
        with running(
            Command("postgres", argv, folder, user=_user()), server.is_ready, READY_TIMEOUT_S, stop_timeout_s=0
        ):
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)

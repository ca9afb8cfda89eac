"""The folder of one run. While it runs it holds pictures without masks, films and secrets; after it, logs alone."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from .process import PartFailedError, await_condition

MARK = "running"
"""A file that is in the folder of a run from before anything else is until nothing else is."""

REMOVE_TIMEOUT_S = 30.0
"""Processes that were killed may write for a moment yet."""


class FolderTakenError(RuntimeError):
    """Another run uses this folder."""


@contextlib.contextmanager
def only_run_in(home: Path) -> Iterator[None]:
    """Keep a folder of runs to oneself.

    Raises:
        FolderTakenError: another run has it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTakenError(
                f"another run uses {home}: stop it, or give this one a folder of its own with BEFFROI_HOME"
            ) from None
        yield


@contextlib.contextmanager
def run_folder(home: Path, name: str) -> Iterator[Path]:
    """Give a new run its folder, for its owner alone, and leave only its logs there, however it ends.

    What runs that were killed left is removed first, whatever their name: all of them are over, since `home` is ours.

    Raises:
        PartFailedError: something cannot be removed.
    """
    for left in _killed_runs(home):
        leave_logs(left)
    folder = home.resolve() / name
    _remove(folder)
    folder.mkdir(mode=0o700)
    (folder / MARK).touch(mode=0o600)
    try:
        yield folder
    finally:
        leave_logs(folder)


def _killed_runs(home: Path) -> list[Path]:
    return [mark.parent for mark in home.resolve().glob(f"*/{MARK}") if not mark.parent.is_symlink()]


def leave_logs(folder: Path) -> None:
    """Remove all that a run left but the logs of its processes.

    Raises:
        PartFailedError: something cannot be removed.
    """
    mark = folder / MARK
    for path in sorted(folder.glob("*")):  # none where somebody has removed the folder himself
        if path != mark and not _is_log(path):
            _remove(path)
    mark.unlink(missing_ok=True)


def _is_log(path: Path) -> bool:
    """A log of a process, or an older one that was set aside (`masker.log.1`)."""
    return path.is_file() and not path.is_symlink() and path.name.partition(".")[2].split(".")[0] == "log"


def _remove(path: Path) -> None:
    def gone() -> bool:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return not path.exists()

    try:
        await_condition(gone, REMOVE_TIMEOUT_S, f"{path} to be removed")
    except (TimeoutError, OSError) as error:
        raise PartFailedError(f"{path} could not be removed ({error}): it may hold pictures without masks") from None

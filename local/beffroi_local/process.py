"""Child processes that never outlive their parent, and conditions that are awaited."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05
"""How often a condition is looked at: well under what a person notices."""

STOP_TIMEOUT_S = 10.0
"""How long a part may take to end by itself before it is killed."""

LOG_TAIL_BYTES = 4000
"""How much of a dead part's log an error shows."""

BOUND = ("setpriv", "--pdeathsig", "KILL", "prlimit", "--core=0")
"""util-linux's: the kernel ends the child when the thread that started it ends, even by `kill -9`; and a crash leaves
no memory on the disk, which may hold pictures without masks. A limit more may follow."""


class PartFailedError(RuntimeError):
    """A part did not start, or ended by itself."""


@dataclass(frozen=True)
class Command:
    """What is started.

    Attributes:
        name: in words, for messages and the log file's name.
        argv: program and arguments; never a secret, since any user of the machine sees them.
        environment: variables beside those of this process; secrets go here.
        folder: working folder, where the log is written too.
        user: who runs it; None: who runs this.
    """

    name: str
    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str] | None = None
    user: str | None = None

    @property
    def log(self) -> Path:
        """The file that takes its output."""
        return self.folder / f"{self.name}.log"


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, its output in its log."""
    command.folder.mkdir(parents=True, exist_ok=True)
    with command.log.open("ab") as log:
        return subprocess.Popen(
            [*BOUND, *command.argv],
            cwd=command.folder,
            env={**os.environ, **(command.environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=command.user,
        )


def stop(process: subprocess.Popen[bytes], timeout_s: float = STOP_TIMEOUT_S) -> None:
    """End `process` and all that it started: asked first, killed after `timeout_s` (0: at once)."""
    if timeout_s > 0 and process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def await_condition(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait until `condition` holds.

    Raises:
        TimeoutError: it did not within `timeout_s`; says `what` was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(POLL_S)


def log_tail(log: Path) -> str:
    """Return the last lines of a log, for a message about its dead writer."""
    try:
        return log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except FileNotFoundError:
        return "(no log)"


def start_ready(command: Command, ready: Callable[[], bool], timeout_s: float) -> subprocess.Popen[bytes]:
    """Start `command` and return once `ready` holds.

    Raises:
        PartFailedError: it ended by itself or was not ready within `timeout_s`; shows the end of its log.
    """
    process = start(command)
    try:
        await_condition(lambda: process.poll() is not None or ready(), timeout_s, f"{command.name} to be ready")
    except TimeoutError as error:
        stop(process, timeout_s=0)
        raise PartFailedError(f"{error}\n{log_tail(command.log)}") from error
    except BaseException:
        stop(process, timeout_s=0)
        raise
    if process.poll() is not None:
        raise PartFailedError(
            f"{command.name} ended with status {process.returncode} while starting:\n{log_tail(command.log)}"
        )
    return process


@contextlib.contextmanager
def running(
    command: Command, ready: Callable[[], bool], ready_timeout_s: float, stop_timeout_s: float = STOP_TIMEOUT_S
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` for as long as the context lasts, entered once `ready` holds (see `start_ready`)."""
    process = start_ready(command, ready, ready_timeout_s)
    try:
        yield process
    finally:
        stop(process, stop_timeout_s)

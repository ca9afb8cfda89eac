"""supervisord: its configuration, and what is asked of it while it runs."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from .private_files import write_private
from .process import BOUND, Command, await_condition, start_ready, stop

READY_TIMEOUT_S = 30.0

STOP_TIMEOUT_S = 10
"""Of one program, asked to end. Then it is killed."""

START_S = 2
"""A program that lives so long counts as started."""

START_RETRIES = 20
"""A program that ends sooner is tried so often, each time a second later; then it stays down and is reported."""

DOWN = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
"""supervisor's names of states without a process."""

LOG_BYTES = "10MB"
LOG_FILES = 3


@dataclass(frozen=True)
class Program:
    """One process of the system.

    Attributes:
        name: as supervisor knows it; its log is `NAME.log`.
        argv: program and arguments, seen by every user of the machine: no secret.
        environment: its variables beside those inherited; secrets go here, into a file for its owner alone.
        data_limit_mb: hard limit of its own memory (RLIMIT_DATA); None: the program keeps a limit of its own.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    data_limit_mb: int | None = None

    @property
    def command(self) -> list[str]:
        """The command line with what binds it to supervisord's life and to its memory."""
        limit = [] if self.data_limit_mb is None else [f"--data={self.data_limit_mb * 1024 * 1024}"]
        return [*BOUND, *limit, *self.argv]


def config(programs: Iterable[Program], folder: Path, control: Path) -> str:
    """Return the text of supervisord's configuration. It holds secrets: see `write_private`.

    Args:
        programs: none starts by itself; `Supervisor.start` starts them.
        folder: logs and working folder.
        control: path of the socket.
    """
    lines = [
        "[unix_http_server]",
        f"file={control}",
        "chmod=0600",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "[supervisord]",
        "nodaemon=true",
        "silent=true",
        f"logfile={_value(str(folder / 'supervisord.log'))}",
        f"logfile_maxbytes={LOG_BYTES}",
        f"pidfile={_value(str(folder / 'supervisord.pid'))}",
        f"childlogdir={_value(str(folder))}",
    ]
    if os.geteuid() == 0:
        lines.append(f"user={getpass.getuser()}")  # said, so that supervisor does not warn of it
    for program in programs:
        environment = ",".join(f'{name}="{_quoted(value)}"' for name, value in program.environment.items())
        lines += [
            f"[program:{program.name}]",
            f"command={_value(shlex.join(program.command))}",
            f"directory={_value(str(folder))}",
            f"environment={environment}",
            "autostart=false",
            "autorestart=true",
            f"startsecs={START_S}",
            f"startretries={START_RETRIES}",
            f"stopwaitsecs={STOP_TIMEOUT_S}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_value(str(folder / f'{program.name}.log'))}",
            f"stdout_logfile_maxbytes={LOG_BYTES}",
            f"stdout_logfile_backups={LOG_FILES}",
        ]
    return "\n".join(lines) + "\n"


def _value(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    if '"' in text or "\n" in text:
        raise ValueError("supervisor's configuration cannot hold quotes or line ends in a variable's value")
    return _value(text).replace("\\", "\\\\")


class Supervisor:
    """One supervisord and the programs it keeps."""

    def __init__(self, programs: Sequence[Program], folder: Path) -> None:
        self.programs = {program.name: program for program in programs}
        self._folder = folder
        # A socket's path may have 108 characters at most; a checkout's may have more.
        self._control_folder = Path(tempfile.mkdtemp(prefix="beffroi-"))
        self._control = self._control_folder / "control"
        write_private(folder / "supervisord.conf", config(programs, folder, self._control))
        argv = [sys.executable, "-m", "supervisor.supervisord", "-c", str(folder / "supervisord.conf")]
        self._process = start_ready(Command("supervisor", argv, folder), self._control_answers, READY_TIMEOUT_S)

    def start(self, *names: str) -> None:
        """Start programs; whether they are ready is the caller's to find out."""
        for name in names:
            self._call("startProcess", name, False)

    def signal(self, name: str, signal: str) -> None:
        """Send `signal` (such as "KILL") to a program; one that dies of it is started again."""
        self._call("signalProcess", name, signal)

    def pid(self, name: str) -> int:
        """Return a program's process id, 0 when it does not run."""
        return int(self._call("getProcessInfo", name)["pid"])

    def pids(self) -> dict[str, int]:
        """Return the process id of each program that runs."""
        return {state["name"]: int(state["pid"]) for state in self._states() if state["pid"]}

    def given_up(self) -> list[str]:
        """Return the programs that ended too soon too often."""
        return [state["name"] for state in self._states() if state["statename"] == "FATAL"]

    def stop_one(self, name: str) -> None:
        """End a program and leave it down until `start`."""
        self._stop_together({name})

    def stop(self, *first: str) -> None:
        """End all programs, each asked and after a while killed, then supervisord.

        Args:
            first: programs that end before the others, because they need these to end well.
        """
        try:
            if self._process.poll() is None:
                for names in (set(first), set(self.programs) - set(first)):
                    self._stop_together(names)
        finally:
            stop(self._process, timeout_s=2 * STOP_TIMEOUT_S)  # whatever is left dies with it
            shutil.rmtree(self._control_folder, ignore_errors=True)

    def _stop_together(self, names: set[str]) -> None:
        # supervisord itself would stop one after the other.
        for state in self._states():
            if state["name"] in names and state["statename"] not in DOWN:
                self._call("stopProcess", state["name"], False)

        def down() -> bool:
            return all(state["statename"] in DOWN for state in self._states() if state["name"] in names)

        await_condition(down, 2 * STOP_TIMEOUT_S, f"{', '.join(sorted(names))} to end")

    def _states(self) -> list[dict[str, Any]]:
        return list(self._call("getAllProcessInfo"))

    def _control_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._control)) == 0

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._control}")
        with ServerProxy("http://supervisor", transport=transport) as server:
            try:
                return getattr(server.supervisor, method)(*arguments)
            except Fault as error:
                raise RuntimeError(f"supervisor would not {method} {arguments}: {error.faultString}") from error

"""After a run only its logs are there, however it ended."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from beffroi_local import demo, stack
from beffroi_local.process import PartFailedError
from beffroi_local.run_folder import MARK, only_run_in, run_folder
from beffroi_local.settings import StackSettings
from beffroi_local.signals import ENDING, interrupt_on_signals
from beffroi_local.stack import Stack, running_stack

TIMEOUT_S = 60.0


def fill(folder: Path) -> None:
    """What a run writes: pictures, films, secrets, crashes; and logs."""
    pictures = folder / "kafka" / "data" / "frames.raw.v1-0"
    pictures.mkdir(parents=True)
    (pictures / "00000000000000000000.log").write_bytes(b"a street")
    (folder / "supervisord.conf").write_text("a secret")
    (folder / "hs_err_pid1.txt").write_text("what was in memory")
    (folder / "core").write_bytes(b"a street")
    for name in ("masker.log", "masker.log.1", "supervisord.log"):
        (folder / name).write_text("said")


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


LOGS = {"masker.log", "masker.log.1", "supervisord.log"}


def test_only_logs_are_left(tmp_path: Path) -> None:
    with run_folder(tmp_path, "demo") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        fill(folder)
    assert left(folder) == LOGS


def test_a_folder_that_a_person_removed_is_no_failure(tmp_path: Path) -> None:
    with run_folder(tmp_path, "demo") as folder:
        shutil.rmtree(folder)
    assert not folder.exists()


def test_hidden_files_are_no_logs_either(tmp_path: Path) -> None:
    with run_folder(tmp_path, "demo") as folder:
        (folder / ".pictures").write_bytes(b"a street")
        (folder / "pictures.mp4.log").mkdir()
    assert left(folder) == set()


def test_only_logs_are_left_of_a_run_that_failed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with pytest.raises(PartFailedError, match="no such disk"), run_folder(tmp_path, "demo"):
        fail(folder)
    assert left(folder) == LOGS


def fail(folder: Path) -> None:
    fill(folder)
    raise PartFailedError("no such disk")


def killed(home: Path, name: str) -> Path:
    folder = home / name
    folder.mkdir()
    (folder / MARK).touch()
    fill(folder)
    return folder


def test_what_any_killed_run_left_is_gone_before_the_next_begins(tmp_path: Path) -> None:
    other, own = killed(tmp_path, "check"), killed(tmp_path, "demo")
    with run_folder(tmp_path, "demo"):
        assert left(other) == LOGS
        assert left(own) == {MARK}


def test_what_is_no_run_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "holidays"
    mine.mkdir()
    (mine / "beach.jpg").write_bytes(b"sand")
    elsewhere = killed(tmp_path / "..", f"{tmp_path.name}-elsewhere")
    (tmp_path / "link").symlink_to(elsewhere)
    with run_folder(tmp_path, "demo"):
        pass
    assert left(mine) == {"beach.jpg"}
    assert "core" in left(elsewhere)


RUN = """
import sys, time
from pathlib import Path
from beffroi_local.run_folder import only_run_in, run_folder
from beffroi_local.signals import interrupt_on_signals
interrupt_on_signals()
home = Path(sys.argv[1])
with only_run_in(home), run_folder(home, "demo") as folder:
    (folder / "kafka").mkdir()
    (folder / "kafka" / "pictures").write_bytes(b"a street")
    (folder / "masker.log").write_text("said")
    try:
        print("running", flush=True)
        time.sleep(600)
    finally:
        print("stopping", flush=True)
        sys.stdin.readline()
"""


BACKGROUND = ("env", "--ignore-signal=INT,QUIT")
"""What a shell does to a command that ends in an ampersand."""


@contextmanager
def background_run(home: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*BACKGROUND, sys.executable, "-c", RUN, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", ENDING)
def test_a_run_in_the_background_stops_on_each_signal_and_is_not_hurried(
    tmp_path: Path, number: signal.Signals
) -> None:
    with background_run(tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.send_signal(number)
        assert process.stdout.readline() == "stopping\n"
        for again in ENDING:
            process.send_signal(again)
        process.stdin.write("\n")
        process.stdin.flush()
        process.wait(TIMEOUT_S)
        assert left(tmp_path / "demo") == {"masker.log"}


def test_a_killed_run_leaves_what_the_next_removes(tmp_path: Path) -> None:
    with background_run(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)
    assert "kafka/pictures" in left(tmp_path / "demo")
    with only_run_in(tmp_path), run_folder(tmp_path, "check"):
        assert left(tmp_path / "demo") == {"masker.log"}


def test_a_start_that_fails_leaves_logs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(started: Stack) -> None:
        fail(started.parts.folder)

    monkeypatch.setattr(Stack, "start_parts", fails)
    monkeypatch.setattr(stack, "Parts", FakeParts)
    with pytest.raises(PartFailedError), running_stack(StackSettings.on_free_ports(tmp_path), "demo", Path()):
        raise AssertionError("it does not start")
    assert left(tmp_path / "demo") - {"supervisor.log"} == LOGS


class FakeParts:
    """No part: what matters is the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, _settings: StackSettings, folder: Path, _clip: Path) -> FakeParts:
        return cls(folder)

    def prepare(self) -> None:
        (self.folder / "secrets").mkdir()

    def programs(self) -> list[object]:
        return []


def test_a_terminal_that_closed_keeps_nobody_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.EIO, "the terminal is gone")

    monkeypatch.setattr(sys, "stdout", Closed())
    demo.say("stopping everything")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_only_a_hangup_may_be_ignored_on_purpose(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """`nohup` is a wish; an ignored SIGINT is what a shell does to whatever it starts in the background."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in ENDING}
    try:
        interrupt_on_signals()
        assert (signal.getsignal(number) is signal.SIG_IGN) == (number is signal.SIGHUP)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

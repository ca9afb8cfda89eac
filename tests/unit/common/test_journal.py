"""What ended a process is known to the one that starts next, and its camera is left out."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from beffroi_common.bus.crashes import DEATHS_FIRST_S, DEATHS_MOST_S, Crashes, GivenUpError
from beffroi_common.bus.interfaces import Record
from beffroi_common.bus.journal import MEMORY_S, Death, Ending, FileJournal, journal_in
from beffroi_common.runtime.settings import SettingsError
from beffroi_testing import ManualClock

WORKER = """
import ctypes, os, signal, sys, threading
from pathlib import Path
from beffroi_common.bus.journal import FileJournal
from beffroi_common.runtime.clock import SystemClock

def work(camera, offset, end):
    with journal.at_work(("frames", 0), offset, camera):
        begun.release()
        end()

def fault():
    both.wait()
    ctypes.string_at(1)

begun, both = threading.Semaphore(0), threading.Event()
with FileJournal(Path(sys.argv[1]), SystemClock()) as journal:
    work("done", 1, lambda: None)
    for camera, offset, end in (("good", 2, threading.Event().wait), ("bad", 3, fault)):
        threading.Thread(target=work, args=(camera, offset, end), daemon=True).start()
    for _ in range(3):
        begun.acquire()
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "fault":
        both.set()
        threading.Event().wait()
    raise SystemExit(1)
"""


def record(offset: int = 3, key: str = "bad") -> Record:
    return Record("frames", 0, offset, key, b"", 0)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("fault", {("bad", 3, Ending.CRASHED)}),
        ("kill", {("good", 2, Ending.KILLED), ("bad", 3, Ending.KILLED)}),
        ("exit", set()),
    ],
)
def test_who_was_at_work_when_a_process_ended_is_known_at_the_next_start(
    tmp_path: Path, how: str, found: set[tuple[str, int, Ending]]
) -> None:
    ended = subprocess.run([sys.executable, "-c", WORKER, str(tmp_path), how], check=False, capture_output=True)
    assert ended.returncode == {"fault": -11, "kill": -9, "exit": 1}[how], ended.stderr
    clock = ManualClock()
    for _ in range(2):  # it is counted once, and remembered
        with FileJournal(tmp_path, clock) as journal:
            assert {(each.key, each.offset, each.ending) for each in journal.deaths()} == found
    clock.advance(MEMORY_S + 1)
    with FileJournal(tmp_path, clock) as journal:
        assert journal.deaths() == ()


def test_a_worker_that_hangs_is_remembered_though_the_process_ends_in_order(tmp_path: Path) -> None:
    clock = ManualClock()
    with suppress(RuntimeError), FileJournal(tmp_path, clock) as journal, ExitStack() as never_ends:
        never_ends.enter_context(journal.at_work(("frames", 0), 3, "bad"))
        journal.hung(("frames", 0), 3, "bad")
        raise RuntimeError
    with FileJournal(tmp_path, clock) as journal:
        assert [(each.key, each.ending) for each in journal.deaths()] == [("bad", Ending.HUNG)]


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    for name in ("at-work", "deaths", "faults"):
        (tmp_path / name).write_bytes(b'{"topic": "frames"}\n{"cut\xff off     {"ending": "of old"}\n[1]\n')
    with FileJournal(tmp_path, ManualClock()) as journal:
        assert journal.deaths() == ()


def test_a_disk_that_is_full_or_fails_keeps_nobody_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_said: Any, **_more: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    clock, worked = ManualClock(), []
    with FileJournal(tmp_path, clock) as journal:
        with monkeypatch.context() as disk:
            for where, name in ((os, "pwrite"), (os, "ftruncate"), (Path, "write_text")):
                disk.setattr(where, name, full)
            with journal.at_work(("frames", 0), 1, "bad"):
                worked.append(1)
            journal.hung(("frames", 0), 2, "bad")
        with journal.at_work(("frames", 0), 3, "bad"):
            worked.append(3)
        journal.hung(("frames", 0), 4, "bad")
    with monkeypatch.context() as disk:
        for where, name in ((os, "pwrite"), (os, "ftruncate"), (Path, "write_text"), (Path, "open")):
            disk.setattr(where, name, full)
        with FileJournal(tmp_path, clock) as journal, journal.at_work(("frames", 0), 5, "bad"):
            worked.append(5)
    assert worked == [1, 3, 5]
    with FileJournal(tmp_path, clock) as journal:
        assert [each.offset for each in journal.deaths()] == [2, 4], "all is written once there is room"


def test_what_a_clock_noted_that_was_ahead_is_forgotten(tmp_path: Path) -> None:
    clock = ManualClock()
    ahead = ManualClock()
    ahead.advance(365 * 86_400)
    with FileJournal(tmp_path, ahead) as journal:
        journal.hung(("frames", 0), 3, "bad")
    with FileJournal(tmp_path, clock) as journal:
        assert journal.deaths() == ()
        journal.hung(("frames", 0), 4, "bad")
    clock.advance(-30)  # it is set right now and then
    with FileJournal(tmp_path, clock) as journal:
        assert [each.offset for each in journal.deaths()] == [4]


def test_a_folder_is_of_one_process(tmp_path: Path) -> None:
    with FileJournal(tmp_path, ManualClock()), pytest.raises(SettingsError, match="used by another process"):
        FileJournal(tmp_path, ManualClock()).__enter__()
    with pytest.raises(SettingsError, match="cannot be written"):
        FileJournal(Path("/proc/here"), ManualClock()).__enter__()
    with journal_in(None, ManualClock()) as none, none.at_work(("frames", 0), 3, "bad"):
        assert none.deaths() == ()


def recalled(clock: ManualClock, *endings: Ending, offset: int = 3) -> Crashes:
    crashes = Crashes(clock)
    at_ms = clock.now_ns() // 1_000_000
    crashes.recall([Death("frames", 0, offset, "bad", ending, at_ms) for ending in endings])
    return crashes


@pytest.mark.parametrize(("ending", "times"), [(Ending.HUNG, 1), (Ending.CRASHED, 2), (Ending.KILLED, 5)], ids=str)
def test_a_camera_that_ended_the_process_is_left_out_and_tried_again(ending: Ending, times: int) -> None:
    clock = ManualClock()
    recalled(clock, *[ending] * (times - 1)).refuse_if_tried(record())
    crashes = recalled(clock, *[ending] * times)
    with pytest.raises(GivenUpError):
        crashes.refuse_if_tried(record())
    with pytest.raises(GivenUpError, match="left out"):
        crashes.refuse_if_tried(record(offset=4))
    crashes.refuse_if_tried(record(offset=4, key="good"))
    clock.advance(DEATHS_FIRST_S + 1)
    crashes.refuse_if_tried(record(offset=5))
    with pytest.raises(GivenUpError):
        crashes.refuse_if_tried(record())


BUG = ", which the log has: it is a bug; report it"


@pytest.mark.parametrize(
    ("endings", "reason"),
    [
        ([Ending.HUNG], f"the process hung for too long with it once{BUG}"),
        ([Ending.CRASHED] * 2, f"the process ended in native code while it worked on it 2 times{BUG}"),
        (
            [Ending.KILLED, Ending.HUNG],
            f"the process hung for too long with it once and was killed while it was at work on it once{BUG}",
        ),
        (
            [Ending.KILLED] * 5,
            "the process was killed while it was at work on it 5 times: most likely it is innocent; "
            "see what the process was killed for",
        ),
    ],
    ids=["hung", "crashed", "both", "killed"],
)
def test_dead_letters_say_what_the_process_did_and_of_which_record(endings: list[Ending], reason: str) -> None:
    crashes = recalled(ManualClock(), *endings)
    with pytest.raises(GivenUpError) as of_record:
        crashes.refuse_if_tried(record())
    assert str(of_record.value) == reason
    with pytest.raises(GivenUpError) as of_camera:
        crashes.refuse_if_tried(record(offset=4))
    assert str(of_camera.value) == f"bad is left out for 600 s, for its record at frames[0]@3: {reason}"


def test_who_ends_it_again_is_left_out_for_longer() -> None:
    clock = ManualClock()
    crashes = Crashes(clock)
    at_ms = clock.now_ns() // 1_000_000
    crashes.recall([Death("frames", 0, offset, "bad", Ending.HUNG, at_ms) for offset in range(9)])
    clock.advance(DEATHS_MOST_S - 1)
    with pytest.raises(GivenUpError, match="left out"):
        crashes.refuse_if_tried(record(offset=100))
    clock.advance(2)
    crashes.refuse_if_tried(record(offset=100))

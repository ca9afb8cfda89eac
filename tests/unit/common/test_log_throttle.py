"""An outage is a few lines in the log, whoever writes them and however many cameras it is about."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from beffroi_common.runtime.log_throttle import MOST_OF_AN_EVENT, PERIOD_S, LogThrottle
from beffroi_testing import ManualClock


class Written(logging.Handler):
    """Keeps what passes."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.addFilter(LogThrottle(clock))
        self.lines: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.msg if isinstance(record.msg, dict) else record.getMessage())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def written(clock: ManualClock) -> Iterator[Written]:
    handler, logger = Written(clock), logging.getLogger("throttled")
    logger.addHandler(handler)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)


def say(event: str, level: int = logging.WARNING, **fields: object) -> None:
    logging.getLogger("throttled").log(level, {"event": event, **fields})


def test_it_is_written_once_then_once_a_minute_with_how_many_there_were(clock: ManualClock, written: Written) -> None:
    for _ in range(3 * 60):
        say("status not sent", reason="away")
        clock.advance(1)
    assert [line.get("repeated") for line in written.lines if isinstance(line, dict)] == [None, 59, 59]


def test_what_changes_with_each_try_makes_it_no_other_line(written: Written) -> None:
    for number in range(50):
        say("retry later", reason=f"try {number}", next_try_s=number)
    assert len(written.lines) == 1


def test_another_camera_is_another_line_and_a_thousand_are_a_few(clock: ManualClock, written: Written) -> None:
    for _ in range(3):
        for number in range(1000):
            say("no picture", camera=f"camera-{number}")
    assert len(written.lines) == MOST_OF_AN_EVENT
    clock.advance(PERIOD_S)
    say("no picture", camera="camera-999")
    assert written.lines[-1] == {"event": "no picture", "camera": "camera-999", "repeated": 3}


def test_a_library_is_held_to_it_too(clock: ManualClock, written: Written) -> None:
    library = logging.getLogger("throttled")
    for number in range(100):
        library.warning("Connection pool is full, discarding connection: %s", number)
    clock.advance(PERIOD_S)
    library.warning("Connection pool is full, discarding connection: %s", 7)
    assert written.lines == [
        "Connection pool is full, discarding connection: 0",
        "Connection pool is full, discarding connection: 7 (repeated 99 times)",
    ]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.CRITICAL])
def test_news_and_the_end_of_a_process_are_always_written(level: int, written: Written) -> None:
    logging.getLogger("throttled").setLevel(logging.DEBUG)
    for _ in range(3):
        say("camera starts", level)
    assert len(written.lines) == 3


def test_evidence_is_written_each_time(written: Written) -> None:
    for number in range(100):
        say("gone before its time", logging.ERROR, object=f"segments/{number}", evidence=True)
    assert len(written.lines) == 100
    assert written.lines[0] == {"event": "gone before its time", "object": "segments/0"}


PROCESS = """
import logging, structlog
from beffroi_common.runtime import logs
logs.configure("masker", "masker-0", "info")
for _ in range(100):
    structlog.get_logger("ours").warning("status not sent", key="gate")
    logging.getLogger("minio").error("no route to host")
"""


def test_every_process_has_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True)
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["status not sent", "no route to host"]

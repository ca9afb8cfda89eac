"""Threads that try again what is transient, and end the process on a bug."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.application import eventually, in_memory, running

from beffroi_api import workers
from beffroi_api.workers import Worker
from beffroi_common.bus import DeliveryError, Producer, RetryLater
from beffroi_common.bus.dead_letters import DeadLetterLimit, TooManyDeadLettersError
from beffroi_common.topics import ALERTS
from beffroi_testing import MemoryBroker, MemoryBus
from beffroi_testing.producer import MemoryProducer


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "RETRY_S", 0.0)


def test_what_is_transient_is_tried_again() -> None:
    lives, bugs = list[int](), list[BaseException]()
    third = threading.Event()

    def body(stop: threading.Event) -> None:
        lives.append(len(lives))
        if len(lives) < 3:
            raise RetryLater("later")
        third.set()
        stop.wait()

    worker = Worker("test", body, bugs.append)
    worker.start()
    assert third.wait(30)
    worker.ask_to_stop()
    worker.join()
    assert (lives, bugs) == ([0, 1, 2], [])


def test_a_bug_ends_it() -> None:
    bugs = list[BaseException]()

    def body(_stop: threading.Event) -> None:
        raise KeyError("a bug")

    worker = Worker("test", body, bugs.append)
    worker.start()
    worker.join()
    assert [type(bug) for bug in bugs] == [KeyError]


def test_alerts_that_nobody_understands_end_the_process(tmp_path: Path) -> None:
    around, broker, *_ = in_memory(tmp_path)
    for _ in range(3500):
        broker.append(ALERTS.name, "gate", b"{}", 0, {})
    with running(around) as app:
        eventually(lambda: bool(app.bugs))
        (bug,) = app.bugs
        assert isinstance(bug, TooManyDeadLettersError)
        assert len(broker.records(ALERTS.dead_letters)) == DeadLetterLimit().in_a_row + 1
        app.bugs.clear()  # it was looked for


class RefusedOnce(MemoryProducer):
    """A producer whose messages the broker refuses for good, as after a long outage."""

    def flush(self, timeout_s: float) -> int:
        raise DeliveryError("the broker did not take a message")


class GrudgingBus(MemoryBus):
    """Its second producer, and the ones after, work."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self._broker_ = broker
        self.producers = 0

    def producer(self) -> Producer:
        self.producers += 1
        return RefusedOnce(self._broker_) if self.producers <= 2 else super().producer()


def test_after_a_refusal_cameras_are_sent_by_a_new_producer(tmp_path: Path) -> None:
    around, broker, *_ = in_memory(tmp_path)
    around.bus = GrudgingBus(broker)
    with running(around) as app:
        camera = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
        app.administrator.put("/api/v1/cameras/gate", json=camera).raise_for_status()
        eventually(lambda: app.operator.get("/api/v1/cameras/gate").json()["published"])

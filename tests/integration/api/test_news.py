"""What one process writes, another on the same database knows: both are here, on the same doubles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.application import SYSTEM, Running, buffered, eventually, film

from beffroi_api.authz.territory import Territory
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import NewsRow
from beffroi_api.modules.live.streaming.session import OUT_OF_SCOPE
from beffroi_api.news import follower, repository
from beffroi_api.news.follower import NewsFollower
from beffroi_api.news.outbox import NewsOutbox
from beffroi_api.news.repository import Kind
from beffroi_common.topics import FRAMES_MASKED
from beffroi_testing import ManualClock

GATE = "/api/v1/cameras/gate"
BODY = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "nominal_fps": 5}
BURN = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}
LAG_S = 2.0


@dataclass
class Heard:
    """A follower on a database, and what it told."""

    database: Database
    clock: ManualClock = field(default_factory=ManualClock)
    outbox: NewsOutbox = field(default_factory=NewsOutbox)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        def start_over() -> None:
            self.told.append("everything")

        tell: dict[str, Callable[[str], None]] = dict.fromkeys(Kind, self.told.append)
        self.follower = NewsFollower(self.database, self.outbox, tell, start_over, self.clock, LAG_S, lambda: None)
        self.follower.begin()

    def write(self, *subjects: str) -> None:
        with self.database.write(SYSTEM) as session:
            for subject in subjects:
                self.outbox.add(session, Kind.ALERT, subject)


@pytest.fixture
def heard(database: Database) -> Heard:
    return Heard(database)


def test_what_was_there_before_is_passed_over(heard: Heard) -> None:
    heard.write("old")
    later = Heard(heard.database)
    later.write("new")
    assert later.follower.catch_up()
    assert later.told == ["new"]


def test_news_come_in_order_and_once_a_page(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "PAGE", 2)
    heard.write("a", "b", "b", "c", "d")
    assert heard.follower.catch_up()
    assert heard.follower.catch_up()
    assert heard.told == ["a", "b", "b", "c", "d"], "the second b is on another page"


def test_a_number_that_is_committed_late_is_not_passed_over(heard: Heard) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with heard.database.write(SYSTEM) as session:
            heard.outbox.add(session, Kind.ALERT, "slow")
            begun.set()
            go_on.wait()

    slow = threading.Thread(target=write_slowly)
    fast = threading.Thread(target=heard.write, args=["fast"])
    slow.start()
    begun.wait()
    fast.start()
    fast.join(0.2)  # as long as it would take if it did not wait
    heard.follower.catch_up()
    go_on.set()
    slow.join()
    fast.join()
    heard.follower.catch_up()
    assert heard.told == ["slow", "fast"]


@pytest.mark.parametrize("left", [0, 1])
def test_who_missed_some_starts_over(heard: Heard, left: int) -> None:
    heard.write("a", "b", "c")
    with heard.database.write(SYSTEM) as session:
        session.execute(delete(NewsRow).where(NewsRow.id <= repository.newest(session) - left))
    if left == 0:
        heard.write("d")
    assert heard.follower.catch_up()
    heard.write("e")
    assert heard.follower.catch_up()
    assert heard.told == ["everything", "e"]


def test_who_is_ahead_of_a_database_that_was_restored_starts_over(heard: Heard) -> None:
    heard.write("a", "b")
    assert heard.follower.catch_up()
    with heard.database.write(SYSTEM) as session:
        numbers = [row.id for row in repository.after(session, 0, 10)]
        session.execute(delete(NewsRow))
        session.add(NewsRow(id=numbers[0], kind=Kind.ALERT.value, subject="a"))
    heard.told.clear()
    assert heard.follower.catch_up()
    with heard.database.write(SYSTEM) as session:
        session.add(NewsRow(id=numbers[1], kind=Kind.ALERT.value, subject="another b"))
    assert heard.follower.catch_up()
    assert heard.told == ["everything", "another b"]


def test_the_newest_are_kept(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "KEPT", 2)
    heard.write("a", "b", "c")
    with heard.database.write(SYSTEM) as session:
        repository.forget_old(session)
    with heard.database.read(SYSTEM) as session:
        assert [row.subject for row in repository.after(session, 0, 10)] == ["b", "c"]


def test_it_is_current_for_so_long_after_reading(heard: Heard) -> None:
    assert not heard.follower.is_current()
    assert heard.follower.catch_up()
    heard.clock.advance(LAG_S)
    assert heard.follower.is_current()
    heard.clock.advance(0.1)
    assert not heard.follower.is_current()


def test_with_pages_left_it_is_not_current(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "PAGE", 2)
    heard.write("a", "b", "c")
    after = repository.after

    def first_page(session: ScopedSession, number: int, limit: int) -> list[NewsRow]:
        if heard.told:
            raise OperationalError("SELECT", {}, OSError("gone"))
        return after(session, number, limit)

    monkeypatch.setattr(repository, "after", first_page)
    assert not heard.follower.catch_up()
    assert heard.told == ["a", "b"]
    assert not heard.follower.is_current()
    monkeypatch.setattr(repository, "after", after)
    assert heard.follower.catch_up()
    assert heard.follower.is_current()


def test_without_a_database_it_is_not_current(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_scope: object) -> None:
        raise OperationalError("SELECT", {}, OSError("gone"))

    assert heard.follower.catch_up()
    heard.clock.advance(LAG_S + 0.1)
    monkeypatch.setattr(heard.database, "read", away)
    with capture_logs() as logs:
        assert not heard.follower.catch_up()
    assert [entry["event"] for entry in logs] == ["the database does not answer: news come when it does"]
    assert not heard.follower.is_current()


@pytest.fixture
def two(place: Any, stack: ExitStack) -> tuple[Running, Running]:
    """Two processes on one database, one bus and one store."""
    first = stack.enter_context(place.start(instance="first"))
    return first, stack.enter_context(place.start(instance="second"))


def make_gate(app: Running) -> None:
    app.administrator.put(GATE, json=BODY).raise_for_status()
    app.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()


def test_a_decision_on_one_hides_pictures_on_the_other(place: Any, two: tuple[Running, Running]) -> None:
    first, second = two
    make_gate(first)
    eventually(lambda: second.services.directory.shows("gate", 1))
    producer = place.around.bus.producer()
    for batch in film(2, start_ns=place.clock.now_ns()):
        producer.send(FRAMES_MASKED, "gate", batch, partition=0)
    eventually(lambda: second.operator.get(f"{GATE}/still").status_code == 200)
    first.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()
    assert second.operator.get(f"{GATE}/still").json()["code"] == "no_picture", "at once, heard or not"
    assert not second.services.directory.shows("gate", 1)


def test_a_live_view_asks_before_it_shows_when_it_may_be_behind(
    place: Any, two: tuple[Running, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    make_gate(first)
    eventually(lambda: second.services.directory.shows("gate", 1))

    def away() -> bool:
        raise OperationalError("SELECT", {}, OSError("gone"))

    monkeypatch.setattr(second.services.news, "_read", away)
    place.clock.advance(LAG_S + 0.1)
    first.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()
    with second.operator.websocket_connect(f"{GATE}/live") as live:
        assert live.receive_json()["code"] == "database_away"
        producer = place.around.bus.producer()
        for batch in film(1, start_ns=place.clock.now_ns()):
            producer.send(FRAMES_MASKED, "gate", batch, partition=0)
        eventually(lambda: buffered(second.services))
        monkeypatch.undo()
        for batch in film(1, start_ns=place.clock.now_ns(), first_sequence=1, mask_version=2):
            producer.send(FRAMES_MASKED, "gate", batch, partition=0)
        message = next(found for found in iter(live.receive, None) if found.get("bytes"))
        assert b'"mask_version":2' in message["bytes"]


def test_signed_in_on_one_holds_on_the_other_until_signed_out(two: tuple[Running, Running]) -> None:
    first, second = two
    same = second.as_(None)
    same.cookies.update(first.operator.cookies)
    assert same.get("/api/v1/session").status_code == 200
    first.operator.delete("/api/v1/session").raise_for_status()
    assert same.get("/api/v1/session").status_code == 401


def test_a_live_view_asks_whose_the_camera_is_before_it_shows_it(
    place: Any, two: tuple[Running, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    make_gate(first)
    eventually(lambda: second.services.directory.shows("gate", 1))
    place.around.territories["operator"] = Territory(communes=frozenset({"Lille"}))
    read = second.services.news._read

    def read_for_a_view() -> bool:
        if threading.current_thread().name == "news":  # so that nobody knows but who asks
            raise OperationalError("SELECT", {}, OSError("gone"))
        return read()

    monkeypatch.setattr(second.services.news, "_read", read_for_a_view)
    monkeypatch.setattr(second.services.news, "is_current", lambda: False)
    with second.operator.websocket_connect(f"{GATE}/live") as live:
        assert live.receive_json()["code"] == "waiting"
        first.administrator.put(GATE, json=BODY | {"commune": "Hellemmes"}).raise_for_status()
        for batch in film(1, start_ns=place.clock.now_ns()):
            place.around.bus.producer().send(FRAMES_MASKED, "gate", batch, partition=0)
        assert live.receive()["code"] == OUT_OF_SCOPE


def test_news_of_a_kind_of_a_later_release_are_passed_over(heard: Heard) -> None:
    with heard.database.write(SYSTEM) as session:
        session.add(NewsRow(kind="later", subject="x"))
    heard.write("a")
    assert heard.follower.catch_up()
    assert heard.told == ["a"]

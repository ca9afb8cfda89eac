"""docs/end-of-life.md says what ends when: of every table, topic and prefix, and with the clock moved on it is so."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import func, select
from tests.application import PASSWORD, SYSTEM, Running, eventually, in_memory, running
from tests.messages import alert_of, recording_of

from beffroi_api.db.tables import (
    Base,
)
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry
from beffroi_api.modules.live.looks.open_views import GONE_AFTER, OpenView, OpenViews
from beffroi_api.modules.recordings.reindexing.comparison import Reindexing
from beffroi_common.contracts import RecordingState
from beffroi_common.recordings.naming import PREFIXES
from beffroi_common.recordings.segment_format import metadata_of
from beffroi_common.topics import ALERTS, DEAD_LETTER_RETENTION, RECORDINGS, TOPICS, Topic, dead_letter_topic

PAGE = (Path(__file__).parents[3] / "docs" / "end-of-life.md").read_text()

A_YEAR_S = 366 * 24 * 3600.0


def section(title: str) -> dict[str, str]:
    """What is said of each thing in a section's table."""
    _, _, rest = PAGE.partition(f"## {title}\n")
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", rest.partition("\n## ")[0], flags=re.M)
    return {name: ends.strip() for name, ends in rows}


TABLES = section("Tables of the database")


def test_every_table_has_an_end_or_says_why_it_stays() -> None:
    assert set(TABLES) == set(Base.metadata.tables)


def test_every_topic_has_an_end() -> None:
    assert set(section("Topics")) == {topic.name for topic in TOPICS} | {"<topic>.dlq"}


def test_everything_in_the_store_has_an_end() -> None:
    assert set(section("In the store")) == set(PREFIXES)


def words(duration: timedelta) -> str:
    """As the page says it."""
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if duration >= unit:
            return f"{duration // unit} {name}{'s' * (duration >= 2 * unit)}"
    raise ValueError(duration)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_broker_is_told_when_what_nobody_ends_does(topic: Topic) -> None:
    said, kept = section("Topics")[topic.name], topic.retention or topic.forgotten_after
    if kept is None:
        assert topic.config["cleanup.policy"] == "compact"
        assert "retention.ms" not in topic.config
    else:
        assert said.startswith(words(kept))
        assert topic.config["cleanup.policy"].endswith("delete")
        assert topic.config["retention.ms"] == str(int(kept.total_seconds()) * 1000)
    assert ("bounded in bytes" in said) == topic.frames


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_what_quotes_a_message_lives_no_longer_than_it(topic: Topic) -> None:
    letters = dead_letter_topic(topic).retention
    assert letters is not None
    assert letters <= DEAD_LETTER_RETENTION
    if topic.quoted and topic.retention is not None:
        assert letters <= topic.retention
    if letters < DEAD_LETTER_RETENTION:
        assert f"`{topic.dead_letters}` {words(letters)}" in section("Topics")["<topic>.dlq"]


CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}


def counted(app: Running) -> dict[str, int]:
    """Rows of each table."""
    with app.services.database.read(SYSTEM) as session:
        return {
            mapper.class_.__tablename__: session.scalar(select(func.count()).select_from(mapper.class_)) or 0
            for mapper in Base.registry.mappers
        }


def use(app: Running, folder: Path) -> None:
    """Leave a row in every table."""
    services, clock = app.services, app.services.clock
    at = clock.now() - timedelta(minutes=5)
    name = f"segments/{at:%Y-%m-%d}/gate/{at:%H%M%S}.000Z-1-1.mp4"
    stored = recording_of("gate", at, object_name=name)
    file = folder / "video"
    file.write_bytes(b"video")
    killed = OpenViews(services.database, services.trail, clock)
    killed.begin(OpenView("gate", "masked"), Entry("operator", "here", Action.LIVE_STARTED, "gate"))
    (store,) = services.recordings.stores.every()
    store.put(name, file, "video/mp4", metadata_of(stored, 0))
    app.administrator.put("/api/v1/cameras/gate", json=CAMERA).raise_for_status()
    producer = services.bus.producer()
    producer.send(ALERTS, "gate", alert_of("gate", at), partition=0)
    unsaid = recording_of("gate", at, object_name=name.replace("Z-1-1", "Z-1-2"))
    gone = unsaid.model_copy(update={"object_name": name.replace("Z-1-1", "Z-1-3"), "state": RecordingState.DESTROYED})
    for each in (stored, unsaid, gone):
        producer.send(RECORDINGS, each.key, each, partition=0)
    eventually(lambda: counted(app)["recordings"] == 3 and counted(app)["alerts"] == 1)
    segments = app.operator.get("/api/v1/cameras/gate/recordings").json()["segments"]
    (video,) = [each["video_url"] for each in segments if each["object"] == name]
    assert app.operator.get(video).content == b"video"
    store.remove(name)
    factor = "/api/v1/account/second-factor"
    pending = app.dpo.post(factor, json={"password": PASSWORD}).json()
    code = pyotp.TOTP(pending["secret"]).at(clock.now())
    app.dpo.put(factor, json={"pending": pending["pending"], "code": code}).raise_for_status()
    app.as_(None).post("/api/v1/session", json={"username": "operator", "password": "wrong password"})


def test_with_the_clock_moved_on_only_what_stays_is_there(tmp_path: Path) -> None:
    around, _, _, clock = in_memory(tmp_path)
    with running(around) as app:
        use(app, tmp_path)
        before = counted(app)
        assert {table for table, rows in before.items() if not rows} == set(), "each table has a row before"
        app.administrator.delete("/api/v1/cameras/gate").raise_for_status()
        clock.advance(A_YEAR_S)
        for chore in app.services.chores():
            chore.do()
        for _ in range(GONE_AFTER + 1):
            app.services.open_views.look()
        recordings = app.services.recordings
        list(Reindexing(recordings.database, recordings.stores, clock, recordings.retention, lambda: None).pieces())
        after = counted(app)
    stays = {table for table, ends in TABLES.items() if ends.startswith("stays")}
    assert {table for table, rows in after.items() if rows} == stays

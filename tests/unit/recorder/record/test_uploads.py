"""Segments on their way into the store: whose turn it is, and what keeps nobody else's from it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.messages import recording_of
from tests.refusing import RefusingProducer
from tests.unit.recorder.conftest import Film, Site, Start

from beffroi_common.bus import RetryLater
from beffroi_common.contracts import Recording
from beffroi_common.recordings.segment_format import metadata_of
from beffroi_common.store import StoredObject, StoreUnavailable
from beffroi_common.topics import FRAMES_MASKED, RECORDINGS
from beffroi_recorder.publishing import Publication
from beffroi_recorder.record.late_words import RETRY_MOST_S, LateWords
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus, MemoryStore

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_who_ends_a_segment_each_second_holds_up_itself_alone(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus([batch for number in range(20) for batch in film(1, camera="gate", epoch=number)])
    site.put_on_bus([*film(2, camera="door", epoch=1), *film(1, camera="door", epoch=2)])
    life = start()
    for record in site.broker.log((FRAMES_MASKED.name, 0)):
        life.recorder.handle(record)
    assert not site.segments
    for _ in range(2):
        life.recorder.tick()
    assert [each.camera for each in site.recordings] == ["gate", "door"]
    life.go_idle()
    assert [each.camera for each in site.recordings].count("gate") == 20


def test_what_was_lost_from_the_disk_is_made_again_and_not_waited_for(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(70))
    life = start()
    for record in site.broker.log((FRAMES_MASKED.name, 0)):
        life.recorder.handle(record)
    for file in site.folder.glob("gate-*.part"):
        os.truncate(file, 100)
    with pytest.raises(OSError, match=r"gate-.*\.part"):
        life.recorder.tick()
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(280))


class Words:
    """What was said of two objects when their camera was taken from us, and what is stored since."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.broker = MemoryBroker(slots=2, clock=self.clock)
        self.producer = RefusingProducer(MemoryBus(self.broker).producer())
        self.words = LateWords(self.store, Publication(self.producer), self.clock)
        self.stored: list[Recording] = []
        for number in range(2):
            name = f"segments/2026-11-01/gate/12000{number}.000Z-7-{number}.mp4"
            said, stored = (recording_of("gate", AT, each, object_name=name) for each in (b"before", b"since"))
            (folder / "film").write_bytes(b"since")
            self.store.put(name, folder / "film", "video/mp4", metadata_of(stored, 0))
            self.words.add(said, 0)
            self.stored.append(stored)

    @property
    def said(self) -> list[Recording]:
        return [Recording.decode(each.value or b"") for each in self.broker.records(RECORDINGS)]


def test_the_last_word_is_said_again_where_the_broker_did_not_take_it(tmp_path: Path) -> None:
    late = Words(tmp_path)
    late.producer.refusals[RECORDINGS.name] = [RetryLater("not authorised"), None]
    with pytest.raises(RetryLater, match="at present"):
        late.words.settle()
    late.words.settle()
    assert late.said == late.stored


def test_an_object_that_the_store_says_nothing_of_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, asked = Words(tmp_path), []
    silent = late.stored[0].object_name

    def stat(name: str) -> StoredObject | None:
        asked.append(name)
        if name == silent:
            raise StoreUnavailable("read quorum")
        return MemoryStore.stat(late.store, name)

    monkeypatch.setattr(late.store, "stat", stat)
    for _ in range(600):
        late.words.settle()
        late.clock.advance(1)
    assert late.said == [late.stored[1]]
    assert asked.count(silent) < 30, "each may cost a time-out"
    monkeypatch.undo()
    late.clock.advance(RETRY_MOST_S)
    late.words.settle()
    assert sorted(late.said, key=repr) == sorted(late.stored, key=repr)

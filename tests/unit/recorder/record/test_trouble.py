"""A full disk, a store that is away, an idle camera, bad input: said, survived, nothing lost."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.unit.recorder.conftest import Film, Site, Start, interleaved

from beffroi_common.bus import InvalidRecord, LoopOptions, StatusReporter, run
from beffroi_common.bus.keyed.schedule import LARGEST_ITEM_BYTES
from beffroi_common.contracts import Codec, DeadLetter, Level
from beffroi_common.contracts.status import CameraStatus, ServiceStatus, decode_status
from beffroi_common.recordings.naming import head_name
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.settings import SettingsError
from beffroi_common.store import RetentionError, StoreDenied, StoredObject, StoreUnavailable
from beffroi_common.topics import FRAMES_MASKED, STATUS
from beffroi_recorder.bucket import open_bucket
from beffroi_recorder.record.work_dir import GrowingFile, WorkDir, append_at
from beffroi_testing import ManualClock, MemoryBus, MemoryStore
from beffroi_testing.producer import MemoryProducer

SOURCE = (FRAMES_MASKED.name, 0)


class SmallDisk:
    """A disk that is full after so many bytes, leaving half of what did not fit, as real ones do."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes

    def __call__(self, file: Path, offset: int, data: bytes) -> None:
        if offset + len(data) > self.room_bytes:
            append_at(file, offset, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        append_at(file, offset, data)


def statuses(site: Site) -> list[CameraStatus | ServiceStatus]:
    return [decode_status(record.value or b"") for record in site.broker.records(STATUS)]


def service_status(site: Site) -> ServiceStatus:
    """What the recorder said of itself last."""
    return [said for said in statuses(site) if isinstance(said, ServiceStatus)][-1]


def test_a_full_disk_makes_the_bus_wait_and_loses_nothing(site: Site, start: Start, film: Film) -> None:
    disk = SmallDisk(10_000)
    site.put_on_bus(film(70))
    life = start(append=disk)
    life.work_off()
    site.clock.advance(2)
    life.tick()
    said = service_status(site)
    assert (said.level, said.code) == (Level.ERROR, "disk_full")
    assert "free some, or give work_dir a larger disk; recording goes on by itself" in said.message
    assert site.committed[SOURCE] == 0
    disk.room_bytes = 1 << 30
    life.go_idle()
    assert site.numbers() == list(range(280))
    assert service_status(site).code == "running"


def test_the_work_directory_is_bounded_and_recording_goes_on_in_it(site: Site, start: Start, film: Film) -> None:
    site.most_bytes = 8_000
    batches = film(40)
    site.put_on_bus(batches)
    life = start()
    life.work_off()
    used_bytes = []
    for _ in range(500):  # a segment without room is closed after a while, stored, and makes room
        site.clock.advance(1.0)
        life.tick()
        used_bytes.append(life.work.used_bytes)
    assert max(used_bytes) < 8_000 + 2 * max(batch.size_bytes for batch in batches)
    assert used_bytes[-1] == 0
    assert any("more than work_bytes" in said.message for said in statuses(site))
    assert site.numbers() == list(range(160))
    assert service_status(site).code == "running"


def test_while_the_disk_is_full_batches_wait_in_a_bounded_memory(site: Site, start: Start, film: Film) -> None:
    disk = SmallDisk(0)
    batches = film(70)
    site.queue_bytes = LARGEST_ITEM_BYTES + 20 * batches[0].size_bytes
    site.put_on_bus(batches)
    life = start(append=disk)
    life.work_off()
    assert life.recorder.is_full()
    disk.room_bytes = 1 << 30
    life.go_idle()
    assert not life.recorder.is_full()
    assert site.numbers() == list(range(280))


def test_any_other_fault_of_the_disk_ends_the_process(site: Site, start: Start, film: Film) -> None:
    def broken(file: Path, offset: int, data: bytes) -> None:
        raise OSError(errno.EIO, "Input/output error")

    site.put_on_bus(film(5))
    with pytest.raises(OSError, match="Input/output error"):
        start(append=broken).work_off()


def test_a_camera_whose_chain_the_store_says_nothing_of_keeps_no_other_from_being_recorded(
    site: Site, start: Start, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stat(name: str) -> StoredObject | None:
        if name == head_name("c0"):
            raise StoreUnavailable("read quorum")
        return MemoryStore.stat(site.store, name)

    monkeypatch.setattr(site.store, "stat", stat)
    cameras = [f"c{number}" for number in range(8)]
    life = start()
    for together in zip(*(film(70, camera=camera) for camera in cameras), strict=True):
        site.put_on_bus(together)
        life.work_off()
        for _ in range(10):
            site.clock.advance(0.1)
            life.tick()
    assert {name.split("/")[2] for name in site.segments} == set(cameras[1:])
    assert service_status(site).code == "store_away"
    monkeypatch.undo()
    for _ in range(100):
        site.clock.advance(1)
        life.tick()
    assert site.numbers() == [*range(280)] * 8
    assert service_status(site).code == "running"


def test_of_thousands_of_files_only_those_that_wait_for_the_disk_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[GrowingFile] = []
    write = GrowingFile.write

    def noted(file: GrowingFile) -> None:
        asked.append(file)
        write(file)

    monkeypatch.setattr(GrowingFile, "write", noted)
    with WorkDir(tmp_path, 10_000) as work:
        files = [work.new_file(f"gate-7-{number}") for number in range(200)]
        for file in files:
            file.add(b"x")
        work.make_room()
        assert work.used_bytes == len(asked) == 200
        files[7].add(b"yz")
        for _ in range(3):
            work.make_room()
        assert asked[200:] == [files[7]]
        assert work.used_bytes == 202
        for file in files[:10]:
            file.discard()
            file.discard()
        assert work.used_bytes == 190
        files[20].add(b"never written")
        files[20].discard()
        work.make_room()
        assert work.used_bytes == 189


def test_a_work_directory_has_one_user_and_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "old.part").write_bytes(b"x")
    (tmp_path / "mine.txt").write_bytes(b"x")
    with WorkDir(tmp_path, 1000):
        assert not (tmp_path / "old.part").exists()
        assert (tmp_path / "mine.txt").exists()
        with pytest.raises(SettingsError, match="used by another recorder"), WorkDir(tmp_path, 1000):
            pass


def test_a_store_away_is_ridden_out_on_the_local_disk(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(61))
    life = start()
    life.work_off()
    site.store.away = True
    rest = film(200)[61:]
    site.put_on_bus(rest)
    life.work_off()
    site.clock.advance(2)
    life.tick()
    assert site.committed[FRAMES_MASKED.name, 0] == 60
    assert service_status(site).code == "store_away"
    assert service_status(site).counters["waiting"] == 2
    site.store.away = False
    life.go_idle()
    assert site.numbers() == list(range(800))
    assert site.committed[FRAMES_MASKED.name, 0] == 200


def test_a_store_away_when_a_camera_is_met_is_not_now(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(5))
    site.store.away = True
    life = start()
    life.work_off()
    assert service_status(site).code == "store_away"
    assert "the object store does not answer" in service_status(site).message
    assert site.committed[SOURCE] == 0
    site.store.away = False
    life.go_idle()
    assert site.numbers() == list(range(20))
    assert service_status(site).code == "running"


def test_a_camera_that_cannot_be_met_holds_up_no_other(site: Site, start: Start, film: Film) -> None:
    gate, square = film(70), film(30, camera="square", first_number=1000)
    site.put_on_bus(gate[:10])
    life = start()
    life.work_off()
    site.store.away = True
    site.put_on_bus(interleaved(gate[10:40], square))
    site.put_on_bus(gate[40:])
    life.work_off()
    site.clock.advance(2)
    life.tick()
    assert service_status(site).counters["waiting"] == 1, "a minute of the gate is on the local disk"
    site.store.away = False
    life.go_idle()
    assert sorted((each.camera, each.frames) for each in site.recordings) == [
        ("gate", 40),
        ("gate", 240),
        ("square", 120),
    ]


def test_a_camera_whose_partition_left_is_no_trouble_any_more(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(5))
    site.store.away = True
    life = start()
    life.work_off()
    life.recorder.revoked([SOURCE])
    life.position.clear()
    site.clock.advance(2)
    life.tick()
    assert service_status(site).code == "running"
    assert life.recorder.needed() == {}


def test_what_is_idle_holds_its_offsets_until_it_is_stored(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(10))
    life = start()
    life.work_off()
    site.store.away = True
    life.go_idle()
    assert not life.recorder._streams["gate"].needed_offset
    assert site.committed[SOURCE] == 0
    site.store.away = False
    life.go_idle()
    assert site.committed[SOURCE] == 10


def test_tries_get_rarer_while_the_store_is_away(site: Site, start: Start, film: Film) -> None:
    tries = []

    class Away(MemoryStore):
        def stat(self, name: str) -> StoredObject | None:
            if name.startswith("heads/"):
                return super().stat(name)
            tries.append(site.clock.monotonic_s())
            raise StoreUnavailable("away")

    store = Away(site.clock)
    store.make_bucket(14)
    site.put_on_bus(film(61))
    life = start(store)
    life.work_off()
    for _ in range(100):
        site.clock.advance(0.25)
        life.tick()
    assert [after - before for before, after in pairwise(tries)][:5] == [0.5, 1.0, 2.0, 4.0, 4.0]


def test_a_broker_that_does_not_acknowledge_holds_the_offsets(site: Site, start: Start, film: Film) -> None:
    class Deaf(MemoryProducer):
        waiting = 1

        def flush(self, timeout_s: float) -> int:
            return self.waiting

    producer = Deaf(site.broker)
    site.put_on_bus(film(61))
    life = start(producer=producer)
    life.work_off()
    site.clock.advance(2)
    life.tick()
    assert site.committed[FRAMES_MASKED.name, 0] == 0
    assert service_status(site).code == "broker_away"
    assert life.work.used_bytes > 0
    Deaf.waiting = 0
    life.go_idle()
    assert site.committed[FRAMES_MASKED.name, 0] == 61
    assert len(site.final) == 2


def test_an_idle_camera_holds_nobody_back(site: Site, start: Start, film: Film) -> None:
    dead, alive = film(10, camera="dead"), film(55, camera="alive", first_number=1000)
    site.put_on_bus([*dead, *alive[:10]])
    life = start()
    life.work_off()
    assert site.committed[FRAMES_MASKED.name, 0] == 0
    for batch in alive[10:]:
        site.clock.advance(1.0)
        site.put_on_bus([batch])
        life.work_off()
    assert site.committed[FRAMES_MASKED.name, 0] == 10
    assert [each.camera for each in site.recordings] == ["dead"]
    codes = {said.camera: said.code for said in statuses(site) if isinstance(said, CameraStatus)}
    assert codes == {"dead": "idle", "alive": "recording"}


def test_time_spent_waiting_for_the_store_is_no_idle_time(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(10))
    life = start()
    life.work_off()
    site.clock.advance(300)
    life.tick()
    assert not site.recordings


def test_a_camera_behind_the_backlog_of_others_keeps_its_segment_open(site: Site, start: Start, film: Film) -> None:
    gate, square = film(20, camera="gate"), film(50, camera="square")
    site.clock.advance((gate[0].units[0].capture_time_ns - site.clock.now_ns()) / 1e9 + 3600)
    site.put_on_bus(gate[:10], slot=0)
    life = start()
    life.work_off()
    site.put_on_bus(square, slot=1)
    site.put_on_bus(gate[10:], slot=0)
    life.recorder.unread([(FRAMES_MASKED.name, number) for number in range(2)])
    for record in site.broker.log((FRAMES_MASKED.name, 1)):
        life.recorder.handle(record)
        site.clock.advance(1)
        life.tick()
    life.recorder.unread([])
    life.work_off()
    life.go_idle()
    assert sorted((each.camera, each.frames) for each in site.recordings) == [("gate", 80), ("square", 200)]


def test_a_camera_that_comes_back_begins_another_segment(site: Site, start: Start, film: Film) -> None:
    batches = film(20)
    site.put_on_bus(batches[:10])
    life = start()
    life.work_off()
    life.go_idle()
    site.put_on_bus(batches[10:])
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(80))
    first, second = site.recordings
    assert second.previous_sha256 == first.sha256


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mask_version": 0}, "passed no masker"),
        ({"codec": Codec.HEVC}, "hevc is not recorded: the masker makes h264 of everything"),
        ({"camera": "square"}, "names camera 'gate'"),
    ],
)
def test_what_must_not_be_recorded_is_refused(
    site: Site, start: Start, film: Film, change: dict[str, Any], reason: str
) -> None:
    good = film(1)[0]
    site.put_on_bus([good])
    (record,) = site.broker.log((FRAMES_MASKED.name, 0))
    bad = replace(good, **change)
    with pytest.raises(InvalidRecord, match=reason):
        start().recorder.handle(replace(record, value=bad.encode()))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x00\x00\x01\x65\x88", "a key picture comes without its SPS and PPS"),
        (b"\xff\xd8\xff", "does not begin with an Annex B start code"),
        (b"\x00\x00\x01\x67abcd\x00\x00\x01\x68a\x00\x00\x01\x65", "cannot be read as H.264"),
    ],
)
def test_what_no_decoder_could_read_is_refused(site: Site, start: Start, film: Film, data: bytes, reason: str) -> None:
    good = film(1)[0]
    bad = replace(good, units=(replace(good.units[0], data=data),))
    site.put_on_bus([bad])
    life = start()
    life.work_off()
    assert [reason in refusal for refusal in life.refusals] == [True]
    assert site.committed[SOURCE] == 1


def test_bad_input_goes_to_the_dead_letters_and_the_rest_goes_on(site: Site, start: Start, film: Film) -> None:
    batches = film(10)
    site.put_on_bus(batches[:5])
    whole = batches[5].encode()
    site.broker.append(FRAMES_MASKED.name, "gate", whole[: len(whole) // 2], 0, {})
    site.broker.append(FRAMES_MASKED.name, "gate", None, 0, {})
    site.put_on_bus(batches[6:])
    life = start()
    stop = threading.Event()

    def turn() -> None:
        site.clock.advance(1.0)
        if site.recordings:
            stop.set()

    bus = MemoryBus(site.broker)
    run(
        bus,
        life.recorder,
        service="recorder",
        topics=[FRAMES_MASKED],
        producer=bus.producer(),
        stop=stop,
        clock=site.clock,
        beat=turn,
        options=LoopOptions(poll_timeout_s=0.01),
    )
    letters = [DeadLetter.decode(record.value or b"") for record in site.broker.records(FRAMES_MASKED.dead_letters)]
    assert [(letter.offset, letter.payload) for letter in letters] == [(5, None), (6, None)]
    assert "cut short" in letters[0].reason
    assert site.numbers() == [*range(20), *range(24, 40)]
    assert [each.missing_batches for each in site.recordings] == [1]


class Refusing(MemoryStore):
    def put(self, *_: object, **__: object) -> None:
        raise StoreDenied("the object store refused our key: check it")


def test_a_key_refused_while_recording_ends_the_process(site: Site, start: Start, film: Film) -> None:
    store = Refusing(site.clock)
    store.make_bucket(14)
    site.put_on_bus(film(61))
    with pytest.raises(StoreDenied):
        start(store).work_off()


def opened(store: MemoryStore, clock: ManualClock, site: Site, stop: threading.Event, retention_days: int = 14) -> bool:
    reporter = StatusReporter(MemoryBus(site.broker).producer(), "recorder", "r1", clock)
    return open_bucket(
        store, retention_days, reporter=reporter, clock=clock, stop=stop, beat=lambda: clock.advance(1),
        backoff=Backoff(clock, 0.01, 0.02),
    )  # fmt: skip


def test_it_waits_for_a_store_that_is_away_at_start(site: Site) -> None:
    stop = threading.Event()
    site.store.away = True
    beats = 0

    class Comes(ManualClock):
        def advance(self, seconds: float) -> None:
            nonlocal beats
            beats += 1
            site.store.away = beats < 5
            super().advance(seconds)

    assert opened(site.store, Comes(), site, stop)
    assert statuses(site)[0].code == "store_away"


def test_it_stops_while_it_waits_for_the_store(site: Site) -> None:
    stop = threading.Event()
    site.store.away = True

    class Stops(ManualClock):
        def advance(self, seconds: float) -> None:
            stop.set()

    assert not opened(site.store, Stops(), site, stop)


def test_a_bucket_that_another_instance_is_making_is_looked_at_again(site: Site) -> None:
    looked = 0

    class Young(MemoryStore):
        def check_retention(self, retention_days: int) -> None:
            nonlocal looked
            looked += 1
            if looked == 1:
                raise RetentionError("no rule yet")

    assert opened(Young(), ManualClock(), site, threading.Event())


def test_a_bucket_with_another_rule_is_refused(site: Site) -> None:
    with pytest.raises(RetentionError):
        opened(site.store, ManualClock(), site, threading.Event(), retention_days=7)


class Choosy(MemoryStore):
    """Takes nothing of one camera for a while."""

    refused = "gate"

    def put(self, name: str, *arguments: Any, **more: Any) -> None:
        if f"/{self.refused}/" in name:
            raise StoreUnavailable("the object store could not (InternalError)")
        super().put(name, *arguments, **more)


def test_a_camera_whose_segment_is_not_taken_keeps_no_other_from_being_stored(
    site: Site, start: Start, film: Film
) -> None:
    store = Choosy(site.clock)
    store.make_bucket(14)
    site.store = store
    site.put_on_bus(film(190))
    site.put_on_bus(film(190, camera="park"), slot=1)
    life = start()
    life.work_off()
    for _ in range(60):
        site.clock.advance(5)
        life.tick()
    stored = [each.camera for each in site.recordings]
    assert set(stored) == {"park"}
    assert len(stored) >= 3
    store.refused = "nobody"
    life.go_idle()
    of_gate = [each for each in site.recordings if each.camera == "gate"]
    assert [each.previous_sha256 for each in of_gate] == [None, *(each.sha256 for each in of_gate[:-1])]
    assert len(of_gate) == len([each for each in site.recordings if each.camera == "park"])

"""Which cameras run, as configurations and partitions come and go."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import pytest
import structlog
from tests.refusing import RefusingProducer
from tests.unit.ingest.conftest import camera, raw_batches
from tests.unit.ingest.test_outbox import batch

from beffroi_common.bus import Record, RetryLater
from beffroi_common.bus.dead_letters import RETRY_MOST_S, DeadLetterLimit, Refusals, TooManyDeadLettersError
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.contracts import (
    AccessUnit,
    Camera,
    CameraSource,
    CameraStatus,
    Codec,
    DeadLetter,
    FrameBatch,
    Level,
    ServiceStatus,
    Stream,
)
from beffroi_common.contracts.status import decode_status
from beffroi_common.topics import CAMERAS, STATUS
from beffroi_ingest.outbox import Outbox, OutboxLimits
from beffroi_ingest.owner import STOP_S, Owner
from beffroi_ingest.tally import Tally
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

BOTH = [(CAMERAS.name, 0), (CAMERAS.name, 1)]


@dataclass
class FakeStream:
    """Notes what is done with it."""

    camera: Camera
    running: bool = False
    abandoned: bool = False
    updates: list[Camera] = field(default_factory=list)
    clock: ManualClock | None = None
    """Of a camera that is dead: whoever waits for its thread waits in vain."""

    def start(self) -> None:
        self.running = True

    def update(self, changed: Camera) -> bool:
        if changed.source != self.camera.source:
            return False
        self.camera = changed
        self.updates.append(changed)
        return True

    def ask_to_stop(self) -> None:
        self.running = False

    def join(self, timeout_s: float) -> bool:
        if self.clock is not None:
            self.clock.advance(timeout_s)
        return self.clock is None

    def abandon(self) -> None:
        self.abandoned = True


@dataclass
class Site:
    broker: MemoryBroker
    owner: Owner
    made: list[FakeStream]
    clock: ManualClock

    def say(self, value: Camera | bytes | None, key: str = "gate", partition: int = 0) -> None:
        payload = value.encode() if isinstance(value, Camera) else value
        self.owner.take(Record(CAMERAS.name, partition, 0, key, payload, 0))
        self.owner.reconcile()

    def film_both(self) -> None:
        """One camera in each slot."""
        self.owner.assigned(BOTH)
        self.say(camera("gate", slot=0), "gate", 0)
        self.say(camera("park", slot=1), "park", 1)

    @property
    def running(self) -> list[str]:
        return [stream.camera.id for stream in self.made if stream.running]


@pytest.fixture
def site() -> Site:
    broker = MemoryBroker()
    clock, producer = ManualClock(), MemoryBus(broker).producer()
    made: list[FakeStream] = []

    def new_stream(of: Camera) -> FakeStream:
        made.append(FakeStream(of))
        return made[-1]

    owner = Owner(
        new_stream,  # type: ignore[arg-type]  # what the owner uses of a stream, the fake has
        Outbox(MemoryBus(broker).producer, OutboxLimits(1000, 1000, 0.01), lambda bug: None, clock=clock),
        StatusReporter(producer, "ingest", "test", clock),
        Refusals(producer, "ingest", [CAMERAS], clock, DeadLetterLimit(in_a_row=3)),
        clock,
    )
    return Site(broker, owner, made, clock)


def test_a_camera_runs_from_its_first_configuration_to_its_last(site: Site) -> None:
    site.say(camera())
    assert site.running == ["gate"]
    site.say(None)
    assert site.running == []


def test_while_configurations_may_have_changed_unheard_cameras_run_on_and_it_is_said(site: Site) -> None:
    site.owner.is_stale = lambda: True
    site.owner.tell()
    assert service_codes(site) == ["running"], "it films nobody"
    site.clock.advance(10)
    site.say(camera())
    assert service_codes(site)[-1] == "unheard_configuration"
    assert site.running == ["gate"]
    site.owner.lost([(CAMERAS.name, 0)])
    site.clock.advance(10)
    site.owner.tell()
    assert service_codes(site)[-1] == "unheard_configuration"
    assert site.running == ["gate"]


def service_codes(site: Site) -> list[str]:
    said = [decode_status(record.value or b"") for record in site.broker.records(STATUS)]
    return [each.code for each in said if isinstance(each, ServiceStatus)]


def test_a_dead_letter_that_the_broker_does_not_take_now_is_sent_again(site: Site) -> None:
    producer = RefusingProducer(MemoryBus(site.broker).producer())
    producer.refusals[CAMERAS.dead_letters] = [RetryLater("not authorised"), None]
    site.owner.refusals = Refusals(producer, "ingest", [CAMERAS], site.clock)
    site.say(b"{")
    site.owner.tell()
    assert not site.broker.records(CAMERAS.dead_letters)
    site.clock.advance(RETRY_MOST_S)
    site.owner.tell()
    assert len(site.broker.records(CAMERAS.dead_letters)) == 1


def test_nothing_runs_before_all_was_read(site: Site) -> None:
    for url in ("rtsp://old.example/1", "rtsp://new.example/1"):
        site.owner.take(Record(CAMERAS.name, 0, 0, "gate", camera(url=url).encode(), 0))
    site.owner.reconcile()
    assert [stream.camera.source.url for stream in site.made] == ["rtsp://new.example/1"]


def test_a_change_beside_the_source_disturbs_nothing(site: Site) -> None:
    site.say(camera())
    site.say(camera(nominal_fps=5.0))
    assert len(site.made) == 1
    assert site.made[0].camera.nominal_fps == 5.0


def test_a_change_of_source_connects_anew(site: Site) -> None:
    site.say(camera())
    site.say(camera(source=CameraSource(url="pattern:128x96@10")))
    assert [stream.running for stream in site.made] == [False, True]


def test_a_disabled_camera_stops_and_says_so(site: Site) -> None:
    site.say(camera())
    site.say(camera(enabled=False))
    said = [decode_status(record.value or b"") for record in site.broker.records(STATUS)]
    assert site.running == []
    assert "disabled" in [each.code for each in said if isinstance(each, CameraStatus)]
    site.say(camera())
    assert site.running == ["gate"]


def test_cameras_of_a_partition_that_goes_away_stop_and_others_go_on(site: Site) -> None:
    site.say(camera("gate", slot=0), "gate", 0)
    site.say(camera("park", slot=1), "park", 1)
    site.owner.revoked([(CAMERAS.name, 0)])
    assert site.running == ["park"]
    site.owner.reconcile()
    assert site.running == ["park"]


def test_a_camera_that_moved_to_another_slot_runs_once(site: Site) -> None:
    site.say(camera("gate", slot=0), "gate", 0)
    site.say(camera("gate", slot=1), "gate", 1)
    site.say(None, "gate", 0)
    assert site.running == ["gate"]


def test_a_configuration_left_in_a_slot_of_old_is_ignored(site: Site) -> None:
    site.say(camera("gate", slot=1), "gate", 0)
    assert site.running == []


def test_an_unreadable_configuration_stops_its_camera_alone_and_its_password_is_nowhere(site: Site) -> None:
    site.say(camera("gate"), "gate")
    site.say(camera("park"), "park")
    site.say(b'{"id": "gate", "password": "hunter2"}', "gate")
    assert site.running == ["park"]
    (letter,) = [DeadLetter.decode(record.value or b"") for record in site.broker.records(CAMERAS.dead_letters)]
    assert "password" in letter.reason
    assert letter.payload is None
    assert "hunter2" not in letter.model_dump_json()


def test_a_release_that_understands_no_configuration_ends(site: Site) -> None:
    for number in range(3):
        site.say(b"{}", f"camera-{number}")
    site.say(camera("gate"), "gate")
    for number in range(3):
        site.say(b"{}", f"camera-{number}")
    with pytest.raises(TooManyDeadLettersError, match="4 messages in a row"):
        site.say(b"{}", "camera-3")


@pytest.mark.parametrize("change", ["assigned", "revoked"])
def test_configurations_that_are_read_again_are_counted_anew(site: Site, change: str) -> None:
    for _ in range(3):
        for number in range(3):
            site.say(b"{}", f"camera-{number}")
        getattr(site.owner, change)(BOTH)


def test_cameras_of_lost_partitions_run_on_when_they_come_back(site: Site) -> None:
    site.film_both()
    site.owner.lost(BOTH)
    assert site.running == ["gate", "park"]
    site.owner.assigned(BOTH)
    assert site.running == ["gate", "park"]
    site.owner.take(Record(CAMERAS.name, 0, 0, "gate", camera("gate", slot=0, nominal_fps=5.0).encode(), 0))
    site.say(camera("park", slot=1), "park", 1)
    assert site.running == ["gate", "park"]
    assert len(site.made) == 2
    assert site.made[0].camera.nominal_fps == 5.0


def test_a_camera_that_is_not_read_again_after_a_loss_stops(site: Site) -> None:
    site.film_both()
    site.owner.lost(BOTH)
    site.owner.assigned(BOTH)
    site.say(camera("park", slot=1), "park", 1)
    assert site.running == ["park"]
    assert len(site.made) == 2


def test_a_camera_that_was_changed_during_a_loss_connects_anew(site: Site) -> None:
    site.film_both()
    site.owner.lost(BOTH)
    site.owner.assigned(BOTH)
    site.owner.take(Record(CAMERAS.name, 0, 0, "gate", camera("gate", slot=0, url="rtsp://new.example").encode(), 0))
    assert site.made[0].running, "until all was read again"
    site.say(camera("park", slot=1), "park", 1)
    assert [stream.running for stream in site.made] == [False, True, True]


@pytest.mark.parametrize(("back", "stay"), [([], []), ([1], ["park"])], ids=["none comes back", "one comes back"])
def test_cameras_of_lost_partitions_that_another_instance_has_stop(
    site: Site, back: list[int], stay: list[str]
) -> None:
    site.film_both()
    site.owner.lost(BOTH)
    site.owner.assigned([(CAMERAS.name, number) for number in back])
    assert site.running == stay
    assert len(site.made) == 2


def test_a_partition_revoked_before_it_was_read_again_stops_its_cameras(site: Site) -> None:
    site.film_both()
    site.owner.lost(BOTH)
    site.owner.assigned(BOTH)
    site.owner.revoked([(CAMERAS.name, 0)])
    assert site.running == ["park"]


def test_a_second_loss_before_all_was_read_again_is_decided_too(site: Site) -> None:
    site.film_both()
    site.owner.lost(BOTH)
    site.owner.assigned(BOTH)
    site.owner.lost(BOTH)
    assert site.running == ["gate", "park"]
    site.owner.assigned([(CAMERAS.name, 1)])
    assert site.running == ["park"]


def test_what_was_captured_since_a_loss_waits_and_is_discarded_where_another_instance_films(site: Site) -> None:
    site.film_both()
    tally = Tally("gate")
    site.owner.outbox.put(batch(0), 0, tally)
    site.owner.lost(BOTH)
    for number in (1, 2):
        site.owner.outbox.put(batch(number), 0, tally)
    site.owner.outbox.put(batch(0, camera="park"), 1, Tally("park"))
    with structlog.testing.capture_logs() as said:
        site.owner.assigned([(CAMERAS.name, 1)])
    assert [(line["partitions"], line["batches"]) for line in said if "batches" in line] == [([0], 2)]
    assert tally.dropped == 2
    site.owner.outbox.start()
    site.owner.outbox.close(5)
    assert [(each.camera, each.sequence) for each in raw_batches(site.broker)] == [("gate", 0), ("park", 0)]


def test_many_dead_cameras_are_waited_for_together(site: Site) -> None:
    for number in range(5):
        name = f"camera-{number}"
        site.say(camera(name), name)
        site.made[-1].clock = site.clock
    before_s = site.clock.monotonic_s()
    site.owner.revoked([(CAMERAS.name, 0)])
    assert site.running == []
    assert site.clock.monotonic_s() - before_s == pytest.approx(STOP_S)
    assert all(stream.abandoned for stream in site.made)


def test_half_of_the_room_for_pictures_that_wait_is_an_error(site: Site) -> None:
    unit = AccessUnit(0, 0, site.clock.now_ns() - 30 * 10**9, True, bytes(600))
    one = FrameBatch("gate", Stream.MAIN, 1, 0, Fraction(1, 90_000), Codec.H264, 64, 48, 0, (unit,))
    site.owner.outbox.put(one, 0, Tally("gate"))
    site.owner.reconcile()
    status = [decode_status(record.value or b"") for record in site.broker.records(STATUS)][-1]
    assert (status.level, status.code) == (Level.ERROR, "outbox_filling")
    assert status.counters["waiting_bytes"] == 600
    assert status.counters["behind_s"] == pytest.approx(30, abs=0.1)


def test_who_was_frozen_for_a_session_films_no_more_and_sends_nothing_of_what_it_still_has(site: Site) -> None:
    """Somebody else was given its cameras: what waits would come between the batches of that one."""
    site.film_both()
    tally = Tally("gate")
    site.owner.outbox.put(batch(0), 0, tally)
    site.owner.was_frozen = lambda: True
    site.owner.lost(BOTH)
    assert site.running == []
    assert tally.dropped == 1
    site.owner.was_frozen = lambda: False
    site.owner.assigned([(CAMERAS.name, 1)])
    site.say(camera("park", slot=1), "park", 1)
    assert site.running == ["park"], "what it is given anew it films anew"
    site.owner.outbox.put(batch(0, camera="park"), 1, Tally("park"))
    site.owner.outbox.start()
    site.owner.outbox.close(5)
    assert [(each.camera, each.sequence) for each in raw_batches(site.broker)] == [("park", 0)]

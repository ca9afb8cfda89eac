"""What must never be false, looked at whenever something arrives or is committed, and at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from sqlalchemy import select
from tests.simulation.footage import Luma, luma_of, number_of, pictures_of, shows
from tests.simulation.reference import Said, alerts_of

from beffroi_api.authz.scope import Scope
from beffroi_api.db.tables import AlertRow, RecordingRow
from beffroi_common.bus import Partition, Record
from beffroi_common.bus.sequences import SequenceTracker, Stale
from beffroi_common.contracts import (
    Alert,
    AlertState,
    DeadLetter,
    FrameBatch,
    Recording,
    Tracks,
)
from beffroi_common.media.mp4_reader import decoded
from beffroi_common.recordings.naming import SEGMENTS
from beffroi_common.runtime.metrics import BATCHES_DROPPED
from beffroi_detector.vision.processor import KeyedCameraStream
from beffroi_ingest.outbox import Outbox
from beffroi_ingest.tally import Tally
from beffroi_masker.processor import KeyedMaskedStream
from beffroi_recorder.record.camera_stream import CameraStream as RecordedStream
from beffroi_testing.turns import Process

if TYPE_CHECKING:
    from .world import World

Identity = tuple[str, int, int]
"""Camera, epoch, sequence."""

MASK_GRACE_S = 2.0
"""A picture that reaches the broker so long after a mask was changed is covered by the new one."""

CLOCK_SET_BACK = "the clock where ingest runs was set back"
SAMPLE_NS = 200_000_000
ONSET_S = 1.5
"""How far apart two onsets may be of what is one event (docs/rules.md)."""

LOOK = Scope.system("the simulation looks at everything")


class Broken(Exception):  # noqa: N818 - what a run has found
    """Something that must never be false is."""


def identity_of(batch: FrameBatch) -> Identity:
    """What a batch is known by."""
    return (batch.camera, batch.epoch, batch.sequence)


class Observer:
    """Sees all that arrives on the bus, all offsets that are committed, and what is dropped with a reason."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: str | None = None
        self._by_offset: dict[Partition, list[Identity | None]] = defaultdict(list)
        self._raw: dict[Identity, float] = {}
        self.masked: dict[Identity, list[FrameBatch]] = defaultdict(list)
        self.masked_in_order: list[Record] = []
        self._numbers: dict[Identity, list[int]] = {}
        self._tracked: set[Identity] = set()
        self._slots: set[tuple[str, int]] = set()
        """Moments of a camera of which vision analyses one picture."""
        self._stored: dict[Identity, str] = {}
        self._recordings: dict[str, Recording] = {}
        self._seen_in: dict[bytes, list[Luma]] = {}
        """By content of an object: decoded once, and not again at the end."""
        self.alerts: list[Alert] = []
        self._opened: set[str] = set()
        self._letters: set[tuple[str, int, int]] = set()
        self._garbage: set[tuple[str, int, int]] = set()
        self._dropped: dict[str, dict[Identity, str]] = {"masker": {}, "recorder": {}, "vision": {}}
        self._cut: dict[Identity, Process] = {}
        """Batches that ingest cut, and in which process."""
        self._given_up: dict[Identity, str] = {}
        """Batches of which ingest says that they will never arrive, and why."""
        self._undelivered: set[Process] = set()
        """Processes of ingest that said at their end that batches are not delivered."""
        self._noted: Counter[tuple[str, str]] = Counter()
        """By camera and reason: what was dropped, which must be counted."""
        self._counted_before = _counted()
        self._checked: dict[tuple[str, Partition], int] = defaultdict(int)
        self._changes: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self._kept_until_s: dict[str, float] = defaultdict(lambda: -1.0)

    # What the world tells.

    def mask_changed(self, camera: str, version: int) -> None:
        """From now on a camera has another mask."""
        self._changes[camera].append((self._world.now_s, version))

    def kept_from_reading(self, host: str, until_s: float) -> None:
        """A host ("-": each of them) reads nothing for a while."""
        self._kept_until_s[host] = max(self._kept_until_s[host], until_s)

    def mended(self) -> None:
        """Everybody reads again."""
        now_s = self._world.now_s
        for host in self._kept_until_s:
            self._kept_until_s[host] = min(self._kept_until_s[host], now_s)

    def garbage(self, topic: str, slot: int) -> None:
        """Something unreadable arrives next."""
        self._garbage.add((topic, slot, len(self._world.broker.log((topic, slot)))))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See what masker and recorder drop, and what each reader leaves out of connections that are over."""
        reasons: WeakKeyDictionary[SequenceTracker, Stale | None] = WeakKeyDictionary()
        stale: Any = SequenceTracker.stale
        cut: Any = Tally.taken
        given_up: Any = Tally.lost
        closed: Any = Outbox.close

        def noted_cut(tally: Tally, batch: FrameBatch) -> None:
            self._cut[identity_of(batch)] = self._world.turns.current.process
            cut(tally, batch)

        def noted_given_up(tally: Tally, batch: FrameBatch, reason: str) -> None:
            self._given_up[identity_of(batch)] = reason
            self._noted[batch.camera, reason] += 1
            given_up(tally, batch, reason)

        def noted_close(outbox: Outbox, timeout_s: float) -> None:
            if not outbox.drain(timeout_s):
                self._undelivered.add(self._world.turns.current.process)
            closed(outbox, timeout_s)

        def noted_stale(sequences: SequenceTracker, *about: Any) -> Stale | None:
            reasons[sequences] = stale(sequences, *about)
            return reasons[sequences]

        def drops(name: str, stream: type, drop: str) -> Iterator[Any]:
            dropped, noted = self._dropped[name], self._noted
            left_out, real = stream.left_out, getattr(stream, drop)  # type: ignore[attr-defined]

            def note_drop(self: Any, batch: FrameBatch, reason: Any) -> None:
                dropped[identity_of(batch)] = str(reason)
                real(self, batch, reason)
                noted[batch.camera, str(reason)] += 1

            def note_left_out(self: Any, batch: FrameBatch) -> None:
                reason = reasons.get(self.sequences)
                if reason is Stale.EPOCH_OVER:
                    dropped[identity_of(batch)] = reason.value
                left_out(self, batch)
                noted[batch.camera, str(reason)] += 1

            yield patch.object(stream, "left_out", note_left_out)
            if drop != "left_out":
                yield patch.object(stream, drop, note_drop)

        with ExitStack() as stack:
            stack.enter_context(patch.object(SequenceTracker, "stale", noted_stale))
            stack.enter_context(patch.object(Tally, "taken", noted_cut))
            stack.enter_context(patch.object(Tally, "lost", noted_given_up))
            stack.enter_context(patch.object(Outbox, "close", noted_close))
            for patched in (
                *drops("masker", KeyedMaskedStream, "_drop_batch"),
                *drops("recorder", RecordedStream, "_drop"),
                *drops("vision", KeyedCameraStream, "left_out"),
            ):
                stack.enter_context(patched)
            yield

    def raise_found(self) -> None:
        """Raise what was found since.

        Raises:
            Broken: something was.
        """
        if self._found is not None:
            raise Broken(self._found)

    # What is seen.

    def arrived(self, record: Record) -> None:
        """A message is on the bus."""
        if record.topic.endswith(".dlq"):
            self._see_letter(DeadLetter.decode(record.value or b""))
        see = {
            "frames.raw.v1": self._see_raw,
            "frames.masked.v1": self._see_masked,
            "tracks.v1": self._see_tracks,
            "alerts.v1": self._see_alert,
            "recordings.v1": self._see_recording,
        }.get(record.topic)
        if see is None:
            return
        if (record.topic, record.partition, record.offset) in self._garbage:
            self._by_offset[record.source].append(None)
        else:
            self._by_offset[record.source].append(see(record))

    def committed(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """A group begins there after a restart: nothing before may be needed any more."""
        for partition, offset in offsets.items():
            if offset > len(self._world.broker.log(partition)):
                self._break(f"{group} committed {offset} of {partition}, beyond its end")
            for before in range(self._checked[group, partition], offset):
                self._see_done(group, partition, before)
            self._checked[group, partition] = max(offset, self._checked[group, partition])

    def _break(self, what: str) -> None:
        self._found = self._found or what

    def _see_raw(self, record: Record) -> Identity:
        identity = identity_of(FrameBatch.decode(record.value or b""))
        self._raw.setdefault(identity, self._world.now_s)
        return identity

    def _see_masked(self, record: Record) -> Identity:
        batch = FrameBatch.decode(record.value or b"")
        identity = identity_of(batch)
        if identity not in self._raw:
            self._break(f"a masked batch without a raw one: {identity}")
        self._see_mask(batch)
        self.masked[identity].append(batch)
        self.masked_in_order.append(record)
        self._numbers.setdefault(identity, [number_of(luma) for luma in pictures_of(batch)])
        slots = {(batch.camera, unit.capture_time_ns // SAMPLE_NS) for unit in batch.units}
        if slots <= self._slots:
            self._tracked.add(identity)  # pictures of these moments were analysed
        self._slots |= slots
        return identity

    def _see_mask(self, batch: FrameBatch) -> None:
        for luma in pictures_of(batch):
            seen = shows(luma, batch.mask_version)
            if seen is not None:
                self._break(f"unmasked: {seen} of {identity_of(batch)} is seen, under mask {batch.mask_version}")
        host = self._host()
        known_s = max(self._kept_until_s[host], self._kept_until_s["-"])
        arrived_s = self._raw.get(identity_of(batch), 0.0)
        for changed_s, version in self._changes[batch.camera]:
            if arrived_s > max(changed_s, known_s) + MASK_GRACE_S and batch.mask_version < version:
                self._break(
                    f"mask late: {identity_of(batch)} came {arrived_s - changed_s:.1f} s after mask {version} was "
                    f"decided, and {host} covered it with {batch.mask_version}"
                )

    def _host(self) -> str:
        turns: Any = self._world.turns
        return str(turns.current.process.host.name) if turns.is_inside else "-"

    def _see_tracks(self, record: Record) -> Identity:
        tracks = Tracks.decode(record.value or b"")
        identity = (tracks.camera, tracks.epoch, tracks.sequence)
        self._tracked.add(identity)
        return identity

    def _see_alert(self, record: Record) -> None:
        alert = Alert.decode(record.value or b"")
        if alert.state is AlertState.OPENED:
            self._opened.add(alert.id)
        elif alert.id not in self._opened:
            self._break(f"alert lost: of {alert.id} {alert.state} is said, and never that it opened")
        self.alerts.append(alert)

    def _see_recording(self, record: Record) -> None:
        recording = Recording.decode(record.value or b"")
        self._recordings[recording.object_name] = recording
        for identity in self._pictures_in(recording):
            other = self._stored.setdefault(identity, recording.object_name)
            if other != recording.object_name:
                self._break(f"stored twice: {identity} in {other} and in {recording.object_name}")

    def _see_letter(self, letter: DeadLetter) -> None:
        place = (letter.topic, letter.partition, letter.offset)
        self._letters.add(place)
        if place not in self._garbage and CLOCK_SET_BACK not in letter.reason:
            self._break(f"dead letter of {letter.service}: {letter.topic} {letter.reason}")

    def _see_done(self, group: str, partition: Partition, offset: int) -> None:
        topic, number = partition
        known = self._by_offset[partition]
        identity = known[offset] if offset < len(known) else None
        if (topic, number, offset) in self._garbage:
            done = (topic, number, offset) in self._letters
        elif group == "masker":
            done = identity in self.masked or identity in self._dropped["masker"]
        elif group == "recorder":
            done = identity in self._stored or identity in self._dropped["recorder"]
        elif group == "vision":
            done = identity in self._tracked or identity in self._dropped["vision"]
        elif group == "rules":
            done = (number, offset) in self._world.states.counted
        else:
            done = True
        if not done:
            self._break(f"offset too far: {group} committed {topic}[{number}] past {offset}, {identity}")

    # What is stored.

    def _pictures_in(self, recording: Recording) -> Sequence[Identity]:
        """The batches whose pictures an object holds."""
        content = self._world.store.read(recording.object_name)
        if content not in self._seen_in:
            self._seen_in[content] = [luma_of(picture) for _, picture in decoded(content)]
        for luma in self._seen_in[content]:
            if (seen := shows(luma, min(recording.mask_versions))) is not None:
                self._break(f"unmasked: {seen} is seen in {recording.object_name}")
        return self._matched(recording, [number_of(luma) for luma in self._seen_in[content]])

    def _matched(self, recording: Recording, numbers: Sequence[int]) -> Sequence[Identity]:
        *_, epoch, sequence = recording.object_name.removesuffix(".mp4").rsplit("-", 2)
        identity = (recording.camera, int(epoch), int(sequence))
        last = max((each[2] for each in self.masked if each[:2] == identity[:2]), default=-1)
        found, at = [], 0
        while at < len(numbers) and identity[2] <= last:
            wanted = self._numbers.get(identity, [])
            if wanted and list(numbers[at : at + len(wanted)]) == wanted:
                found.append(identity)
                at += len(wanted)
            identity = (identity[0], identity[1], identity[2] + 1)
        if at < len(numbers):
            self._break(f"{recording.object_name} holds pictures that no masked batch has")
        return found

    # What is so at the end.

    def check_end(self) -> None:
        """Look at what became of everything.

        Raises:
            Broken: something that must never be false is.
        """
        self._check_cut()
        self._check_masked()
        self._check_stored()
        self._check_chains()
        self._check_index()
        self._check_alerts()
        self._check_letters()
        self._check_counted()
        self.raise_found()

    def unsent(self) -> Iterator[str]:
        """What ingest cut, is not on the bus, and nobody gave up: it waits, or is lost."""
        for identity, process in self._cut.items():
            said = identity in self._given_up or process in self._undelivered
            if identity not in self._raw and not said and not process.dead:
                yield f"{identity} was cut by {process.name}, is not on the bus, and nobody said so"

    def _check_cut(self) -> None:
        for each in self.unsent():
            self._break(f"lost: {each}")

    def _check_counted(self) -> None:
        counted = _counted()
        for (camera, reason), dropped in self._noted.items():
            now = counted[camera, reason] - self._counted_before[camera, reason]
            if now < dropped:
                self._break(f"dropped and not counted: {dropped:.0f} of {camera}, {reason}, and {now:.0f} are counted")

    def _check_masked(self) -> None:
        for identity in self._raw:
            if identity not in self.masked and identity not in self._dropped["masker"]:
                self._break(f"lost: {identity} was acknowledged, and never masked")

    def _check_stored(self) -> None:
        objects = {each.name: each for each in self._world.store.list(SEGMENTS)}
        if objects.keys() != self._recordings.keys():
            self._break(f"stored and told differ: {sorted(objects.keys() ^ self._recordings.keys())}")
            return
        stored: dict[Identity, str] = {}
        for name, recording in self._recordings.items():
            for identity in self._pictures_in(recording):
                if identity in stored:
                    self._break(f"stored twice: {identity} in {stored[identity]} and in {name}")
                stored[identity] = name
        for identity in self.masked:
            if identity not in stored and identity not in self._dropped["recorder"]:
                self._break(f"lost: {identity} was masked, and never stored")

    def _check_chains(self) -> None:
        of_cameras: dict[str, list[Recording]] = defaultdict(list)
        for recording in self._recordings.values():
            of_cameras[recording.camera].append(recording)
        for camera, recordings in of_cameras.items():
            digests = [each.sha256 for each in recordings]
            before = [each.previous_sha256 for each in recordings]
            whole = before.count(None) == 1 and len(set(before)) == len(before) and set(before) <= {None, *digests}
            if not whole:
                self._break(
                    f"the chain of {camera} is not whole: {len(recordings)} segments, {before.count(None)} begin"
                )

    def _check_index(self) -> None:
        with self._world.database.read(LOOK) as session:
            rows = {row.object_name: row.sha256 for row in session.scalars(select(RecordingRow))}
        told = {name: each.sha256 for name, each in self._recordings.items()}
        if rows != told:
            self._break(f"the index differs from what was told of recordings: {sorted(rows.keys() ^ told.keys())}")

    def _check_alerts(self) -> None:
        said = [Said.of(alert) for alert in _latest(self.alerts).values()]
        with self._world.database.read(LOOK) as session:
            kept = [
                Said(row.id, row.camera, row.onset, row.state, row.closed_reason)
                for row in session.scalars(select(AlertRow))
            ]
        if sorted(kept) != sorted(said):
            self._break(f"alerts kept and said differ: {sorted(set(kept) ^ set(said))}")
        wanted = alerts_of(self.masked_in_order, self._world.configuration)
        if not _same(said, wanted):
            self._break(f"alerts differ from those without faults: said {sorted(said)}, wanted {sorted(wanted)}")

    def _check_letters(self) -> None:
        missing = self._garbage - self._letters
        if missing:
            self._break(f"unreadable, and in no dead letter: {sorted(missing)}")


def _counted() -> Counter[tuple[str, str]]:
    """Batches that were dropped, as the metric has them: by camera and reason."""
    samples = (sample for metric in BATCHES_DROPPED.collect() for sample in metric.samples)
    return Counter(
        {
            (sample.labels["camera"], sample.labels["reason"]): int(sample.value)
            for sample in samples
            if sample.name.endswith("_total")
        }
    )


def _latest(alerts: Sequence[Alert]) -> dict[str, Alert]:
    latest: dict[str, Alert] = {}
    for alert in alerts:
        before = latest.get(alert.id)
        if before is None or before.state is not AlertState.CLOSED:
            latest[alert.id] = alert
    return latest


def _same(said: Sequence[Said], wanted: Sequence[Said]) -> bool:
    left = list(wanted)
    for one in sorted(said):
        match = next((each for each in left if each.is_like(one, ONSET_S)), None)
        if match is None:
            return False
        left.remove(match)
    return not left

"""Faults that are planted, to see that the simulation finds them. Nothing that ships knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulation.hosts import Parts
from tests.simulation.rules import RulesProcessor

import beffroi_masker.__main__ as masker_main
import beffroi_recorder.__main__ as recorder_main
from beffroi_common.bus import Partition, Record, RetryLater
from beffroi_common.bus.keyed import KeyedProcessor
from beffroi_common.bus.keyed.state import KeyState
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_masker.processor import Masking
from beffroi_recorder.record import camera_stream
from beffroi_recorder.record.processor import Recorder

LATE_S = 6.0


class ForgetsUploads(Recorder):
    """Offset too far: what is finished and not yet stored holds no offset back."""

    def needed(self) -> Mapping[Partition, int]:
        """What the cameras need, without the uploads."""
        return self._cameras.needed()


class ForgetsTaken(SequenceTracker):
    """Repeat stored: what was taken before a restart is not known after it."""

    def __init__(self, _taken: Mapping[int, int] | None = None) -> None:
        super().__init__()


class LateDecisions:
    """Remembers what was decided for a while."""

    def __init__(self, decisions: Any, clock: Any) -> None:
        self._decisions = decisions
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        """The rest is as it is."""
        return getattr(self._decisions, name)

    def of(self, camera: str, source_version: int) -> Any:
        """See `Decisions.of`: as it was some seconds ago."""
        now_s = self._clock.monotonic_s()
        asked_s, known = self._known.get((camera, source_version), (-LATE_S, None))
        if now_s - asked_s >= LATE_S:
            known = self._decisions.of(camera, source_version)
            self._known[camera, source_version] = (now_s, known)
        return known


def late_masking(**parts: Any) -> Masking:
    """See `LateDecisions`."""
    parts["decisions"] = LateDecisions(parts["decisions"], parts["clock"])
    return Masking(**parts)


class DropsUnsent(KeyedProcessor):
    """Retry that drops: what cannot be sent now is given up."""

    def _send(self, state: KeyState) -> None:
        try:
            super()._send(state)
        except RetryLater:
            self._schedule.sent(state)


class SaysLater(RulesProcessor):
    """Alert lost: a state is written down before what was said about it is safe."""

    def handle(self, record: Record) -> None:
        """See `RulesProcessor.handle`."""
        self.remember(record, self._processor.process(record, self.table.get(record.key)))


class GoesBack(RulesProcessor):
    """State that goes back: what was written last counts, whoever was late with it."""

    def recall(self, camera: str, written: str) -> None:
        """See `RulesProcessor.recall`."""
        self.table[camera] = written


PLANTED: Mapping[str, Parts] = {
    "offset too far": Parts(patches=((recorder_main, "Recorder", ForgetsUploads),)),
    "repeat stored": Parts(patches=((camera_stream, "SequenceTracker", ForgetsTaken),)),
    "mask late": Parts(patches=((masker_main, "Masking", late_masking),)),
    "retry that drops": Parts(patches=((masker_main, "KeyedProcessor", DropsUnsent),)),
    "alert lost": Parts(rules=SaysLater),
    "state that goes back": Parts(rules=GoesBack),
}
"""By what is wrong."""

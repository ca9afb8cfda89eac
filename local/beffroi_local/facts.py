"""What `make demo-check` must have seen, and how it says so."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LIVE_S = 3.0
MAX_ALERT_S = 2.0
MAX_MASK_S = 2.0
MIN_TRUE = 4
MAX_FALSE = 1
MIN_SEGMENTS = 2


@dataclass(frozen=True)
class LoopFigures:
    """Alerts of one loop of the clip: how many of those who stay were found, and how many alerts were somebody else."""

    true: int
    of: int
    false: int


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        live_p95_s: age of live pictures on arrival; None: none came.
        alert_p95_s: capture to alert in the api; None: no alert.
        mask_s: from a changed mask to the first live picture under it; None: none came.
        alerts: how many alerts came at all.
        loops: for each loop how its alerts compare with the truth; empty without truth.
        people: whether alerts are to be expected at all.
        segments: stored segments that were read back.
        leaking_pixels: in stored, live, annotated and still pictures together.
        annotated_pictures: with boxes drawn, seen and looked at.
        stills: seen and looked at.
        frames_in: sent by the camera in one loop.
        frames_out: of these, found in the object store.
    """

    live_p95_s: float | None
    alert_p95_s: float | None
    mask_s: float | None
    alerts: int
    loops: tuple[LoopFigures, ...]
    people: bool
    segments: int
    leaking_pixels: int
    annotated_pictures: int
    stills: int
    frames_in: int
    frames_out: int

    def line(self) -> str:
        """Return everything in one line."""
        live = "none" if self.live_p95_s is None else f"{self.live_p95_s:.1f} s"
        mask = "none" if self.mask_s is None else f"after {self.mask_s:.1f} s"
        alert = "" if self.alert_p95_s is None else f" after {self.alert_p95_s:.1f} s"
        if self.loops:
            found = ", ".join(f"{loop.true}/{loop.of} true {loop.false} false" for loop in self.loops)
        else:
            found = f"{self.alerts}"
        return (
            f"demo: live {live}, alerts {found}{alert}, segments {self.segments}, "
            f"new mask {mask}, masked pixels leaking {self.leaking_pixels}, "
            f"frames in {self.frames_in} out {self.frames_out}"
        )

    def missing(self) -> list[str]:
        """Return a sentence for each fact that was not seen."""
        facts = [
            (self.live_p95_s is not None, "no live picture came"),
            ((self.live_p95_s or 0) <= MAX_LIVE_S, f"live pictures are older than {MAX_LIVE_S:g} s (p95)"),
            (not self.people or self.alerts > 0, "no alert came"),
            ((self.alert_p95_s or 0) <= MAX_ALERT_S, f"alerts take longer than {MAX_ALERT_S:g} s (p95)"),
            (self.mask_s is not None, "no picture came after the mask was changed"),
            ((self.mask_s or 0) <= MAX_MASK_S, f"a changed mask is not in force within {MAX_MASK_S:g} s"),
            (self.segments >= MIN_SEGMENTS, f"fewer than {MIN_SEGMENTS} segments are stored"),
            (self.leaking_pixels == 0, "pixels show where the mask is"),
            (self.annotated_pictures > 0, "no annotated picture came"),
            (self.stills > 0, "no still came"),
            (self.frames_in > 0, "the camera's pictures of one loop could not be counted"),
            (self.frames_in == self.frames_out, "not every picture of one loop is in the store, exactly once"),
        ]
        for number, loop in enumerate(self.loops, 1):
            facts.append(
                (loop.true >= min(MIN_TRUE, loop.of), f"loop {number}: too few of those who stay were alerted")
            )
            facts.append((loop.false <= MAX_FALSE, f"loop {number}: too many alerts are false"))
        return [sentence for seen, sentence in facts if not seen]

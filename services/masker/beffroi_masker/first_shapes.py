"""What decisions that were drawn on no picture are about: the first picture that each was applied to.

Fractions of nothing fit any picture. Whoever draws on a grid sees what is covered once pictures pass: from then on it
is a decision about those, and a picture of another shape shows another view.
"""

from __future__ import annotations

import threading
from typing import Protocol

from beffroi_common.contracts import MaskDecision, Stream

from .shape import PictureShape


class Shapes(Protocol):
    """Knows what decisions are about."""

    def drawn(self, camera: str, stream: Stream, decision: MaskDecision, shape: PictureShape) -> MaskDecision | None:
        """A decision with what it was drawn on; None: on none that is known."""


class FirstShapes:
    """Of all cameras, for as long as this process runs. Safe to call from several threads.

    It is one for whoever masks pictures of a camera: each alone would take the first picture that it sees itself.
    Whoever masks them out of their order is given `known`.
    """

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, Stream], tuple[MaskDecision, MaskDecision]] = {}
        self._lock = threading.Lock()

    def drawn(self, camera: str, stream: Stream, decision: MaskDecision, shape: PictureShape) -> MaskDecision | None:
        """A decision with what it was drawn on, be it the first picture that it is applied to; None: on none such."""
        if decision.drawn_aspect is not None:
            self.forget(camera)
            return decision
        with self._lock:
            known = self._known_of(camera, stream, decision)
            if known is not None:
                return known
            picture = shape.drawn
            if picture is None:
                return None
            drawn = decision.model_copy(update={"drawn_on": picture})
            self._drawn[camera, stream] = decision, drawn
            return drawn

    def bound(self, camera: str, stream: Stream, decision: MaskDecision) -> MaskDecision | None:
        """A decision with what it was drawn on; None: on no picture, and it was applied to none yet."""
        if decision.drawn_aspect is not None:
            return decision
        with self._lock:
            return self._known_of(camera, stream, decision)

    @property
    def known(self) -> Shapes:
        """The same, of which no picture is the first."""
        return _Known(self)

    def forget(self, camera: str) -> None:
        """Nothing of its decision counts any more."""
        with self._lock:
            for stream in Stream:
                self._drawn.pop((camera, stream), None)

    def _known_of(self, camera: str, stream: Stream, decision: MaskDecision) -> MaskDecision | None:
        asked, drawn = self._drawn.get((camera, stream), (None, None))
        return drawn if asked == decision else None


class _Known:
    def __init__(self, shapes: FirstShapes) -> None:
        self._shapes = shapes

    def drawn(self, camera: str, stream: Stream, decision: MaskDecision, _shape: PictureShape) -> MaskDecision | None:
        return self._shapes.bound(camera, stream, decision)

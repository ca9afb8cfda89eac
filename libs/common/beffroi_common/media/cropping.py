"""What an encoder tells not to show: the corner at which the shown window begins (ITU-T H.264 and H.265, 7.3.2).

The size of the window is what a decoder gives. Where it lies none says, and a window of the same size elsewhere is
another view.
"""

from __future__ import annotations

from beffroi_common.contracts import Codec

from .sequence_sets import Corner, UnreadableSetError, sequence_sets

__all__ = ["Corner", "UnreadableSetError", "corner"]


def corner(codec: Codec, data: bytes) -> Corner | None:
    """The corner that an access unit's sequence parameter sets say; None: it holds none, those before it stay in force.

    Raises:
        UnreadableSetError: see there.
    """
    found = {each.corner for each in sequence_sets(codec, data)}
    if len(found) > 1:
        raise UnreadableSetError("sequence parameter sets that crop differently")
    return next(iter(found), None)

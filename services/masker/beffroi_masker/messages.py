"""What each refusal means to a person, and what to do about it; and what keeps pictures waiting."""

from __future__ import annotations

from beffroi_common.contracts import Level

from .stream import Reason

MESSAGES: dict[Reason, tuple[Level, str]] = {
    Reason.UNKNOWN_CAMERA: (
        Level.ERROR,
        "Pictures arrive of a camera that is not configured: none passes. Add the camera, or find who sends them.",
    ),
    Reason.SWITCHED_OFF: (
        Level.WARNING,
        "The camera is switched off, and pictures of it still arrive: none passes. If this lasts, see whether ingest "
        "runs and may read cameras.v1.",
    ),
    Reason.NO_MASK_DECISION: (
        Level.ERROR,
        "Nobody has decided yet what must be masked: no picture passes. Draw the masks, or state that nothing private "
        "is in view.",
    ),
    Reason.OTHER_SOURCE: (
        Level.WARNING,
        "Pictures are still on their way from the camera's source before, which its masks do not fit: none passes. If "
        "this lasts, see whether ingest runs.",
    ),
    Reason.OTHER_SHAPE: (
        Level.ERROR,
        "The picture has another shape than the one the masks were drawn on, so they may lie elsewhere: none passes. "
        "Draw the masks again, or set the camera's picture size back.",
    ),
    Reason.UNREADABLE_CONFIGURATION: (
        Level.ERROR,
        "The camera's configuration cannot be read, so its masks are not known: no picture passes. Save the camera "
        "again in the console.",
    ),
    Reason.AWAITING_KEY: (
        Level.WARNING,
        "Waiting for the next key frame. If this lasts, set a shorter key frame interval on the camera (1 to 2 s).",
    ),
    Reason.DECODER_ERROR: (
        Level.WARNING,
        "Pictures arrive damaged: none passes until the next key frame. If this lasts, look at the network and at the "
        "camera's encoder settings.",
    ),
    Reason.TOO_MANY_PIXELS: (
        Level.ERROR,
        "The camera sends pictures so large and so fast that they cannot be masked in time: none passes until the next "
        "key frame. Set a smaller picture size or a lower frame rate on the camera.",
    ),
    Reason.UNSUPPORTED_PIXEL_FORMAT: (
        Level.ERROR,
        "The camera's pixel format cannot be masked: no picture passes. Set the camera to H.264 with 8 bits and 4:2:0.",
    ),
    Reason.MIXED_SIZES: (
        Level.WARNING,
        "Pictures of different sizes arrived together and were left out. If this lasts, fix the camera's picture size.",
    ),
    Reason.ENCODER_ERROR: (
        Level.ERROR,
        "Masked pictures could not be encoded: none passes. Look at the camera's time stamps and picture size.",
    ),
    Reason.TOO_LARGE: (
        Level.ERROR,
        "Masked pictures are larger than the bus allows: none passes. Lower the masker's bit rate.",
    ),
}
"""For every reason its level and its words."""

WIDENED = (
    "masks_widened",
    "The picture has nearly the shape that the masks were drawn on: they cover {percent:.1f} % more on each side, and "
    "the picture's edge. Draw them again on a picture of today.",
)
"""Code and words for pictures that pass, but not as somebody decided."""

DRAWN_BLIND = (
    Level.WARNING,
    "masks_drawn_blind",
    "The masks were decided on before any picture was seen. They hold for pictures of the present shape, until this "
    "masker ends: look whether they cover what is private, and save them again.",
)
"""Level, code and words for pictures that pass by a decision that nobody has seen applied."""

STALE = (
    Level.ERROR,
    "stale_configuration",
    "It is not known whether the masks are still in force, since cameras.v1 cannot be read: no picture passes, and "
    "what arrives is kept for ten minutes. Look at the broker, and at the masker's right to read that topic.",
)
"""Level, code and words while decisions are too old to count."""

CATCHING_UP = (
    Level.WARNING,
    "catching_up",
    "Pictures wait to be masked and are caught up in their order; until then live views show the newest key picture "
    "every second or more. If this lasts, the masker has too little processor for its cameras.",
)
"""Level, code and words while pictures come late."""

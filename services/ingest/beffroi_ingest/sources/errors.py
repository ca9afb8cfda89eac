"""Why a camera gives no pictures."""

from __future__ import annotations


class SourceError(Exception):
    """A source cannot be opened, or broke off.

    Args:
        code: for programs, e.g. `wrong_password`.
        message: for a person, with what to do. Written here and nowhere else: texts of FFmpeg may hold the address
            with its password, and are never passed on.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class PictureSizeUnknownError(SourceError):
    """Nothing said the picture size so far; listening for longer may help."""

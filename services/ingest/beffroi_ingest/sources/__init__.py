"""Where pictures come from: one interface, and behind it a camera, a file or a test pattern."""

from .errors import SourceError
from .interfaces import EncodedUnit, Pause, Source
from .opening import SourceOptions, open_source

__all__ = ["EncodedUnit", "Pause", "Source", "SourceError", "SourceOptions", "open_source"]

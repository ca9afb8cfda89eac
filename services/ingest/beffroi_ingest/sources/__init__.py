"""Where pictures come from: one seam, and behind it a camera, a file or a test pattern."""

from .errors import SourceError
from .opening import SourceOptions, open_source
from .seam import EncodedUnit, Pause, Source

__all__ = ["EncodedUnit", "Pause", "Source", "SourceError", "SourceOptions", "open_source"]

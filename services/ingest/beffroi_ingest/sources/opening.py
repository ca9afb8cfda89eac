"""From a camera's configuration to an opened source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from beffroi_common.contracts import CameraSource
from beffroi_common.runtime.clock import Clock

from .credentials import address
from .errors import SourceError
from .file import FileSource
from .interfaces import Pause, Source
from .pattern import PatternSource
from .rtsp import RtspSource


@dataclass(frozen=True)
class SourceOptions:
    """What opening needs beside the address.

    Attributes:
        secrets_dir: folder of secrets, one file each.
        open_timeout_s: longest wait for the first pictures.
        read_timeout_s: longest wait between two pictures.
    """

    secrets_dir: Path | None
    open_timeout_s: float
    read_timeout_s: float


def open_source(source: CameraSource, options: SourceOptions, clock: Clock, pause: Pause) -> Source:
    """Open what `source` names.

    Raises:
        SourceError: it cannot be opened, and why.
    """
    scheme = urlsplit(source.url).scheme
    match scheme:
        case "rtsp":
            whole = address(source, options.secrets_dir)
            return RtspSource(whole, pause, options.open_timeout_s, options.read_timeout_s)
        case "file":
            return FileSource(_path(source.url), clock, pause, options.open_timeout_s, options.read_timeout_s)
        case "pattern":
            return PatternSource(source.url, clock, pause)
        case _:
            raise SourceError("wrong_address", f"No source opens an address that begins with {scheme}:.")


def _path(url: str) -> Path:
    path = Path(unquote(urlsplit(url).path))
    if not path.is_absolute():
        raise SourceError("wrong_address", "A file's address reads file:///folder/name.")
    return path

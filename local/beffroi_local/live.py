"""A live view as the console sees it: messages over a WebSocket, their pictures decoded and their ages taken."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from av.video.frame import VideoFrame
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from beffroi_common.contracts import Codec
from beffroi_common.media.decoding import DecodeError, Decoder

from .client import PREFIX, ApiClient

HEADER_LENGTH_BYTES = 4

RECEIVE_TIMEOUT_S = 1.0
"""How soon a request to stop is noticed."""

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""Twice the largest frame batch."""


@dataclass
class LiveFigures:
    """What a viewer has seen so far.

    Attributes:
        ages_s: for each picture of a live message its age on arrival: now less its capture time.
        pictures: how many were decoded.
        first_s: when the first was, by the monotonic clock; None: none was.
        leaking_pixels: what `look` counted in them.
        states: what the api said when it had no picture, the last few.
        error: why the view ended by itself, None while it goes on.
    """

    ages_s: list[float] = field(default_factory=list)
    pictures: int = 0
    first_s: float | None = None
    leaking_pixels: int = 0
    states: list[str] = field(default_factory=list)
    error: str | None = None


class LiveViewer:
    """Watches one camera in a thread of its own, from `start` until `stop`."""

    def __init__(self, api: ApiClient, camera: str, view: str, look: Callable[[VideoFrame], int]) -> None:
        """Prepare a view; `look` counts what must not be seen in a picture."""
        self.figures = LiveFigures()
        self._url = api.address.replace("http", "ws", 1) + f"{PREFIX}/cameras/{camera}/live?view={view}"
        self._headers = {"Cookie": api.cookies}
        self._origin = Origin(api.address)
        self._look = look
        self._stopping = threading.Event()
        self._decoder = Decoder(Codec.H264)
        self._size: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._watch, name=f"live {camera} {view}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> LiveFigures:
        """Stop watching; return what was seen."""
        self._stopping.set()
        self._thread.join()
        return self.figures

    def _watch(self) -> None:
        try:
            with connect(
                self._url,
                additional_headers=self._headers,
                origin=self._origin,
                proxy=None,  # it is on this machine, whatever the environment says of proxies
                max_size=MAX_MESSAGE_BYTES,
            ) as socket:
                while not self._stopping.is_set():
                    try:
                        message = socket.recv(timeout=RECEIVE_TIMEOUT_S)
                    except TimeoutError:
                        continue
                    self._take(message)
        except (WebSocketException, OSError) as error:
            self.figures.error = f"{type(error).__name__}: {error}"

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.figures.states = [*self.figures.states[-4:], message]
            return
        arrived_ms = time.time() * 1000
        length = int.from_bytes(message[:HEADER_LENGTH_BYTES], "big")
        start = HEADER_LENGTH_BYTES + length
        header = json.loads(message[HEADER_LENGTH_BYTES:start])
        for unit in header["units"]:
            self.figures.ages_s.append((arrived_ms - unit["capture_time_ms"]) / 1000)
            self._decode(message[start : start + unit["size"]])
            start += unit["size"]

    def _decode(self, data: bytes) -> None:
        try:
            pictures = self._decoder.decode(data)
        except DecodeError as error:
            self.figures.error = f"a live picture could not be decoded: {error}"
            return
        for picture in pictures:
            self.figures.first_s = self.figures.first_s or time.monotonic()
            self.figures.pictures += 1
            self.figures.leaking_pixels += self._look(picture)

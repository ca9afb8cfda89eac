"""The one connection to a camera: made here, to the address that was checked, and FFmpeg speaks through it.

FFmpeg follows a redirect wherever it leads, with user and password, and has no option not to. So it is given an address
on loopback, and what the camera says is passed on as it comes, except for a redirect: that ends the connection.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress

from beffroi_common.addresses import IpAddress

from .errors import SourceError

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
"""Read at once: what a camera sends in a tenth of a second at 4 Mbit/s."""

MAX_REPLY_BYTES = 8192
"""Of a redirect with its headers, and of the part of a reply that is not understood yet."""

NO_RESOURCES = "This service has no file or thread left for the camera: raise its limits, or run more instances."

MAX_DIGITS = 64
"""More of them are no status; FFmpeg reads no more of a word."""

_STATUS = re.compile(rb"RTSP/[^ \t\n\0]*+[ \t]*+([^ \t\n\0]*+)[ \t\n\0]")
_LOCATION = re.compile(rb"^location[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(rb"[\t\n\v\f\r ]*([+-]?[0-9]+)")


class RedirectFilter:
    """Looks for a redirect in what a camera sends, as FFmpeg reads it, wherever the pieces are cut.

    FFmpeg drops carriage returns, takes a status line after anything, and reads its number as C's `atoi` does. So every
    `RTSP/` counts, in headers and pictures too: there none is followed by such a number.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self.found = False
        """A redirect began. Nothing of it, nor after it, may be passed on."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take what comes next."""
        self._pending += bytes(data).replace(b"\r", b"")
        while not self.found:
            start = self._pending.find(b"RTSP/")
            if start < 0:
                del self._pending[:-4]  # the beginning of one may be at the end
                return
            del self._pending[:start]
            status = _STATUS.match(self._pending)
            if status is None:
                self.found = len(self._pending) > MAX_REPLY_BYTES
                return
            self.found = _is_redirect(status[1])
            if not self.found:
                del self._pending[: status.end(1)]

    @property
    def is_whole(self) -> bool:
        """The redirect has come to its end, or to none in time."""
        return b"\n\n" in self._pending or len(self._pending) > MAX_REPLY_BYTES

    @property
    def location(self) -> str:
        """Where it leads; empty: it does not say."""
        found = _LOCATION.search(self._pending.partition(b"\n\n")[0])
        return "" if found is None else found[1].decode("latin-1")


def _is_redirect(token: bytes) -> bool:
    number = _NUMBER.match(token)
    if number is None or len(number[1]) > MAX_DIGITS:
        return number is not None
    status = int(number[1]) & 0xFFFF_FFFF  # as an int of C, which has 32 bits
    return 300 <= status < 400


class Relay:
    """A connection to a camera, and the door on loopback by which FFmpeg uses it, once.

    Args:
        host: the address that was checked.
        port: where the camera listens.
        timeout_s: longest wait for the connection.

    Raises:
        SourceError: the camera cannot be connected to.
    """

    def __init__(self, host: IpAddress, port: int, timeout_s: float) -> None:
        self._camera = _connected(host, port, timeout_s)
        self._open: list[socket.socket] = [self._camera]
        self._ending = threading.Lock()
        self._ended = False
        self._filter = RedirectFilter()
        try:
            # Open as long as FFmpeg may connect: were it closed after the first connection, another process of this
            # machine could listen there instead, and be told the password.
            self._door = socket.create_server((LOOPBACK, 0), backlog=1)
            self._open.append(self._door)
            self.port: int = self._door.getsockname()[1]
            self._thread = threading.Thread(target=self._run, name=f"relay-{self.port}", daemon=True)
            self._thread.start()
        except (OSError, RuntimeError):  # no file or thread is left: one camera's trouble until there is
            self._close_all()
            raise SourceError("unreachable", NO_RESOURCES) from None

    def close(self, grace_s: float = 0.0) -> None:
        """End both connections; may be called twice.

        Args:
            grace_s: longest wait for what FFmpeg said last to be passed on, after it ended its own connection.
        """
        self._thread.join(grace_s)
        self._end()
        self._thread.join()

    @property
    def location(self) -> str | None:
        """Where the camera redirected to, once closed; None: it did not."""
        return self._filter.location if self._filter.found else None

    def _run(self) -> None:
        try:
            with suppress(OSError, RuntimeError):
                self._relay()
        finally:
            self._end()
            self._close_all()

    def _relay(self) -> None:
        player, _ = self._door.accept()
        self._add(player)
        player.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        requests = threading.Thread(target=self._pass_requests, args=(player,), name=f"{self._thread.name}-up")
        requests.daemon = True
        requests.start()
        try:
            self._pass_answers(player)
        finally:
            self._end()
            requests.join()

    def _close_all(self) -> None:
        """Close what nobody uses any more: only then may its numbers be given to others."""
        for each in self._open:
            each.close()

    def _add(self, player: socket.socket) -> None:
        with self._ending:
            self._open.append(player)
            if self._ended:
                player.shutdown(socket.SHUT_RDWR)

    def _end(self) -> None:
        """Wake whoever waits for one of the connections, with its end."""
        with self._ending:
            if not self._ended:
                self._ended = True
                for each in self._open:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)

    def _pass_requests(self, player: socket.socket) -> None:
        with suppress(OSError):
            while data := player.recv(CHUNK_BYTES):
                self._camera.sendall(data)
        self._end()

    def _pass_answers(self, player: socket.socket) -> None:
        buffer = memoryview(bytearray(CHUNK_BYTES))
        while size := self._camera.recv_into(buffer):
            self._filter.feed(buffer[:size])
            if not self._filter.found:
                player.sendall(buffer[:size])
            elif self._filter.is_whole:
                break


def _connected(host: IpAddress, port: int, timeout_s: float) -> socket.socket:
    try:
        camera = socket.create_connection((str(host), port), timeout=timeout_s)
    except ConnectionRefusedError:
        raise SourceError("refused", "Nobody answers at the camera's port: is it on, is the port right?") from None
    except TimeoutError:
        raise SourceError("timeout", "The camera sends nothing: look at its power and its network.") from None
    except OSError:
        raise SourceError(
            "unreachable", "The camera cannot be reached: look at its address, its power and its network."
        ) from None
    camera.settimeout(None)  # whoever reads from FFmpeg has a time-out of its own, and closes
    camera.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return camera

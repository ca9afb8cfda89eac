"""Redirects of cameras: they stay on the host, whatever they look like; and all else passes as it came."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av import VideoFrame
from av.codec.context import Flags
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ingest.conftest import Pauses

from beffroi_common.addresses import AllowedAddresses
from beffroi_common.contracts import CameraSource, Codec
from beffroi_common.media.nal import nal_units
from beffroi_ingest.sources import Source, SourceError, SourceOptions, open_source
from beffroi_ingest.sources.relay import RedirectFilter, Relay
from beffroi_testing import ManualClock

Answer = Callable[[bytes, int], bytes | None]
"""What a camera answers to a request with a number; None: it ends the connection."""

TIMEOUT_S = 20.0
FILES = Path("/proc/self/fd")


class Camera:
    """Answers each request by a script, and keeps all that it is told."""

    def __init__(self, answer: Answer, *, byte_by_byte: bool = False) -> None:
        self._answer = answer
        self._byte_by_byte = byte_by_byte
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.told: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Refuse from now on."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                with connection, suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_S)
        while request := connection.recv(65_536):
            self.told.append(request)
            number = next(line.split()[1] for line in request.splitlines() if line.startswith(b"CSeq:"))
            answer = self._answer(request, int(number))
            if answer is None:
                return
            for piece in (answer[n : n + 1] for n in range(len(answer))) if self._byte_by_byte else (answer,):
                connection.sendall(piece)


@pytest.fixture
def new_camera() -> Iterator[Callable[..., Camera]]:
    with ExitStack() as cameras:

        def make(answer: Answer, *, byte_by_byte: bool = False) -> Camera:
            camera = Camera(answer, byte_by_byte=byte_by_byte)
            cameras.callback(camera.close)
            return camera

        yield make


NewCamera = Callable[..., Camera]


def opened(
    camera: Camera, secrets_dir: Path | None = None, others: Sequence[Camera] = (), *, pictures: int = 1
) -> Source:
    clock = ManualClock()
    ports = tuple(each.port for each in (camera, *others))
    allowed = AllowedAddresses.model_validate({"networks": "127.0.0.0/8", "ports": ports})
    source = CameraSource(url=f"rtsp://127.0.0.1:{camera.port}/general", credentials="login" if secrets_dir else None)
    return open_source(
        source, SourceOptions(allowed, secrets_dir, TIMEOUT_S, TIMEOUT_S), clock, Pauses(clock, pictures)
    )


def refusal(camera: Camera, secrets_dir: Path | None = None, *others: Camera) -> str:
    with pytest.raises(SourceError) as refused:
        opened(camera, secrets_dir, others)
    return refused.value.code


def unauthorised(number: int) -> bytes:
    return b'RTSP/1.0 401 Unauthorized\r\nCSeq: %d\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n' % number


def not_found(_request: bytes, number: int) -> bytes:
    return b"RTSP/1.0 404 Not Found\r\nCSeq: %d\r\n\r\n" % number


def public(number: int) -> bytes:
    return b"RTSP/1.0 200 OK\r\nCSeq: %d\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n" % number


REDIRECTS = [
    b"RTSP/1.0 302 Moved\r\n",
    b"RTSP/1.0 301 Moved\n",
    b"RTSP/2.0 399\r\n",
    b"RTSP/1.0\t\t305 Proxy\r\n",
    b"  RTSP/1.0 302 Moved\r\n",
    b"R\rTSP/1.0 3\r02 Moved\r\n",
    b"RTSP/1.0 0302 Moved\r\n",
    b"RTSP/1.0 +302 Moved\r\n",
    b"RTSP/1.0 302xyz Moved\r\n",
    b"RTSP/1.0 \x0b302 Moved\r\n",
    b"RTSP/1.0 4294967598 Moved\r\n",
    b"RTSP/ 302\r\n",
    b"$\0\0\4abcdRTSP/1.0 302 Moved\r\n",
    b"RTSP/1.0 200 OK\r\nCSeq: 99\r\nContent-Length: 3\r\n\r\nabcRTSP/1.0 302 Moved\r\n",
]


@pytest.mark.parametrize("byte_by_byte", [False, True])
@pytest.mark.parametrize("line", REDIRECTS)
def test_no_redirect_leads_to_another_host(new_camera: NewCamera, line: bytes, *, byte_by_byte: bool) -> None:
    other = new_camera(not_found)

    def redirecting(_request: bytes, number: int) -> bytes:
        return line + b"CSeq: %d\r\nLocation: rtsp://127.0.0.1:%d/x\r\n\r\n" % (number, other.port)

    camera = new_camera(redirecting, byte_by_byte=byte_by_byte)
    assert refusal(camera, None, other) == "redirected"
    assert other.connections == 0


@pytest.mark.parametrize("after", [b"OPTIONS", b"DESCRIBE", b"Authorization:"])
def test_a_password_never_follows_a_redirect(new_camera: NewCamera, tmp_path: Path, after: bytes) -> None:
    (tmp_path / "login").write_text("admin:hunter2\n127.0.0.1\n")
    other = new_camera(lambda _, number: unauthorised(number))

    def redirecting(request: bytes, number: int) -> bytes:
        if after in request:
            return b"RTSP/1.0 302 Moved\r\nCSeq: %d\r\nLocation: rtsp://127.0.0.1:%d/\r\n\r\n" % (number, other.port)
        return public(number) if request.startswith(b"OPTIONS") else unauthorised(number)

    camera = new_camera(redirecting)
    assert refusal(camera, tmp_path, other) == "redirected"
    assert camera.told
    assert (other.connections, other.told) == (0, [])


@pytest.mark.parametrize(
    "location",
    [
        b"rtsp://127.0.0.2:%d/x",
        b"rtsp://127.0.0.1:%d@store:9000/x",
        b"rtsp://localhost:%d/x",
        b"rtsps://127.0.0.1:%d/x",
        b"http://127.0.0.1:%d/x",
        b"file:///etc/passwd?%d",
        b"/x%d",
        b"rtsp://127.0.0.1:%d/x y",
    ],
)
def test_what_is_not_the_same_host_is_not_followed(new_camera: NewCamera, location: bytes) -> None:
    def redirecting(_request: bytes, number: int) -> bytes:
        return b"RTSP/1.0 302 Moved\r\nCSeq: %d\r\nLocation: %s\r\n\r\n" % (number, location % camera.port)

    camera = new_camera(redirecting)
    assert refusal(camera) == "redirected"
    assert camera.connections == 1


@pytest.mark.parametrize(
    "rest", [b"\r\n", b"Location: \r\n\r\n", b"X: " + b"x" * 20_000], ids=["none", "empty", "endless"]
)
def test_a_redirect_that_leads_nowhere_or_never_ends_is_refused(new_camera: NewCamera, rest: bytes) -> None:
    assert refusal(new_camera(lambda _request, _number: b"RTSP/1.0 302 Moved\r\n" + rest)) == "redirected"


def test_a_redirect_on_the_host_is_followed(new_camera: NewCamera) -> None:
    def redirecting(request: bytes, number: int) -> bytes:
        if b"/general" not in request:
            return not_found(request, number)
        return b"RTSP/1.0 302 Moved\r\nCSeq: %d\r\nlocation:rtsp://127.0.0.1:%d/x?y=1\r\n\r\n" % (number, camera.port)

    camera = new_camera(redirecting)
    assert refusal(camera) == "not_found"
    assert camera.connections == 2
    assert b"/x?y=1 RTSP/1.0" in camera.told[-1]


def test_a_circle_of_redirects_ends(new_camera: NewCamera) -> None:
    def redirecting(_request: bytes, number: int) -> bytes:
        return b"RTSP/1.0 302 Moved\r\nCSeq: %d\r\nLocation: rtsp://127.0.0.1:%d/x\r\n\r\n" % (number, camera.port)

    camera = new_camera(redirecting)
    assert refusal(camera) == "redirected"
    assert camera.connections == 4


def test_no_thread_and_no_connection_is_left(new_camera: NewCamera) -> None:
    before = threading.active_count()
    camera = new_camera(not_found)
    files = len(list(FILES.iterdir()))
    for _ in range(5):
        assert refusal(camera) == "not_found"
    unused = Relay(IPv4Address("127.0.0.1"), camera.port, TIMEOUT_S)
    unused.close()
    unused.close()
    assert threading.active_count() <= before + 1
    assert len(list(FILES.iterdir())) <= files + 1, "the camera's own end may still be open"


def nals_of(data: bytes) -> list[bytes]:
    return [data[nal.begin : nal.end] for nal in nal_units(Codec.H264, data)]


class Session:
    """Answers as a camera that plays pictures, encoded here; TEARDOWN is noted."""

    def __init__(self, pictures: int) -> None:
        encoder = av.VideoCodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, 10), Fraction(10)
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "threads=1:repeat-headers=0"}
        encoder.flags |= Flags.global_header
        frames = [VideoFrame(64, 48, "yuv420p") for _ in range(pictures)]
        packets = [bytes(packet) for frame in [*frames, None] for packet in encoder.encode(frame)]
        sets = encoder.extradata or b""
        self._sets = b",".join(b64encode(nal) for nal in nals_of(sets) if nal[0] & 31 in {7, 8})
        self._rtp = b"".join(self._packets(packets))
        self.over = threading.Event()

    def answer(self, request: bytes, number: int) -> bytes:
        """See `Answer`."""
        method = request.split()[0]
        head = b"RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: 7\r\n" % number
        if method == b"DESCRIBE":
            sdp = (
                b"v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=x\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                b"a=rtpmap:96 H264/90000\r\na=control:rtsp://203.0.113.9:9/track\r\n"
                b"a=fmtp:96 packetization-mode=1;sprop-parameter-sets=" + self._sets + b"\r\n"
            )
            return head + b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(sdp) + sdp
        if method == b"SETUP":
            return head + b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        if method == b"TEARDOWN":
            self.over.set()
        return head + b"\r\n" + (self._rtp if method == b"PLAY" else b"")

    @staticmethod
    def _packets(pictures: list[bytes]) -> Iterator[bytes]:
        sequence = 0
        for index, picture in enumerate(pictures):
            nals = nals_of(picture)
            for nal in nals:
                marker = 0x80 if nal is nals[-1] else 0
                header = struct.pack(">BBHII", 0x80, marker | 96, sequence, index * 9000, 1)
                yield struct.pack(">BBH", ord("$"), 0, len(header) + len(nal)) + header + nal
                sequence += 1


def test_pictures_pass_and_the_session_is_ended(new_camera: NewCamera) -> None:
    session = Session(pictures=20)
    camera = new_camera(session.answer)
    source = opened(camera, pictures=10)
    assert (source.info.width, source.info.height) == (64, 48)
    units = list(source.units())
    source.close()
    assert len(units) == 10
    assert units[0].key
    assert session.over.wait(TIMEOUT_S)
    assert camera.connections == 1, "what the description names is asked for on the same connection"


def test_without_a_file_or_thread_left_it_is_one_cameras_trouble(
    new_camera: NewCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    camera = new_camera(not_found)
    monkeypatch.setattr(socket, "create_server", fail)
    assert refusal(camera) == "unreachable"
    monkeypatch.setattr(socket, "create_connection", fail)
    assert refusal(camera) == "unreachable"


def found(data: bytes, cuts: list[int]) -> bool:
    looking = RedirectFilter()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        looking.feed(data[start:end])
    return looking.found


NO_REDIRECT = (
    b"RTSP/1.0 200 OK\r\nServer: A RTSP/1.0 server\r\nVia: RTSP/1.0\r\n\r\nRTSP/1.0 401 No\r\n\r\nRTSP/1.0 \r\n\r\n"
)


@given(st.sampled_from(REDIRECTS), st.binary(max_size=20), st.lists(st.integers(0, 200), max_size=6))
def test_a_redirect_is_seen_wherever_it_begins_and_is_cut(line: bytes, before: bytes, cuts: list[int]) -> None:
    assert found(before + line + b"\r\n", cuts)


@given(st.lists(st.integers(0, 200), max_size=6))
def test_other_replies_are_none(cuts: list[int]) -> None:
    assert not found(NO_REDIRECT, cuts)
    assert not found(b"RTSP/1.0 200 OK\r\n\r\n" + bytes(range(256)) * 100, cuts)

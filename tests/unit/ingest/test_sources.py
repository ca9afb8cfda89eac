"""Files, test patterns and addresses: what is read, at what pace, and what is refused in which words."""

from __future__ import annotations

import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from ipaddress import IPv4Network, ip_address
from itertools import islice
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import av
import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.unit.ingest.conftest import Pauses

from beffroi_common import pattern
from beffroi_common.addresses import SCHEMES, AllowedAddresses, IpAddress
from beffroi_common.contracts import CameraSource, Codec
from beffroi_common.media.nal import nal_units
from beffroi_ingest.sources import EncodedUnit, Source, SourceError, SourceOptions, open_source
from beffroi_testing import ManualClock

MakeClip = Callable[..., Path]
SECRET = "hunter2/äöü:@?#"
LOOPBACK = IPv4Network("127.0.0.1/32")
ANYTHING_HERE = AllowedAddresses(networks=(LOOPBACK,), ports=(1, 554), folders=(PurePosixPath("/"),))


def opened(
    url: str,
    *,
    pictures: int = 1000,
    clock: ManualClock | None = None,
    secrets_dir: Path | None = None,
    credentials: str | None = None,
    allowed: AllowedAddresses = ANYTHING_HERE,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Source:
    clock = clock or ManualClock()

    def resolve(name: str) -> list[IpAddress]:
        return [ip_address(each) for each in names.get(name, ())]

    # What the contract of this release refuses, one with wider bounds may have taken: ingest checks again.
    source = CameraSource.model_construct(url=url, credentials=credentials)
    options = SourceOptions(allowed, secrets_dir, 1.0, 1.0, resolve)
    return open_source(source, options, clock, Pauses(clock, pictures))


def key_kinds(unit: EncodedUnit) -> list[int]:
    return [nal.kind for nal in nal_units(Codec.H264, unit.data)]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "clip.ts"])
def test_a_file_gives_annex_b_with_parameter_sets_at_every_key_frame(make_clip: MakeClip, name: str) -> None:
    path = make_clip(name, g="4", bf="0", sc_threshold="0")
    source = opened(f"file://{path}")
    units = list(islice(source.units(), 12))
    keys = [unit for unit in units if unit.key]
    assert (source.info.codec, source.info.width, source.info.height) == (Codec.H264, 64, 48)
    assert [n for n, unit in enumerate(units) if unit.key] == [0, 4, 8]
    assert all({7, 8, 5} <= set(key_kinds(unit)) for unit in keys)


def test_jpeg_is_taken_as_it_is(make_clip: MakeClip) -> None:
    source = opened(f"file://{make_clip('clip.avi', 'mjpeg')}")
    units = list(islice(source.units(), 5))
    assert source.info.codec is Codec.MJPEG
    assert all(unit.key and unit.data.startswith(b"\xff\xd8") for unit in units)


def test_sound_is_dropped(make_clip: MakeClip) -> None:
    path = make_clip("clip.mp4", sound=True, bf="0")
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1
    units = list(islice(opened(f"file://{path}").units(), 12))
    assert all(set(key_kinds(unit)) <= {1, 5, 6, 7, 8, 9} for unit in units)


def test_a_file_is_played_at_its_own_pace_in_a_loop_with_time_that_goes_on(make_clip: MakeClip) -> None:
    clock = ManualClock()
    start_s = clock.monotonic_s()
    source = opened(f"file://{make_clip('clip.mp4', pictures=10, bf='0')}", pictures=35, clock=clock)
    units = list(source.units())
    times_s = [float(unit.dts * source.info.time_base) for unit in units]
    assert len(units) == 35
    assert np.diff(times_s) == pytest.approx(0.1)
    assert clock.monotonic_s() - start_s == pytest.approx(3.5, abs=0.11)
    assert [unit.key for unit in units][::10] == [True] * 4


def test_a_file_with_b_frames_loops_without_a_step_back(make_clip: MakeClip) -> None:
    source = opened(f"file://{make_clip('clip.mp4', pictures=12, bf='2', g='6')}", pictures=36)
    units = list(source.units())
    assert any(unit.pts != unit.dts for unit in units)
    assert all(np.diff([unit.dts for unit in units]) > 0)
    assert len({unit.pts for unit in units}) == 36


@pytest.mark.parametrize(("name", "codec"), [("clip.avi", "msmpeg4"), ("clip.mp4", "mpeg4")])
def test_another_codec_is_refused_and_it_is_said_how_to_convert(make_clip: MakeClip, name: str, codec: str) -> None:
    with pytest.raises(SourceError, match=r"convert the file: ffmpeg .*libx264") as refused:
        opened(f"file://{make_clip(name, codec)}")
    assert refused.value.code == "unsupported_codec"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_address_that_a_camera_may_have_has_a_source(scheme: str) -> None:
    url = {"rtsp": "rtsp://127.0.0.1:1", "file": "file:///nowhere", "pattern": "pattern:64x48@1"}[scheme]
    with pytest.raises(SourceError):
        opened(url)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///nowhere/clip.mp4", "not_found"),
        ("file:///", "address_not_allowed"),
        ("file://clip.mp4", "wrong_address"),
        ("pattern:640x360", "wrong_address"),
        ("pattern:640x360@0", "wrong_address"),
        ("pattern:641x360@10", "wrong_address"),
        ("pattern:64x48@10", "wrong_address"),
        ("rtsp://127.0.0.1:1/live", "refused"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_own_words(url: str, code: str) -> None:
    with pytest.raises(SourceError) as refused:
        opened(url)
    assert refused.value.code == code
    assert refused.value.message.endswith((".", "?"))


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no video" * 1000)
    with pytest.raises(SourceError) as refused:
        opened(f"file://{path}")
    assert refused.value.code == "unreadable"


def test_damaged_parameter_sets_are_refused_and_end_nothing_else(make_clip: MakeClip) -> None:
    path = make_clip("clip.mp4")
    content = bytearray(path.read_bytes())
    content[content.index(b"avcC") + 10] = 0x7F  # the length of the first parameter set, beyond the box
    path.write_bytes(content)
    with pytest.raises(SourceError) as refused:
        opened(f"file://{path}")
    assert refused.value.code == "unreadable"


def test_a_playlist_in_disguise_reaches_nothing_on_the_network(tmp_path: Path) -> None:
    path = tmp_path / "clip.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:1/secret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError):
        list(opened(f"file://{path}").units())


def test_the_test_pattern_says_the_number_of_each_picture_and_leaves_none_out() -> None:
    clock = ManualClock()
    first = int(clock.now_ns() / 1e9 * 10) + 1
    source = opened("pattern:320x180@10", pictures=25, clock=clock)
    decoder = av.VideoCodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    numbers = []
    for unit in source.units():
        for picture in decoder.decode(av.Packet(unit.data)):
            luma = np.frombuffer(memoryview(picture.planes[0]), np.uint8).reshape(180, -1)[:, :320]
            numbers.append(pattern.read(luma))
        clock.advance(0.3 if len(numbers) == 7 else 0)  # the machine was busy for a moment
    assert numbers == list(range(first, first + 25))


def test_the_test_pattern_begins_anew_when_the_machine_slept() -> None:
    clock = ManualClock()
    units = opened("pattern:320x180@10", clock=clock).units()
    next(units)
    clock.advance(60)
    with pytest.raises(SourceError) as broken:
        next(units)
    assert broken.value.code == "disconnected"


NOT_USED = [
    (None, "cannot be read"),
    (b"no colon", "user:password"),
    (b":empty user", "user:password"),
    (b"\xff\xfe", "cannot be read"),
    (b"admin:hunter2", "may not be sent to"),
    (b"admin:hunter2\n127.0.0.2\n10.0.0.0/8\ncamera.example\n", "may not be sent to"),
    (b"admin:hunter2\n127.0.0.1/8\n", "neither a host nor a network"),
    (b"admin:hunter2\n127.1\n", "neither a host nor a network"),
    (b"admin:hunter2\rX: y\n127.0.0.1\n", "user:password"),
    (b"admin:hunter2\n" + b"127.0.0.1\n" * 2000, "longer than"),
]


def refusal(secrets_dir: Path | None) -> SourceError:
    with pytest.raises(SourceError) as refused:
        opened("rtsp://127.0.0.1:1/live", secrets_dir=secrets_dir, credentials="gate-login")
    return refused.value


@pytest.mark.parametrize(("content", "words"), NOT_USED)
def test_a_secret_that_cannot_be_used_is_named_and_only_the_log_says_why(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "gate-login").write_bytes(content)
    with capture_logs() as log:
        told = refusal(tmp_path)
    assert told.code == "missing_secret"
    assert told.message == refusal(tmp_path / "nothing").message, "a camera that names secrets learns which there are"
    assert "gate-login" in told.message
    assert words in log[0]["reason"]
    assert "hunter2" not in str(log)


def test_without_a_folder_of_secrets_the_log_says_so() -> None:
    with capture_logs() as log:
        assert refusal(None).code == "missing_secret"
    assert "secrets_dir" in log[0]["reason"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.0/24", "GATE.example", "::1\n\n 127.0.0.1 \r"])
def test_a_secret_goes_where_its_lines_say(tmp_path: Path, host: str) -> None:
    (tmp_path / "gate-login").write_text(f"admin:{SECRET}\n{host}\n")
    to = "gate.example" if "GATE" in host else "127.0.0.1"
    with pytest.raises(SourceError) as refused:
        opened(
            f"rtsp://{to}:1/live",
            secrets_dir=tmp_path,
            credentials="gate-login",
            names={"gate.example": ["127.0.0.1"]},
        )
    assert refused.value.code == "refused", "it was connected to"


def test_a_name_bound_to_a_secret_is_no_address_that_others_lead_to(tmp_path: Path) -> None:
    (tmp_path / "gate-login").write_text(f"admin:{SECRET}\ngate.example\n")
    with pytest.raises(SourceError) as refused:
        opened(
            "rtsp://mine.example:1/live",
            secrets_dir=tmp_path,
            credentials="gate-login",
            names={"mine.example": ["127.0.0.1"], "gate.example": ["127.0.0.1"]},
        )
    assert refused.value.code == "missing_secret"


def test_a_password_is_in_no_error_nor_its_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gate-login").write_text(f"admin:{SECRET}\n127.0.0.1\n")
    error = refusal(tmp_path)
    told = "".join(traceback.format_exception(error)) + "".join(capfd.readouterr())
    assert error.code == "refused"
    assert error.__cause__ is None
    assert not any(part in told for part in ("hunter2", "admin:"))


class Listener:
    """Accepts connections on loopback and keeps what comes first on each."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.received: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection:
                    self.received.append(connection.recv(65_536))

    def close(self) -> None:
        """Refuse from now on."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def may_reach(listener: Listener, *networks: str) -> AllowedAddresses:
    return AllowedAddresses.model_validate({"networks": networks, "ports": [listener.port]})


def code_of(url: str, **options: Any) -> tuple[str, str]:
    with pytest.raises(SourceError) as refused:
        opened(url, **options)
    return refused.value.code, refused.value.message


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "0",
    ],
)
@pytest.mark.parametrize("networks", [(), ("10.0.0.0/8",), ("0.0.0.0/0", "::/0")])
def test_nothing_outside_the_allowed_networks_is_connected_to_however_it_is_written(
    listener: Listener, address: str, networks: tuple[str, ...]
) -> None:
    names = {"localhost": ["127.0.0.1", "::1"]}
    code, _ = code_of(f"rtsp://{address}:{listener.port}/x", allowed=may_reach(listener, *networks), names=names)
    assert code in {"address_not_allowed", "wrong_address"}
    assert listener.received == []


def test_a_name_is_connected_to_where_it_was_checked(listener: Listener) -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]

    def rebinding(_name: str) -> list[IpAddress]:
        return [ip_address(each) for each in answers.pop(0)]

    clock = ManualClock()
    options = SourceOptions(may_reach(listener, "127.0.0.1/32"), None, 1.0, 1.0, rebinding)
    with pytest.raises(SourceError):
        open_source(CameraSource(url=f"rtsp://gate.example:{listener.port}/x"), options, clock, Pauses(clock, 1))
    assert answers == [["127.0.0.2"]], "a name is asked for once"
    assert len(listener.received) == 1


def test_of_a_names_addresses_those_alone_are_used_that_are_allowed(listener: Listener) -> None:
    names = {"gate.example": ["10.0.0.1", "169.254.169.254", "127.0.0.1"]}
    code_of(f"rtsp://gate.example:{listener.port}/x", allowed=may_reach(listener, "127.0.0.1/32"), names=names)
    assert len(listener.received) == 1


def test_whether_a_name_exists_is_not_told() -> None:
    names = {"internal.example": ["10.0.0.7"]}
    told = {code_of(f"rtsp://{name}.example:1/x", names=names) for name in ("internal", "nothing")}
    assert len(told) == 1


def test_whether_a_port_is_open_is_not_told_of_ports_that_are_not_allowed(listener: Listener) -> None:
    open_port = code_of(f"rtsp://127.0.0.1:{listener.port}/x")
    closed_port = code_of("rtsp://127.0.0.1:2/x")
    assert [code for code, _ in (open_port, closed_port)] == ["address_not_allowed"] * 2
    assert open_port[1].replace(str(listener.port), "2") == closed_port[1]
    assert listener.received == []


def test_what_is_no_address_sends_nothing(listener: Listener) -> None:
    attack = f"rtsp://127.0.0.1:{listener.port}/x HTTP/1.1\r\nHost: store\r\n\r\nDELETE /bucket"
    for url in (attack, attack.replace(" ", "%20"), attack.replace("\r\n", "%0d%0A").replace(" ", "")):
        assert code_of(url, allowed=may_reach(listener, "127.0.0.1/32"))[0] == "wrong_address"
    assert listener.received == []


def test_files_outside_the_allowed_folders_are_not_looked_at(make_clip: MakeClip, tmp_path: Path) -> None:
    inside = tmp_path / "clips"
    inside.mkdir()
    clip = make_clip("clip.mp4")
    (inside / "link.mp4").symlink_to(clip)
    (inside / "folder-link").symlink_to(tmp_path)
    allowed = AllowedAddresses(folders=(PurePosixPath(inside),))
    outside = {code_of(f"file://{path}", allowed=allowed) for path in (clip, tmp_path / "nothing", "/etc/passwd", "/")}
    assert [code for code, _ in outside] == ["address_not_allowed"]
    leading_out = {
        code_of(f"file://{inside}/{name}", allowed=allowed)
        for name in ("link.mp4", "folder-link/clip.mp4", "folder-link/nothing", "nothing", "folder-link")
    }
    assert [code for code, _ in leading_out] == ["not_found"]
    for step_back in (f"file://{inside}/../clip.mp4", f"file://{inside}/%2e%2e/clip.mp4"):
        assert code_of(step_back, allowed=allowed)[0] == "wrong_address"


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        assert code_of(f"file://{path}")[0] == "not_found"


def test_what_a_container_says_of_its_pixels_counts_where_the_pictures_say_it_not(make_clip: MakeClip) -> None:
    """A box of MP4 is changed by hand, as a wrongly set converter does."""
    clip = make_clip("clip.mp4", pixel_aspect=Fraction(12, 11))
    with_pictures = opened(clip.as_uri())
    assert with_pictures.info.pixel_aspect is None, "they may say something else in the middle"
    said = b"pasp" + (12).to_bytes(4, "big") + (11).to_bytes(4, "big")
    assert said in clip.read_bytes()
    clip.write_bytes(clip.read_bytes().replace(said, b"pasp" + (16).to_bytes(4, "big") + (11).to_bytes(4, "big")))
    against_them = opened(clip.as_uri())
    assert against_them.info.pixel_aspect == Fraction(16, 11)
    assert opened(make_clip("plain.mp4").as_uri()).info.pixel_aspect is None

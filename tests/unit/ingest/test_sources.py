"""Files, test patterns and addresses: what is read, at what pace, and what is refused in which words."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from tests.unit.ingest.conftest import Pauses

from beffroi_common import pattern
from beffroi_common.contracts import CameraSource, Codec
from beffroi_common.contracts.camera import SOURCE_SCHEMES
from beffroi_common.media.nal import nal_units
from beffroi_ingest.sources import EncodedUnit, Source, SourceError, SourceOptions, open_source
from beffroi_testing import ManualClock

MakeClip = Callable[..., Path]
SECRET = "hunter2/äöü:@?#"


def opened(
    url: str,
    *,
    pictures: int = 1000,
    clock: ManualClock | None = None,
    secrets_dir: Path | None = None,
    credentials: str | None = None,
) -> Source:
    clock = clock or ManualClock()
    source = CameraSource(url=url, credentials=credentials)
    return open_source(source, SourceOptions(secrets_dir, 1.0, 1.0), clock, Pauses(clock, pictures))


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


@pytest.mark.parametrize("scheme", SOURCE_SCHEMES)
def test_every_address_that_a_camera_may_have_has_a_source(scheme: str) -> None:
    with pytest.raises(SourceError) as refused:
        opened(f"{scheme}://127.0.0.1:1")
    assert "No source opens" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///nowhere/clip.mp4", "not_found"),
        ("file:///", "not_found"),
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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"no colon", "user:password"),
        (b":empty user", "user:password"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_secret_that_is_missing_or_wrong_is_named_and_never_shown(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "gate-login").write_bytes(content)
    with pytest.raises(SourceError, match=words) as refused:
        opened("rtsp://127.0.0.1:1/live", secrets_dir=tmp_path, credentials="gate-login")
    assert refused.value.code == "missing_secret"
    assert "gate-login" in refused.value.message


def test_without_a_folder_of_secrets_it_is_said_so() -> None:
    with pytest.raises(SourceError, match="secrets_dir"):
        opened("rtsp://127.0.0.1:1/live", credentials="gate-login")


def test_a_password_is_in_no_error_nor_its_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gate-login").write_text(f"admin:{SECRET}\n")
    with pytest.raises(SourceError) as refused:
        opened("rtsp://127.0.0.1:1/live", secrets_dir=tmp_path, credentials="gate-login")
    told = "".join(traceback.format_exception(refused.value)) + "".join(capfd.readouterr())
    assert refused.value.__cause__ is None
    assert not any(part in told for part in ("hunter2", "admin:"))

"""Contracts refuse what breaks them, with a reason that says what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from beffroi_common.contracts import (
    AccessUnit,
    Camera,
    CameraSource,
    Codec,
    FrameBatch,
    InvalidMessageError,
    LegalBasis,
    MaskDecision,
    MaskMode,
    Stream,
)
from beffroi_common.contracts.base import MAX_INT32
from beffroi_common.contracts.frames import LATEST_NS, bounded_pixel_aspect, from_ns

SQUARE = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5), (0.1, 0.5))
BOW_TIE = ((0.1, 0.1), (0.5, 0.5), (0.5, 0.1), (0.1, 0.5))
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def batch(**changes: object) -> FrameBatch:
    unit = AccessUnit(pts=0, dts=0, capture_time_ns=1_000_000_000, key=True, data=b"\0\0\0\1picture")
    values: dict[str, object] = {
        "camera": "place", "stream": Stream.MAIN, "epoch": 7, "sequence": 0, "time_base": Fraction(1, 90000),
        "codec": Codec.H264, "width": 640, "height": 360, "mask_version": 0, "units": (unit,),
    }  # fmt: skip
    return FrameBatch(**(values | changes))  # type: ignore[arg-type]


def camera(**changes: object) -> dict[str, object]:
    return {"id": "place", "name": "Place", "commune": "Lille", "slot": 0, "source": {"url": "rtsp://host/1"}} | changes


def decision(polygons: object, mode: MaskMode = MaskMode.BURN, reason: str = "windows") -> MaskDecision:
    return MaskDecision(
        mode=mode,
        polygons=polygons,
        version=1,
        decided_by="ada",
        decided_at=NOW,
        reason=reason,
    )


@given(
    units=st.lists(
        st.builds(
            AccessUnit,
            pts=st.integers(-(2**53) + 1, 2**53 - 100),
            dts=st.just(0),
            capture_time_ns=st.integers(0, LATEST_NS - 1),
            key=st.booleans(),
            data=st.binary(min_size=1, max_size=64),
        ),
        min_size=1,
        max_size=5,
    ),
    sequence=st.integers(0, MAX_INT32),
)
def test_a_frame_batch_comes_back_as_it_was(units: list[AccessUnit], sequence: int) -> None:
    growing = tuple(replace(unit, pts=units[0].pts + at, dts=units[0].pts + at) for at, unit in enumerate(units))
    sent = batch(units=growing, sequence=sequence)
    assert FrameBatch.decode(sent.encode()) == sent


@pytest.mark.parametrize("pixel_aspect", [None, Fraction(1), Fraction(12, 11), Fraction(100), Fraction(1, 100)])
def test_how_a_picture_is_seen_comes_back_as_it_was(pixel_aspect: Fraction | None) -> None:
    sent = batch(pixel_aspect=pixel_aspect, cropped_left=16, cropped_top=8192)
    assert FrameBatch.decode(sent.encode()) == sent


@given(st.fractions(min_value=0))
def test_whatever_a_container_says_of_its_pixels_a_batch_can_say(said: Fraction) -> None:
    batch(pixel_aspect=bounded_pixel_aspect(said))


def test_a_decision_says_one_shape_of_what_it_was_drawn_on() -> None:
    said = {
        "mode": "open",
        "version": 1,
        "decided_by": "dpo",
        "decided_at": "2026-01-01T00:00:00Z",
        "reason": "a field",
    }
    picture = {"width": 704, "height": 576, "pixel_aspect": 12 / 11}
    assert MaskDecision.model_validate(said | {"drawn_on": picture}).drawn_aspect == pytest.approx(4 / 3)
    assert MaskDecision.model_validate(said | {"aspect": 1.5}).drawn_aspect == 1.5
    assert MaskDecision.model_validate(said).drawn_aspect is None
    with pytest.raises(ValidationError, match="leave `aspect` out"):
        MaskDecision.model_validate(said | {"aspect": 4 / 3, "drawn_on": picture})


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_truncated_frame_batch_is_refused(cut: int) -> None:
    with pytest.raises(InvalidMessageError, match="FrameBatch"):
        FrameBatch.decode(batch().encode()[:-cut])


def test_a_frame_batch_with_an_unknown_field_is_refused() -> None:
    unknown = bytes([0x98, 0x06, 0x01])  # field 99, varint 1
    with pytest.raises(InvalidMessageError, match="upgrade the reader first"):
        FrameBatch.decode(batch().encode() + unknown)


@pytest.mark.parametrize(
    "changes",
    [{"units": ()}, {"width": 0}, {"height": 100_000}, {"camera": ""}, {"camera": "../../etc"},
     {"pixel_aspect": Fraction(0)}, {"pixel_aspect": Fraction(101)}, {"pixel_aspect": Fraction(65_537, 65_536)},
     {"cropped_left": -1}, {"cropped_top": 8193}, {"time_base": Fraction(-1, 2)},
     {"units": (AccessUnit(0, 0, 0, True, b""),)}],
)  # fmt: skip
def test_a_frame_batch_keeps_its_promises(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidMessageError):
        batch(**changes)


def test_no_picture_is_ever_printed() -> None:
    shown = repr(batch()) + repr(batch().units[0])
    assert "picture" not in shown


def test_a_repeat_has_the_same_identity() -> None:
    assert batch().identity == replace(batch(), mask_version=2).identity != batch(sequence=1).identity


def test_capture_time_is_exact_to_the_microsecond() -> None:
    assert from_ns(1_700_000_000_123_456_789) == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)


def test_a_polygon_that_crosses_itself_is_refused() -> None:
    with pytest.raises(ValidationError, match="must not cross or touch itself"):
        decision((BOW_TIE,))


@pytest.mark.parametrize("outline", [SQUARE[:2], ((0.1, 0.1), (0.2, 0.2), (0.3, 0.3)), (*SQUARE, (0.1, 1.2))])
def test_an_outline_that_is_no_polygon_is_refused(outline: object) -> None:
    with pytest.raises(ValidationError):
        decision((outline,))


def test_burning_needs_a_polygon_and_open_needs_a_reason() -> None:
    with pytest.raises(ValidationError, match="at least one polygon"):
        decision(())
    with pytest.raises(ValidationError, match="needs a reason"):
        decision((), MaskMode.OPEN, reason="")
    with pytest.raises(ValidationError, match="takes no polygon"):
        decision((SQUARE,), MaskMode.OPEN)
    assert decision((SQUARE,)).polygons == (SQUARE,)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("rtsp://user:secret@host/1", "must not hold a user or a password"),
        ("gopher://host/1", "url must begin with"),
        ("rtsp:///1", "needs a host"),
    ],
)
def test_a_camera_source_that_cannot_be(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        CameraSource(url=url)


def test_an_unknown_field_is_named_and_its_value_is_not() -> None:
    with pytest.raises(InvalidMessageError) as refused:
        Camera.decode(Camera.model_validate(camera()).encode().replace(b'"slot"', b'"pasword":"hunter2","slot"'))
    assert "pasword" in str(refused.value)
    assert "hunter2" not in str(refused.value)


DEEP: dict[str, object] = {"a": {"b": {"c": {"d": {}}}}}
SPOILT: dict[str, tuple[dict[str, object], str]] = {
    "too deep": ({"rules": [{"id": "r", "rule": "x", "parameters": DEEP}]}, "deep in each other"),
    "too long": ({"rules": [{"id": "r", "rule": "x", "parameters": {"a": "x" * 5000}}]}, "longer than 4096 bytes"),
    "not exact in a browser": ({"rules": [{"id": "r", "rule": "x", "parameters": {"a": [2**53]}}]}, "not exact"),
    "not finite": ({"rules": [{"id": "r", "rule": "x", "parameters": {"a": float("nan")}}]}, "finite"),
    "no term": ({"rules": [{"id": "r", "rule": "Red Light"}]}, "pattern"),
    "two rules with one id": ({"rules": [{"id": "r", "rule": "x"}, {"id": "r", "rule": "y"}]}, "two rules"),
    "a zone without points": ({"zones": [{"id": "z", "name": "z", "kind": "k", "shape": "s", "points": []}]}, "points"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_rules_and_zones_are_bounded(case: str) -> None:
    changes, why = SPOILT[case]
    with pytest.raises(ValidationError, match=why):
        Camera.model_validate(camera(**changes))


def test_a_camera_with_what_nobody_knows_is_read_and_passed_on_as_it_is() -> None:
    zone = {"id": "rift", "name": "Rift", "kind": "rift", "shape": "ring", "points": [[0.5, 0.5]]}
    rule = {
        "id": "r",
        "rule": "teleportation",
        "parameters": {"at": [1, 2.5, None, 2**53 - 1]},
        "geometry": {"gate": "nowhere"},
    }
    sent = Camera.model_validate(camera(zones=[zone], rules=[rule]))
    assert Camera.decode(sent.encode()) == sent
    assert sent.rules[0].parameters == rule["parameters"]


def test_a_legal_basis_ends_by_itself() -> None:
    basis = LegalBasis(analytic="loitering", purpose="p", reference="r", starts_at=NOW, ends_at=NOW + timedelta(days=1))
    watched = Camera.model_validate(camera(legal_bases=[basis]))
    assert watched.basis_in_force("loitering", NOW) == basis
    assert watched.basis_in_force("loitering", NOW - timedelta(seconds=1)) is None
    assert watched.basis_in_force("loitering", NOW + timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("ends_at", "why"),
    [("2027-01-01T00:00:00", "timezone"), ("9999-12-31T23:59:59-14:00", "beyond the calendar's end")],
)
def test_a_time_that_is_no_instant_is_refused(ends_at: str, why: str) -> None:
    basis = {"analytic": "loitering", "purpose": "p", "reference": "r", "starts_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(ValidationError, match=why):
        LegalBasis.model_validate(basis | {"ends_at": ends_at})


@pytest.mark.parametrize(("later_ns", "age_s"), [(0, 0.0), (1_500_000_000, 1.5), (-1, 0.0)])
def test_a_picture_is_never_younger_than_now(later_ns: int, age_s: float) -> None:
    assert AccessUnit(0, 0, 7_000_000_000, True, b"picture").age_s(7_000_000_000 + later_ns) == age_s


@pytest.mark.parametrize(
    ("width", "height", "most"),
    [
        (8192, 8192, 2),
        (8191, 8191, 2),
        (8192, 4320, 3),
        (3840, 2160, 16),
        (1920, 1080, 64),
        (1001, 523, 255),
        (1, 1, 256),
    ],
)
def test_a_batch_holds_so_many_pixels_that_it_is_done_with_in_seconds(width: int, height: int, most: int) -> None:
    units = tuple(AccessUnit(n, n, 1, True, b"x") for n in range(most + 1))
    whole = batch(width=width, height=height, units=units[:most])
    masked = replace(whole, width=width + width % 2, height=height + height % 2)  # encoders take even sides
    assert FrameBatch.decode(masked.encode()) == masked
    with pytest.raises(InvalidMessageError, match=f"{most + 1} pictures, more than {most}"):
        batch(width=width, height=height, units=units)

"""Codes of a second factor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from beffroi_api.modules.users.second_factor.codes import (
    PENDING_S,
    Safe,
    new_recovery_codes,
    new_secret,
    qr_code,
    step_of,
    uri,
)

NOW = datetime(2026, 11, 1, 12, 0, 10, tzinfo=UTC)
SAFE = Safe(b"k" * 32)


def code_at(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(at)


def test_codes_are_those_of_rfc_6238() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # appendix B
    assert step_of(secret, "287082", datetime.fromtimestamp(59, UTC), None) == 1
    assert step_of(secret, "005924", datetime.fromtimestamp(1234567890, UTC), None) == 41152263


@pytest.mark.parametrize(("off_s", "is_right"), [(0, True), (30, True), (-30, True), (60, False), (-60, False)])
def test_a_clock_may_be_half_a_minute_off(off_s: int, is_right: bool) -> None:
    secret = new_secret()
    code = code_at(secret, NOW + timedelta(seconds=off_s))
    assert (step_of(secret, code, NOW, None) is not None) == is_right


def test_a_code_and_all_before_it_count_once() -> None:
    secret = new_secret()
    earlier, code, later = (code_at(secret, NOW + timedelta(seconds=off_s)) for off_s in (-30, 0, 30))
    step = step_of(secret, code, NOW, None)
    assert step is not None
    assert step_of(secret, code, NOW, step) is None
    assert step_of(secret, earlier, NOW, step) is None
    assert step_of(secret, later, NOW, step) == step + 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦"])
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert step_of(new_secret(), code, NOW, None) is None


def test_a_secret_is_kept_closed() -> None:
    secret = new_secret()
    kept = SAFE.closed(secret)
    assert secret not in kept
    assert SAFE.opened(kept) == secret
    assert Safe(b"x" * 32).opened(kept) is None
    assert SAFE.closed(secret) != kept


def test_a_pending_secret_is_its_owners_and_for_a_while() -> None:
    secret = new_secret()
    pending = SAFE.pending("marie", secret, NOW)
    assert SAFE.confirmed("marie", pending, NOW + timedelta(seconds=PENDING_S)) == secret
    assert SAFE.confirmed("marie", pending, NOW + timedelta(seconds=PENDING_S + 1)) is None
    assert SAFE.confirmed("paul", pending, NOW) is None
    assert SAFE.confirmed("marie", "nonsense", NOW) is None
    assert SAFE.confirmed("marie", SAFE.closed(secret), datetime.now(UTC)) is None


def test_recovery_codes_are_many_and_kept_as_hashes() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert SAFE.recovery_hash(codes[0]) == SAFE.recovery_hash(codes[0].upper().replace("-", " "))
    assert SAFE.recovery_hash(codes[0]) != Safe(b"x" * 32).recovery_hash(codes[0])


def test_an_authenticator_can_read_it() -> None:
    address = uri(new_secret(), "marie")
    assert address.startswith("otpauth://totp/Beffroi:marie?secret=")
    assert qr_code(address).startswith("data:image/svg+xml")

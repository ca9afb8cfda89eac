"""Which passwords are taken, and how one is compared."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from zxcvbn import matching

from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.modules.users.credentials.strength import is_guessable

ABOUT = ("mdurand", "Marie Durand")


@pytest.mark.parametrize(
    "password",
    [
        *("password1234", "p@ssw0rd1234", "motdepasse1234", "azertyuiop123", "qwertyuiop12", "123456789012"),
        *("aaaaaaaaaaaa", "abcdefghijkl", "passwordpassword", "letmeinletmein", "soleil123456", "jetaime123456"),
        *("beffroi123456", "operateur1234", "administrateur", "videosurveillance", "policemunicipale1", "Camera2026!!"),
        *("mdurand123456", "MarieDurand1!", "durand.marie.1", "Marseille2026", "iloveyou1234", "changemeplease"),
    ],
)
def test_what_guessers_try_is_refused(password: str) -> None:
    assert len(password) >= 12
    assert is_guessable(password, ABOUT)


@pytest.mark.parametrize(
    "password",
    [
        *("chouette-lampe-verte-42", "correct horse battery", "zQ4!kd9Wm2#x"),
        *("é à ü chemin perdu dehors", "un beffroi sonne au loin"),
    ],
)
def test_what_they_do_not_is_taken(password: str) -> None:
    assert not is_guessable(password, ABOUT)


def test_a_password_typed_on_another_keyboard_is_the_same() -> None:
    passwords = Passwords(parallel=1)
    kept = passwords.hash(unicodedata.normalize("NFC", "éléphant à vélo"))
    assert passwords.matches(kept, unicodedata.normalize("NFD", "éléphant à vélo"))


@pytest.mark.parametrize("password", ["4@8({[<369601!|17$5+%2" * 4, "2%+5$71|!0693<[{(8@4" * 12])
def test_no_password_keeps_a_core_busy(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each sign may stand for is tried with all others, each time along the whole of what is looked at."""
    tried = list[int]()

    def counted(subbed: str, *arguments: Any, **named: Any) -> Any:
        tried.append(len(subbed) ** 2)
        return dictionary_match(subbed, *arguments, **named)

    dictionary_match = matching.dictionary_match
    monkeypatch.setattr(matching, "dictionary_match", counted)
    is_guessable(password, ABOUT)
    assert sum(tried) < 500_000

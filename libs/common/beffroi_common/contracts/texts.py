"""Which characters a text may hold: those that a reader can see, and no database or screen stumbles over."""

from __future__ import annotations

import unicodedata

MAX_NAME = 200
MAX_PROSE = 500

_UNSEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Unicode's categories of controls, of marks for direction and joining, of private use, of halves of a character, and
of separators of lines."""

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing."""

_LINES = frozenset("\n\r\t")


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN


def _shows_something(text: str) -> bool:
    return any(unicodedata.category(each)[0] not in "CMZ" and each not in _BLANK for each in text)


def visible(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which equal names are equal.

    Raises:
        ValueError: it holds what cannot be seen, or nothing that can.
    """
    composed = unicodedata.normalize("NFC", name)
    if any(map(_is_unseen, composed)):
        raise ValueError("it must not hold control characters or marks that cannot be seen: type it anew")
    if not _shows_something(composed):
        raise ValueError("it must hold a letter, a digit or a sign that can be seen")
    return _short_enough(composed, MAX_NAME)


def is_prose(text: str) -> bool:
    """Whether `text` holds nothing unseen but ends of lines."""
    return not any(_is_unseen(each) and each not in _LINES for each in text)


def prose(text: str) -> str:
    """What a person wrote, in composed form.

    Raises:
        ValueError: it holds what cannot be seen.
    """
    composed = unicodedata.normalize("NFC", text)
    if not is_prose(composed):
        raise ValueError("it must not hold control characters or marks that cannot be seen: type it anew")
    return _short_enough(composed, MAX_PROSE)


def _short_enough(text: str, most: int) -> str:
    if len(text) > most:  # composed, some texts are longer than they came
        raise ValueError(f"it must have at most {most} characters")
    return text


def cleaned(text: object) -> object:
    """A text with U+FFFD for whatever cannot be seen; anything else as it is."""
    if not isinstance(text, str) or is_prose(text):
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_unseen(each) and each not in _LINES else each for each in text)

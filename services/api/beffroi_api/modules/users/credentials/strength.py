"""Whether a password is one that guessers try.

As NIST SP 800-63B (5.1.1.2) and ANSSI (authentification multifacteur et mots de passe, 2021) ask: no rules about digits
and capitals, but a length, and a comparison with what is known, expected or made of it. zxcvbn brings the lists: 30,000
passwords out of leaks, French ones among them, names, words, keyboard rows, dates, and what people do with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from re import findall

from zxcvbn import zxcvbn

LEAST_SCORE = 3
"""zxcvbn's "safely unguessable": more than 10^8 guesses, where 1200 a day are answered (`SessionSettings`)."""

LEAST_LETTERS = 6
"""Letters and digits that are left of a password without the expected words in it: fewer are a year with a sign."""

LOOKED_AT = 72
"""Of a longer password the beginning alone is looked at: the time grows with the square of the length."""

STANDS_FOR_A_LETTER = frozenset("4@8({[<3690!|17$5+%2")
FEW_SIGNS = 4
LOOKED_AT_WITH_MANY_SIGNS = 24
"""zxcvbn tries what each sign may stand for together with all others: with many different ones in a long password that
takes it seconds of a core. The beginning alone is never harder to guess than the whole."""

EXPECTED_HERE = (
    *(
        "beffroi",
        "video",
        "videoprotection",
        "videosurveillance",
        "surveillance",
        "camera",
        "cameras",
        "enregistrement",
    ),
    *(
        "police",
        "municipale",
        "policemunicipale",
        "mairie",
        "ville",
        "commune",
        "metropole",
        "csu",
        "agent",
        "securite",
    ),
    *("operateur", "operatrice", "administrateur", "administratrice", "dpo", "operator", "administrator", "admin"),
    *("motdepasse", "bonjour", "bienvenue", "france", "provisoire", "temporaire", "changezmoi"),
)
"""What a guesser tries first who knows what this is."""


def is_guessable(password: str, about: Iterable[str]) -> bool:
    """Whether a password is known, expected, or made of such. `about`: what is known of whose it is."""
    words = [*EXPECTED_HERE, *(word for text in about for word in findall(r"\w{3,}", text.lower()))]
    given = password.lower()  # capitals are what guessers change first
    has_many_signs = len(STANDS_FOR_A_LETTER & set(given)) > FEW_SIGNS
    looked_at = given[: LOOKED_AT_WITH_MANY_SIGNS if has_many_signs else LOOKED_AT]
    found = zxcvbn(looked_at, user_inputs=words, max_length=LOOKED_AT)
    return int(found["score"]) < LEAST_SCORE or _own_letters(given, words) < LEAST_LETTERS


def _own_letters(password: str, words: Iterable[str]) -> int:
    """How much is left without what is expected and without signs; of words that are not expected all is left."""
    rest = password
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return sum(each.isalnum() for each in rest) if rest != password else len(password)

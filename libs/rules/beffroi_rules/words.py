"""What people read of a rule, in every language of the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LANGUAGES = ("fr", "en")
"""Each rule has words in all of them, or does not load."""

Words = Mapping[str, str]
"""One text by language."""


@dataclass(frozen=True)
class FieldWords:
    """Of one parameter: what it is called, in which unit it counts, what it does, and what its choices are called."""

    label: str
    unit: str = ""
    help: str = ""
    options: Words = field(default_factory=dict)


@dataclass(frozen=True)
class RuleWords:
    """Of one rule in one language; parameters by their path, e.g. `schedule.start`."""

    name: str
    parameters: Mapping[str, FieldWords]

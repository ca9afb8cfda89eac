"""What a rule is: all that anybody has to know of one, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from beffroi_common.contracts import Alert, CloseReason

from .scene import Scene
from .words import RuleWords, Words


class Parameters(BaseModel):
    """Of a rule on a camera: bounded, each with a default and a reason for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def longest_gap_s(self) -> float:
        """Longest time that the rule bridges without pictures."""
        return 0.0

    def reason_to_pause(self, _at: datetime) -> CloseReason | None:
        """Why the rule does not look at the instant; None: it looks."""
        return None


class State(BaseModel):
    """What a rule remembers of one camera, kept as JSON. Every field has a default: that is how a rule begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class ZoneKind:
    """What a zone means.

    Attributes:
        name: on the bus.
        shape: see `shapes`.
        words: what people call it. Rules that share a kind share all of it.
    """

    name: str
    shape: str
    words: Words


@dataclass(frozen=True)
class Role:
    """Part that a zone plays for a rule.

    Attributes:
        name: within the rule.
        kind: of the zones that can play it.
        words: what people call it.
    """

    name: str
    kind: ZoneKind
    words: Words


ParametersT = TypeVar("ParametersT", bound=Parameters)
StateT = TypeVar("StateT", bound=State)


@dataclass(frozen=True)
class Rule(Generic[ParametersT, StateT]):
    """One rule.

    Attributes:
        name: on the bus, in alerts and metrics.
        analytic: what the legal basis of a camera must name.
        classes: of objects, as models call them. Nothing else is looked for on its behalf.
        roles: of geometry; alerts name the zone of the first.
        parameters: model of what can be set.
        state: model of what is remembered.
        step: one picture further: what is remembered after it, and what is said. What is still open when the rule is
            interrupted (no picture, no legal basis, other parameters) is closed for it.
        words: by language.
    """

    name: str
    analytic: str
    classes: frozenset[str]
    roles: tuple[Role, ...]
    parameters: type[ParametersT]
    state: type[StateT]
    step: Callable[[StateT, Scene[ParametersT]], tuple[StateT, tuple[Alert, ...]]]
    words: Mapping[str, RuleWords]


AnyRule = Rule[Any, Any]

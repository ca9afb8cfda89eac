"""One picture further: all rules of a camera as one pure function over what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from beffroi_common.contracts import (
    Alert,
    AlertState,
    CloseReason,
    InvalidMessageError,
    LegalBasis,
    TrackedObject,
    Tracks,
)

from .events import closed
from .fitting import FittedRule, Plan, RestReason
from .primitives.sightings import Sighting, sightings
from .primitives.times import seconds, to_us
from .rule import AnyRule, State
from .scene import Scene
from .state import CameraState, Watch

MEMORY_S = 3.0
"""Shortest time for which an identity counts as known, and for which a camera may send no picture."""


CLOCK_SET_S = 10.0
"""A new epoch that begins so much earlier is a clock that was set: waiting until time has caught up would leave the
camera unwatched for as long. Less than this catches up by itself."""

EPOCHS = 16
"""Epochs remembered. A replay goes back a minute at most, in which a camera connects half as often."""


class ClockJumpedBackError(InvalidMessageError):
    """A new message carries an earlier capture time: an error of the input, never a negative dwell."""


MAX_PRESENT = 128
"""Objects of one picture that are looked at: more cannot be told apart on it, and each is compared with each visit."""

MAX_VISITS = 512
"""Remembered of one camera, by all its rules together. With `MAX_PRESENT` it bounds how long one picture takes and how
much is written down, whatever is on it: else one crowd, or one camera that sees ghosts, keeps the rules of all busy."""

MAX_KNOWN = 1024
"""Identities remembered."""


@dataclass(frozen=True)
class _Picture:
    """What is the same for every rule.

    Attributes:
        message: the tracks.
        now_us: its capture time.
        first_us: of the first picture since the camera was last without pictures.
        present: all objects by identity.
        known: identities seen before, each with when.
    """

    message: Tracks
    now_us: int
    first_us: int
    present: Mapping[str, Sighting]
    known: Mapping[str, int]


def advance(state: CameraState | None, message: Tracks, plan: Plan) -> tuple[CameraState, tuple[Alert, ...]]:
    """Count one message.

    Args:
        state: what is remembered of the camera; None before its first message.
        message: the objects on one picture.
        plan: the camera's rules as they are in force.

    Returns:
        The state after it, and what is to be said. A message that was counted already changes nothing.

    Raises:
        ClockJumpedBackError: see there; the state stays as it was.
    """
    now_us = to_us(message.capture_time)
    alerts: list[Alert] = []
    epochs = () if state is None else state.epochs
    if state is not None and message.epoch in epochs[:-1]:
        return state, ()  # a replay: a connection is over once a message of the next one came
    if state is not None and message.epoch != state.epoch and state.last_us - now_us > seconds(CLOCK_SET_S):
        alerts.extend(_without_picture(state))
        state = None
    if state is not None and now_us <= state.last_us:
        _refuse_earlier(state, message)
        return state, ()
    if state is not None and now_us - state.last_us > seconds(_longest_gap_s(plan)):
        alerts.extend(_without_picture(state))
        state = None
    known = {} if state is None else state.seen_us
    picture = _Picture(
        message=message,
        now_us=now_us,
        first_us=now_us if state is None else state.first_us,
        present=sightings(message, _looked_at(message, known)),
        known=known,
    )
    watches: dict[str, Watch] = {}
    for name, watch, said in _watch_all({} if state is None else state.watches, picture, plan):
        alerts.extend(said)
        if watch is not None:
            watches[name] = watch
    after = CameraState(
        first_us=picture.first_us,
        last_us=now_us,
        epochs=(epochs if message.epoch in epochs else (*epochs, message.epoch))[-EPOCHS:],
        sequence=message.sequence,
        seen_us=_remember(picture, plan),
        watches=watches,
    )
    return after, tuple(alerts)


def _looked_at(message: Tracks, known: Mapping[str, int]) -> tuple[TrackedObject, ...]:
    """The objects of a picture; of too many those that are followed already, then the surest."""
    if len(message.objects) <= MAX_PRESENT:
        return message.objects
    ranked = sorted(message.objects, key=lambda each: (each.track not in known, -each.confidence, each.track))
    return tuple(ranked[:MAX_PRESENT])


def end_idle(state: CameraState) -> tuple[CameraState, tuple[Alert, ...]]:
    """End what is open of a camera that gives no picture any more, at the last one.

    What is remembered stays: should pictures have been late and not missing, the same visits go on under the same
    alerts, and the next sighting takes them up again.

    Returns:
        The state after it, the same one where that was said already, and what is to be said.
    """
    if state.idle:
        return state, ()
    return state.model_copy(update={"idle": True}), tuple(_without_picture(state))


def _refuse_earlier(state: CameraState, message: Tracks) -> None:
    # Epochs are not compared: on another instance of ingest, or after a clock was set back, a new one may be lower.
    if message.epoch != state.epoch or message.sequence > state.sequence:
        behind = timedelta(microseconds=state.last_us - to_us(message.capture_time))
        raise ClockJumpedBackError(
            f"Tracks: capture time {message.capture_time.isoformat()} of batch {message.epoch}:{message.sequence} is "
            f"{behind} before that of batch {state.epoch}:{state.sequence}: the clock where ingest runs was set back"
        )


Outcome = tuple[str, Watch | None, tuple[Alert, ...]]
"""Id of a rule, what is remembered of it from now on, and what is said."""


def _watch_all(before: Mapping[str, Watch], picture: _Picture, plan: Plan) -> Iterator[Outcome]:
    """Every watch that was or is, with what became of it."""
    wanted = {each.id: each for each in plan.running}
    unknown = {each.id for each in plan.resting if each.reason is RestReason.UNKNOWN}
    for name, watch in before.items():
        if name in unknown and plan.registry.find(watch.rule) is None:
            yield name, watch, ()  # the release that knows the rule goes on with it
        elif name not in wanted or wanted[name].fingerprint != watch.fingerprint:
            yield name, None, _close_watch(watch, CloseReason.RULE_CHANGED, picture.now_us)
    for name, fitted in wanted.items():
        old = before.get(name)
        same = old if old is not None and old.fingerprint == fitted.fingerprint else None
        yield _watch_one(fitted, same, picture, plan)


def _watch_one(fitted: FittedRule, watch: Watch | None, picture: _Picture, plan: Plan) -> Outcome:
    at = picture.message.capture_time
    basis = plan.basis(fitted.rule, at)
    reason = CloseReason.NO_LEGAL_BASIS if basis is None else fitted.parameters.reason_to_pause(at)
    if basis is None or reason is not None:
        return fitted.id, None, _close_watch(watch, reason or CloseReason.NO_LEGAL_BASIS, picture.now_us)
    state = None if watch is None else _recalled(fitted.rule, watch)
    if state is None:
        ended = _close_watch(watch, CloseReason.RULE_CHANGED, picture.now_us)
        watch, state = None, fitted.rule.state()
    else:
        ended = ()
    after, alerts = fitted.rule.step(state, _scene(fitted, basis, picture, plan))
    going_on = _going_on(() if watch is None else watch.open, alerts)
    watch = Watch(rule=fitted.rule.name, fingerprint=fitted.fingerprint, open=going_on, state=after)
    return fitted.id, watch, (*ended, *alerts)


def _going_on(before: Iterable[Alert], said: Iterable[Alert]) -> tuple[Alert, ...]:
    """The alerts that are open after what was said."""
    latest = {alert.id: alert for alert in (*before, *said)}
    return tuple(alert for alert in latest.values() if alert.state is not AlertState.CLOSED)


def _scene(fitted: FittedRule, basis: LegalBasis, picture: _Picture, plan: Plan) -> Scene[Any]:
    return Scene(
        camera=picture.message.camera,
        rule=fitted.rule.name,
        rule_id=fitted.id,
        version=fitted.version,
        parameters=fitted.parameters,
        stamped=fitted.stamped,
        zones=fitted.zones,
        first_role=fitted.rule.roles[0].name,
        basis=basis,
        now_us=picture.now_us,
        first_us=picture.first_us,
        aspect=picture.message.width / picture.message.height,
        present={track: each for track, each in picture.present.items() if each.label in fitted.rule.classes},
        known=picture.known,
        most_visits=MAX_VISITS // len(plan.running),
    )


def _recalled(rule: AnyRule, watch: Watch) -> State | None:
    """What a rule remembers; None: another release of it wrote that, and this one cannot read it."""
    if isinstance(watch.state, State) and isinstance(watch.state, rule.state):
        return watch.state
    written = watch.state.model_dump(mode="json") if isinstance(watch.state, State) else watch.state
    try:
        read: State = rule.state.model_validate(written)
    except ValidationError:
        return None
    return read


def _close_watch(watch: Watch | None, reason: CloseReason, now_us: int) -> tuple[Alert, ...]:
    """End what is open, for a reason that the rule itself does not see."""
    return () if watch is None else tuple(closed(alert, reason, now_us) for alert in watch.open)


def _without_picture(state: CameraState) -> Iterator[Alert]:
    """End what is open at the last picture: nobody was seen on the one that came in the end."""
    if not state.idle:
        for watch in state.watches.values():
            yield from _close_watch(watch, CloseReason.NO_PICTURE, state.last_us)


def _longest_gap_s(plan: Plan) -> float:
    """A camera without pictures for longer than any rule bridges was cut: who was there has not simply left."""
    return max([MEMORY_S, *(fitted.parameters.longest_gap_s for fitted in plan.running)])


def _remember(picture: _Picture, plan: Plan) -> dict[str, int]:
    oldest_us = picture.now_us - seconds(_longest_gap_s(plan))
    kept = {track: at_us for track, at_us in picture.known.items() if at_us >= oldest_us}
    kept |= dict.fromkeys(picture.present, picture.now_us)
    if len(kept) <= MAX_KNOWN:
        return kept
    return dict(sorted(kept.items(), key=lambda each: (each[1], each[0]))[-MAX_KNOWN:])

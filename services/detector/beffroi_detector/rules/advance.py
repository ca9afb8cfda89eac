"""One picture further: the whole of the rules as one pure function over a camera's state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from beffroi_common.contracts import (
    Alert,
    Camera,
    CloseReason,
    InvalidMessageError,
    LegalBasis,
    LoiteringRule,
    Tracks,
    Zone,
    ZoneKind,
)

from . import loitering
from .schedule import within
from .state import CameraState, Watch, seconds, to_us
from .visits import Sighting, sightings

MEMORY_S = 3.0
"""Shortest time for which an identity counts as known, and for which a camera may send no picture."""


CLOCK_SET_S = 10.0
"""A new epoch that begins so much earlier is a clock that was set: waiting until time has caught up would leave the
camera unwatched for as long. Less than this catches up by itself."""

EPOCHS = 16
"""Epochs remembered. A replay goes back a minute at most, in which a camera connects half as often."""


class ClockJumpedBackError(InvalidMessageError):
    """A new message carries an earlier capture time: an error of the input, never a negative dwell."""


def advance(state: CameraState | None, message: Tracks, camera: Camera | None) -> tuple[CameraState, tuple[Alert, ...]]:
    """Count one message.

    Args:
        state: what is remembered of the camera; None before its first message.
        message: the persons on one picture.
        camera: its configuration in force; None: it was removed.

    Returns:
        The state after it, and what is to be said. A message that was counted already changes nothing.

    Raises:
        ClockJumpedBackError: see there; the state stays as it was.
    """
    now_us = to_us(message.capture_time)
    alerts: list[Alert] = []
    epochs = () if state is None else state.epochs
    if state is not None and message.epoch in epochs[:-1]:
        return state, ()  # a replay: a connection is over once the next one was heard
    if state is not None and message.epoch != state.epoch and state.last_us - now_us > seconds(CLOCK_SET_S):
        alerts.extend(_close_all(state, CloseReason.NO_PICTURE, state.last_us))
        state = None
    if state is not None and now_us <= state.last_us:
        _refuse_earlier(state, message)
        return state, ()
    if state is not None and now_us - state.last_us > seconds(_longest_gap_s(camera)):
        alerts.extend(_close_all(state, CloseReason.NO_PICTURE, now_us))
        state = None
    first_us = now_us if state is None else state.first_us
    known = {} if state is None else state.seen_us
    present = sightings(message, loitering.LABEL)
    watches: dict[str, Watch] = {}
    for name, watch, said in _watch_all(state, message, camera, now_us, first_us, present, known):
        alerts.extend(said)
        if watch is not None:
            watches[name] = watch
    after = CameraState(
        first_us=first_us,
        last_us=now_us,
        epochs=(epochs if message.epoch in epochs else (*epochs, message.epoch))[-EPOCHS:],
        sequence=message.sequence,
        seen_us=_remember(known, present, now_us, camera),
        watches=watches,
    )
    return after, tuple(alerts)


def _refuse_earlier(state: CameraState, message: Tracks) -> None:
    # Epochs are not compared: on another instance of ingest, or after a clock was set back, a new one may be lower.
    if message.epoch != state.epoch or message.sequence > state.sequence:
        behind = timedelta(microseconds=state.last_us - to_us(message.capture_time))
        raise ClockJumpedBackError(
            f"Tracks: capture time {message.capture_time.isoformat()} of batch {message.epoch}:{message.sequence} is "
            f"{behind} before that of batch {state.epoch}:{state.sequence}: the clock where ingest runs was set back"
        )


def _watch_all(
    state: CameraState | None,
    message: Tracks,
    camera: Camera | None,
    now_us: int,
    first_us: int,
    present: dict[str, Sighting],
    known: dict[str, int],
) -> Iterator[tuple[str, Watch | None, tuple[Alert, ...]]]:
    """Every watch that was or is, with what became of it."""
    before = {} if state is None else state.watches
    wanted = dict(_wanted(camera))
    for name, watch in before.items():
        if name not in wanted or wanted[name][2] != watch.fingerprint:
            yield name, None, tuple(_close_watch(watch, CloseReason.RULE_CHANGED, now_us))
    for name, (zone, rule, fingerprint) in wanted.items():
        old = before.get(name)
        visits = old.visits if old is not None and old.fingerprint == fingerprint else ()
        basis = _basis(camera, message)
        reason = _reason_to_rest(basis, rule, message)
        if reason is not None or basis is None:
            resting = Watch(fingerprint=fingerprint, visits=visits)
            yield name, None, tuple(_close_watch(resting, reason or CloseReason.NO_LEGAL_BASIS, now_us))
            continue
        scene = loitering.Scene(
            camera=message.camera,
            zone=zone,
            rule=rule,
            name=name.partition("/")[2],
            basis=basis,
            now_us=now_us,
            first_us=first_us,
            present=present,
            known=known,
        )
        after, alerts = loitering.watch(visits, scene)
        yield name, Watch(fingerprint=fingerprint, visits=after), alerts


def _basis(camera: Camera | None, message: Tracks) -> LegalBasis | None:
    if camera is None or not camera.enabled:
        return None
    return camera.basis_in_force(loitering.ANALYTIC, message.capture_time)


def _reason_to_rest(basis: LegalBasis | None, rule: LoiteringRule, message: Tracks) -> CloseReason | None:
    if basis is None:
        return CloseReason.NO_LEGAL_BASIS
    return None if within(rule.schedule, message.capture_time) else CloseReason.OUT_OF_HOURS


def _wanted(camera: Camera | None) -> Iterator[tuple[str, tuple[Zone, LoiteringRule, str]]]:
    for zone in () if camera is None else camera.zones:
        if zone.kind is not ZoneKind.SENSITIVE:
            continue
        for number, rule in enumerate(zone.rules):
            # A second rule of the same kind on a zone has a name, and alerts, of its own.
            name = rule.rule if number == 0 else f"{rule.rule}/{number}"
            yield f"{zone.id}/{name}", (zone, rule, _fingerprint(zone, rule))


def _fingerprint(zone: Zone, rule: LoiteringRule) -> str:
    text = f"{zone.polygon}\n{rule.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _close_watch(watch: Watch, reason: CloseReason, now_us: int) -> Iterator[Alert]:
    for visit in watch.visits:
        yield from loitering.close(visit, reason, now_us)


def _close_all(state: CameraState, reason: CloseReason, now_us: int) -> Iterator[Alert]:
    for watch in state.watches.values():
        yield from _close_watch(watch, reason, now_us)


def _longest_gap_s(camera: Camera | None) -> float:
    """A camera without pictures for longer than any rule bridges was cut: who was there has not simply left."""
    return max([MEMORY_S, *(rule.gap_s for _, (_, rule, _) in _wanted(camera))])


def _remember(
    known: dict[str, int], present: dict[str, Sighting], now_us: int, camera: Camera | None
) -> dict[str, int]:
    oldest_us = now_us - seconds(_longest_gap_s(camera))
    return {track: at_us for track, at_us in known.items() if at_us >= oldest_us} | dict.fromkeys(present, now_us)

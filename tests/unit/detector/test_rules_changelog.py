"""A state that a worker which was held up writes over its successor's does not count."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.detector.test_rules_processor import HERE, SETTINGS, Bench, record
from tests.unit.rules.scenes import times, tracks

from beffroi_common.contracts import AlertState
from beffroi_detector.rules.app import make_app
from beffroi_detector.rules.changelog import goes_back
from beffroi_rules.state import CameraState

PARTITION = 1


def state(epochs: tuple[int, ...], sequence: int, *, idle: bool = False) -> str:
    made = CameraState(first_us=0, last_us=sequence, epochs=epochs, sequence=sequence, idle=idle)
    return made.model_dump_json(exclude_defaults=True)


@pytest.mark.parametrize(
    ("written", "known", "expected"),
    [
        (state((1,), 5), state((1,), 9), True),
        (state((1,), 9), state((1,), 9), False),
        (state((1,), 10), state((1,), 9), False),
        (state((1,), 5), state((1, 2), 0), True),
        (state((1, 2), 0), state((1,), 5), False),
        (state((9, 2), 0), state((9,), 5), False),  # a connection whose number is lower, since a clock was set
        (state((9,), 6), state((9, 2), 0), True),
        (state((1,), 9), state((1,), 9, idle=True), True),
        (state((1,), 9, idle=True), state((1,), 9), False),
        (state((1,), 10), state((1,), 9, idle=True), False),
        (None, state((1,), 9), False),
        (state((1,), 9), None, False),
        ('{"shape": "of old"}', state((1,), 9), False),
        (state((1,), 5), '{"shape": "of old"}', False),
    ],
)
def test_which_states_go_back(written: str | None, known: str | None, expected: bool) -> None:
    assert goes_back(written, known) is expected


def entry(value: str | None, partition: int = PARTITION) -> Any:
    """Of the changelog, as Faust reads it."""
    message = SimpleNamespace(key=b"cam", value=None if value is None else value.encode(), partition=partition)
    return SimpleNamespace(key="cam", value=value, message=message)


def read(*entries: str | None, in_batches_of: int = 1000) -> dict[str, str]:
    """What an instance knows that reads the changelog from its beginning."""
    bench = Bench()
    app = make_app(SETTINGS, 2, bench.processor, lambda _error: None)
    (table,) = app.tables.values()
    for first in range(0, len(entries), in_batches_of):
        table.apply_changelog_batch([entry(each) for each in entries[first : first + in_batches_of]])
    return dict(table.data.items())


@pytest.mark.parametrize("in_batches_of", [1, 2, 1000])
def test_a_state_that_was_written_late_is_left_out(in_batches_of: int) -> None:
    entries = (state((1,), 5), state((1, 2), 3), state((1,), 6), state((1,), 7))
    assert read(*entries, in_batches_of=in_batches_of) == {"cam": state((1, 2), 3)}


@pytest.mark.parametrize("in_batches_of", [1, 1000])
def test_a_camera_that_was_forgotten_begins_anew(in_batches_of: int) -> None:
    entries = (state((1, 2), 3), None, state((1,), 0))
    assert read(*entries, in_batches_of=in_batches_of) == {"cam": state((1,), 0)}
    assert read(*entries[:2], in_batches_of=in_batches_of) == {}


Entries = list[tuple[int, str | None]]
"""Partition and value."""

OLD, NEW = state((1,), 5), state((1, 2), 3)
HERE_NOW, BEFORE = 1, 0
"""Partitions of a camera that was given another slot."""


@pytest.mark.parametrize("in_batches_of", [1, 1000])
@pytest.mark.parametrize(
    ("entries", "known", "places", "late"),
    [
        ([(BEFORE, OLD), (HERE_NOW, NEW), (BEFORE, None)], NEW, {HERE_NOW}, set()),
        ([(BEFORE, OLD), (BEFORE, None), (HERE_NOW, NEW)], NEW, {HERE_NOW}, set()),
        ([(HERE_NOW, NEW), (BEFORE, OLD), (BEFORE, None)], NEW, {HERE_NOW}, set()),
        ([(BEFORE, OLD), (HERE_NOW, NEW), (BEFORE, None), (HERE_NOW, None)], None, set(), set()),
        ([(HERE_NOW, NEW), (HERE_NOW, OLD)], NEW, {HERE_NOW}, {HERE_NOW}),
        ([(HERE_NOW, NEW), (HERE_NOW, OLD), (HERE_NOW, NEW)], NEW, {HERE_NOW}, set()),
        ([(HERE_NOW, NEW), (HERE_NOW, OLD), (HERE_NOW, None)], None, set(), set()),
    ],
)
def test_what_is_said_of_a_camera_where_it_was_undoes_nothing_where_it_is(
    entries: Entries, known: str | None, places: set[int], late: set[int], in_batches_of: int
) -> None:
    bench = Bench()
    (table,) = make_app(SETTINGS, 2, bench.processor, lambda _error: None).tables.values()
    for first in range(0, len(entries), in_batches_of):
        table.apply_changelog_batch([entry(value, at) for at, value in entries[first : first + in_batches_of]])
    assert table.data.get("cam") == known
    assert table.places.of("cam") == places
    assert table.places.late == {("cam", at) for at in late}


def test_a_state_that_was_written_here_outlives_a_late_end_elsewhere() -> None:
    """The partition that the camera left is only stood by for, and its owner says late that it is gone from there."""
    bench = Bench()
    (table,) = make_app(SETTINGS, 2, bench.processor, lambda _error: None).tables.values()
    table.apply_changelog_batch([entry(OLD, BEFORE)])
    table.data["cam"] = NEW
    table.places.remember("cam", HERE_NOW)
    table.apply_changelog_batch([entry(None, BEFORE)])
    assert table.data.get("cam") == NEW


def test_whoever_goes_on_after_a_late_write_says_what_would_have_been_said() -> None:
    """The first worker is frozen after 4 s, the second counts on, the first writes, and the second dies."""
    messages = [
        tracks(at_s, {"a": HERE}).model_copy(update={"sequence": number}) for number, at_s in enumerate(times(0, 11))
    ]
    bench = Bench()
    written: list[str] = []
    remembered: str | None = None
    for message in messages[:-20]:
        remembered = bench.processor.process(record(message), remembered)
        assert remembered is not None
        written.append(remembered)
    late = written[5]
    successor = Bench()
    remembered = read(*written, late)["cam"]
    assert remembered == written[-1]
    for message in messages[-20:]:
        remembered = successor.processor.process(record(message), remembered)
    alerts = [*bench.said, *successor.said]
    assert [alert.state for alert in alerts if alert.state is not AlertState.UPDATED] == [AlertState.OPENED]

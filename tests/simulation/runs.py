"""Seeds run, and failures made short."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.hosts import Parts
from tests.simulation.planted import PLANTED
from tests.simulation.schedule import drawn, shortened
from tests.simulation.world import simulate


def parts_of(planted: str | None) -> Parts:
    """What a run is made of."""
    return Parts() if planted is None else PLANTED[planted]


def outcome(seed: int, planted: str | None) -> tuple[int, str | None]:
    """A seed, and what it broke."""
    return seed, simulate(drawn(seed), parts_of(planted))


def shortest(seed: int, planted: str | None = None) -> str:
    """The shortest schedule found that fails as the seed does, in words."""
    parts = parts_of(planted)
    schedule = shortened(drawn(seed), lambda candidate: simulate(candidate, parts) is not None)
    return f"seed {seed}: {simulate(schedule, parts)}\n{schedule}"


def traced(seed: int, planted: str | None = None) -> Iterator[str]:
    """The schedule, what came on the bus and when, and what was broken."""
    lines: list[str] = []
    broken = simulate(drawn(seed), parts_of(planted), lines.append)
    yield str(drawn(seed))
    yield from lines
    yield broken or "nothing is broken"

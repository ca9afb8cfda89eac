"""`python -m tests.simulation`: runs seeds, and prints the shortest schedule of one that fails."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.runs import outcome, shortest, traced

HASHES = "PYTHONHASHSEED"


def main(arguments: Sequence[str]) -> int:
    """Run; 1 where a seed fails."""
    if os.environ.get(HASHES) != "0":  # the order of a set is part of a run
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *arguments], {**os.environ, HASHES: "0"})
    parser = argparse.ArgumentParser(prog="simulate", description="The whole system in one process, with a seed.")
    parser.add_argument("seeds", nargs="+", help="one seed, or several as FIRST-LAST")
    parser.add_argument("--planted", help="a fault that is planted: the run must find it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-shortening", action="store_true", help="do not look for the shortest schedule")
    parser.add_argument("--trace", action="store_true", help="print what each seed puts on the bus")
    asked = parser.parse_args(arguments)
    if asked.trace:
        return _trace(list(_seeds(asked.seeds)), asked.planted)
    return _run(list(_seeds(asked.seeds)), asked.planted, asked.jobs, shortens=not asked.no_shortening)


def _trace(seeds: Sequence[int], planted: str | None) -> int:
    for line in (line for seed in seeds for line in traced(seed, planted)):
        print(line)
    return 0


def _run(seeds: Sequence[int], planted: str | None, jobs: int, *, shortens: bool) -> int:
    started_s = time.monotonic()
    failed: list[tuple[int, str]] = []
    with ProcessPoolExecutor(jobs) as pool:
        for seed, broken in pool.map(outcome, seeds, [planted] * len(seeds), chunksize=4):
            if broken is not None:
                failed.append((seed, broken))
                print(f"seed {seed}: {broken}", flush=True)
                if planted is not None:
                    break
        pool.shutdown(cancel_futures=True)
    print(f"{len(seeds)} seeds, {len(failed)} failed, {time.monotonic() - started_s:.0f} s")
    if failed and shortens:
        print(shortest(failed[0][0], planted))
    return 1 if failed else 0


def _seeds(words: Sequence[str]) -> Iterator[int]:
    for word in words:
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What each service holds in memory after two minutes and after ten, with two cameras and a person watching.

Prints resident memory (MiB) and the ratio of the two. More than 10 % of growth ends with status 1: memory per camera is
known and does not grow. `BEFFROI_BENCH_MEMORY_S=120,600` sets the two moments.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from beffroi_local import scene
from beffroi_local.demo import EXPECTED_ERRORS, running_demo
from beffroi_local.live import LiveViewer
from beffroi_local.programs import SERVICES
from beffroi_local.stack import Stack

MOMENTS_S = tuple(float(text) for text in os.environ.get("BEFFROI_BENCH_MEMORY_S", "120,600").split(","))
MOST_GROWTH = 1.10


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measure(stack: Stack) -> dict[str, float]:
    """Resident memory of each service now."""
    return {service: resident_mib(stack.pid(service)) for service in SERVICES}


def run() -> int:
    """Measure and print; return the exit status."""
    with ExitStack() as closing:
        demo = closing.enter_context(running_demo("bench"))
        api = closing.enter_context(demo.sign_in("operator"))
        began_s = time.monotonic()
        viewer = LiveViewer(api, scene.STREET, "masked", lambda _picture: 0)
        viewer.start()
        pids = {service: demo.stack.pid(service) for service in SERVICES}
        taken = []
        for moment_s in MOMENTS_S:
            print(f"waiting until {moment_s:.0f} s after the start", flush=True)
            while time.monotonic() - began_s < moment_s:
                demo.stack.require_alive()
                time.sleep(1)
            taken.append(measure(demo.stack))
        viewer.stop()
        restarted = [service for service, pid in pids.items() if demo.stack.pid(service) != pid]
    first, last = taken[0], taken[-1]
    for service in SERVICES:
        ratio = last[service] / first[service]
        print(f"memory: {service:9} {first[service]:6.0f} MiB then {last[service]:6.0f} MiB, ratio {ratio:.2f}")
    grown = [service for service in SERVICES if last[service] > MOST_GROWTH * first[service]]
    if grown or restarted:
        print(f"memory: grew by more than a tenth: {grown or 'none'}; restarted: {restarted or 'none'}")
    return 1 if grown or restarted else 0


if __name__ == "__main__":
    try:
        sys.exit(run())
    except EXPECTED_ERRORS as error:
        sys.exit(str(error))

"""`python -m bench`: every measurement, one after the other."""

from __future__ import annotations

import subprocess
import sys

MEASUREMENTS = (
    "bench.frame_batch",
    "bench.payload_copies",
    "bench.masker",
    "bench.parallel",
    "bench.detector",
    "bench.live",
    "bench.catching_up",
    "bench.floods",
    "bench.pages",
    "bench.memory",
)


def main() -> int:
    """Run all; return 1 when one of them failed."""
    failed = []
    for name in MEASUREMENTS:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", name], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

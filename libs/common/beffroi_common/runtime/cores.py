"""How many cores this process may use: a container's share, not the machine's."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux shows a process its own limits, in version 2 and in version 1 of control groups."""


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores that the process may run on, or as many as its quota of time is worth, whichever is fewer; at least 1."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota_v2(cgroup / "cpu.max") or _quota_v1(cgroup / "cpu")
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def _quota_v2(file: Path) -> float | None:
    """`cpu.max` holds a quota and a period in microseconds; the quota is `max` where there is none."""
    quota, _, period = _text(file).partition(" ")
    return None if quota in ("", "max") else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    """A file each; the quota is -1 where there is none."""
    quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""

"""A process that crashes must not leave its memory on the disk: there are pictures without masks in it, and secrets."""

from __future__ import annotations

import ctypes
import resource

PR_SET_DUMPABLE = 4
"""Linux's: see prctl(2)."""


def forbid() -> None:
    """Let the kernel write no memory of this process to a file, nor hand it to a program that collects crashes.

    The limit alone would not do: a collector (`|` in core_pattern) is not bound by it. Other accounts' debuggers, and
    our own account's, cannot look into the process either.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)

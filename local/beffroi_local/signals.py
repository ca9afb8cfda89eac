"""What ends a run from outside: Ctrl-C or Ctrl-\\, a kill, a terminal that closes."""

from __future__ import annotations

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


def interrupt_on_signals() -> None:
    """Let the first of these signals raise KeyboardInterrupt here, and ignore the rest.

    A shell starts what runs in the background with SIGINT ignored, and Python then leaves it so. A second signal does
    not cut short the stop, which is bounded in time and removes what nobody may find. Who said nohup means it.
    """
    hangup_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    wanted = [each for each in ENDING if each is not signal.SIGHUP or not hangup_ignored]

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        for each in wanted:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in wanted:
        signal.signal(each, interrupt)

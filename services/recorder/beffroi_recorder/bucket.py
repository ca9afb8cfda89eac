"""The bucket must keep its promise before anything is stored in it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import structlog

from beffroi_common.bus import StatusReporter
from beffroi_common.contracts import Level
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectStore, RetentionError, StoreUnavailable
from beffroi_recorder.trouble import whose_fault

log = structlog.get_logger(__name__)

POLL_S = 0.1
"""While waiting the process beats its heart and looks at its stop this often."""

SETTLE_S = 2.0
"""Another instance may be making the bucket at this very moment: its rule comes a request later."""


def open_bucket(
    store: ObjectStore,
    retention_days: int,
    *,
    reporter: StatusReporter,
    clock: Clock,
    stop: threading.Event,
    beat: Callable[[], None],
    backoff: Backoff,
) -> bool:
    """Make or check the bucket, waiting for a store that is away. False: asked to stop meanwhile.

    Raises:
        RetentionError: the bucket's rules are not the promise.
        StoreDenied: the store refuses our key.
    """
    settled_at_s = math.inf
    while not stop.is_set():
        beat()
        if backoff.is_due():
            try:
                store.make_bucket(retention_days)
            except StoreUnavailable as reason:
                log.warning("waiting for the object store", reason=str(reason))
                reporter.service(Level.ERROR, whose_fault(reason), str(reason))
            except RetentionError:
                if clock.monotonic_s() >= settled_at_s:
                    raise
                settled_at_s = min(settled_at_s, clock.monotonic_s() + SETTLE_S)
            else:
                backoff.reset()
                return True
            backoff.failed()
        stop.wait(POLL_S)
    return False

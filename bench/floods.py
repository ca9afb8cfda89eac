"""What others notice of a flood: sixty at once ask for one kind of thing, and one operator asks who is signed in.

The api is a process of its own on SQLite, with doubles for broker and store; the flood is another process, each of its
sixty connections asking again as soon as it was answered, or doing what no browser does (`bench.rough`). Printed are
the times of `GET /session` of somebody else right before each flood and under it, and the ratio of their 95th
percentiles. The flood steps back for the api where cores are scarce: it would come from another machine.

`python -m bench.floods [FLOOD …]`
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from beffroi_api.http.access import COOKIE

from .rough import ROUGH, Rough
from .serving import VIDEO, Api, Visitor, p95, serving

AT_ONCE = 60
ASKED = 200
WARM_UP_S = 1.0
CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
OPEN = {"mode": "open", "reason": "a wall"}
NEVER = 10**9

Asks = Callable[[Visitor, int], int]

FLOODS: dict[str, Asks] = {
    "stills": lambda visitor, _: visitor.ask("GET", "/cameras/gate/still"),
    "sign-ins of strangers": lambda visitor, number: visitor.ask(
        "POST", "/session", json.dumps({"username": f"nobody-{number}", "password": "guess"}).encode()
    ),
    "sessions": lambda visitor, _: visitor.ask("GET", "/session"),
    "alerts": lambda visitor, _: visitor.ask("GET", "/alerts"),
    "cameras": lambda visitor, _: visitor.ask("GET", "/cameras"),
    "pages of the trail": lambda visitor, _: visitor.ask("GET", "/audit?limit=500"),
    "audit, denied": lambda visitor, _: visitor.ask("GET", "/audit"),
    "nothing there": lambda visitor, _: visitor.ask("GET", "/nothing"),
    "made-up tokens": lambda visitor, number: Visitor.ask(with_token(visitor, number), "GET", "/session"),
    "the console's name": lambda visitor, _: visitor.ask("GET", "/meta"),
    "videos": lambda visitor, _: visitor.ask("GET", VIDEO),
    "passwords of one's own": lambda visitor, _: visitor.ask(
        "POST", "/account/second-factor/removal", json.dumps({"password": "guess", "code": "123456"}).encode()
    ),
    "wrong words": lambda visitor, _: visitor.ask(
        "POST", "/session", json.dumps({f"field-{number}": 0 for number in range(400)}).encode()
    ),
}
STRANGERS = {"sign-ins of strangers", "made-up tokens", "the console's name", "nothing there", "wrong words"}
AUDITORS = {"pages of the trail"}
FROM = "127.0.0.2"
"""Another network than that of whoever is calm."""


def with_token(visitor: Visitor, number: int) -> Visitor:
    """The same connection, with a token that nobody has."""
    visitor.cookie = f"{COOKIE}={number}"
    return visitor


def flood(api: Api, name: str, cookie: str) -> None:
    """Ask sixty times at once, for ever."""
    numbers = count()
    os.nice(10)

    def ask() -> None:
        while True:
            with suppress(OSError, HTTPException):
                if name in ROUGH:
                    ROUGH[name](Rough(api.port, cookie, FROM))
                    continue
                visitor = Visitor(api, cookie, FROM)
                while True:
                    FLOODS[name](visitor, next(numbers))

    for _ in range(AT_ONCE):
        threading.Thread(target=ask, daemon=True).start()
    threading.Event().wait()


@contextmanager
def flooding(api: Api, name: str, cookie: str) -> Iterator[None]:
    """While it lasts, sixty ask."""
    process = get_context("spawn").Process(target=flood, args=(api, name, cookie), daemon=True)
    process.start()
    time.sleep(WARM_UP_S)
    try:
        yield
    finally:
        process.kill()
        process.join()


def main(wanted: Sequence[str] = ()) -> int:
    """Measure and print: these floods, or all."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    patient = {"failures_per_account_and_address": NEVER, "failures_per_address": NEVER, "failures_per_account": NEVER}
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/api.sqlite3"
        with serving(url, Path(folder), session=patient) as api:
            administrator = Visitor(api, api.sign_in("administrator"))
            assert administrator.ask("PUT", "/cameras/gate", json.dumps(CAMERA).encode()) == 200
            assert administrator.ask("PUT", "/cameras/gate/masking", json.dumps(OPEN).encode()) == 200
            operator, dpo = api.sign_in("operator"), api.sign_in("dpo")
            for name in wanted or (*FLOODS, *ROUGH):
                quiet = times_s(api, administrator.cookie)
                cookie = "" if name in STRANGERS else dpo if name in AUDITORS else operator
                with flooding(api, name, cookie):
                    under = times_s(api, administrator.cookie)
                report(name, quiet, under)
            print(f"floods: memory of the api afterwards: {api.resident_mib:.0f} MiB")
    return 0


def times_s(api: Api, cookie: str) -> list[float]:
    """Of somebody who asks calmly, on a connection of their own."""
    visitor = Visitor(api, cookie)
    visitor.times_s("/session", ASKED // 10)
    return visitor.times_s("/session", ASKED)


def report(name: str, quiet: list[float], under: list[float]) -> None:
    """Print one line. What else goes on on the machine changes: so it is held against the moment before."""
    before_ms, p95_ms, median_ms = p95(quiet) * 1000, p95(under) * 1000, under[len(under) // 2] * 1000
    print(
        f"floods: {name}: median {median_ms:.1f} ms, p95 {p95_ms:.1f} ms, before it {before_ms:.1f} ms, "
        f"ratio {p95_ms / before_ms:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

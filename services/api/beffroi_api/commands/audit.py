"""`python -m beffroi_api.commands.audit <verify|head|seal|rotate>`: say whether the audit trail is whole.

verify --published        reads the whole trail and sees that it goes through every head that the api published
verify --head ROWS:HASH:SIGNATURE
                          the same with heads that somebody noted, or found in the api's log
head                      prints the head of the trail as it is, for whoever notes it
seal --rows N --last-hash HASH
                          once, after the release that brought the key: seals the N rows from before it, if
                          they are what `verify` of the release before printed
rotate                    hands the trail over from the last key of trail_former_keys to trail_key; every process that
                          writes it is stopped before, and started with the new settings afterwards

Ends with status 0 only where everything asked for was found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from pydantic_settings import BaseSettings, SettingsConfigDict

from beffroi_api.bus.heads import published
from beffroi_api.commands.database import PREFIX, invoked_by, load, open_trail
from beffroi_api.db import installation
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.chain.seal import Head
from beffroi_api.modules.audit.service import Trail, UnsealedTrailError
from beffroi_common.bus import Bus
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import KafkaSettings

BROKER_TIMEOUT_S = 60.0


class BrokerSettings(BaseSettings):
    """How to reach the broker, as the api does."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="ignore")

    kafka: KafkaSettings


def main(bus: Callable[[], Bus] | None = None) -> None:
    """Run one command. `bus` makes the one to read heads from; None: Kafka, as the environment says."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.command == "verify" and not (arguments.head or arguments.published):
        parser.error("verify: say what the trail must go through (--published, or --head): rows cut off do not show")
    with open_trail("audit") as (database, trail):
        _COMMANDS[arguments.command](database, trail, arguments, bus or _kafka)


def _verify(database: Database, trail: Trail, arguments: argparse.Namespace, bus: Callable[[], Bus]) -> None:
    heads = list(arguments.head or ())
    if arguments.published:
        heads += _published(database, bus)
    verdict = trail.verify(heads)
    if verdict.broken_at is not None:
        sys.exit(
            f"audit: BROKEN at row {verdict.broken_at}: it, or one before it, was changed, taken out or put in, or was "
            "not written with this key"
        )
    if verdict.missed:
        first = min(verdict.missed, key=lambda head: head.rows)
        sys.exit(
            f"audit: BROKEN: the trail has {verdict.rows} rows and does not go through the head {first}: rows were cut "
            "off or replaced, it is the head of another trail, or it was not signed with this key"
        )
    print(f"audit: {verdict.rows} rows, whole, through {len(heads)} heads; head {trail.head()}")


def _head(_database: Database, trail: Trail, _arguments: argparse.Namespace, _bus: Callable[[], Bus]) -> None:
    verdict = trail.verify()
    if not verdict.is_whole:
        sys.exit(f"audit: BROKEN at row {verdict.broken_at}: no head of it is worth noting")
    if verdict.rows == 0:
        sys.exit("audit: the trail is empty: it has no head")
    print(trail.head())


def _seal(_database: Database, trail: Trail, arguments: argparse.Namespace, _bus: Callable[[], Bus]) -> None:
    try:
        trail.seal_rows(arguments.rows, arguments.last_hash)
    except UnsealedTrailError as reason:
        sys.exit(f"audit: nothing was sealed: {reason}")
    print(f"audit: {arguments.rows} rows sealed")


def _rotate(_database: Database, trail: Trail, _arguments: argparse.Namespace, _bus: Callable[[], Bus]) -> None:
    trail.rotate(invoked_by(), "local")
    print(f"audit: handed over to the key that is set; head {trail.head()}")


def _published(database: Database, bus: Callable[[], Bus]) -> list[Head]:
    identity = installation.known_id(database)
    try:
        heads = list(published(bus(), identity, SystemClock(), BROKER_TIMEOUT_S)) if identity else []
    except TimeoutError as reason:
        sys.exit(f"audit: the broker does not answer ({reason}): nothing is known of the published heads")
    if not heads:
        sys.exit("audit: no head of this database was ever published: it is another database, or another broker")
    return heads


def _kafka() -> Bus:
    return KafkaBus(load(BrokerSettings).kafka, "api", "audit")


_COMMANDS: dict[str, Callable[[Database, Trail, Any, Callable[[], Bus]], None]] = {
    "verify": _verify,
    "head": _head,
    "seal": _seal,
    "rotate": _rotate,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m beffroi_api.commands.audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="read the whole trail")
    expected = verify.add_argument_group("what it must go through; at least one")
    expected.add_argument("--head", type=Head.read, action="append", metavar="ROWS:HASH:SIGNATURE")
    expected.add_argument("--published", action="store_true", help="every head on the bus")
    commands.add_parser("head", help="print the head")
    commands.add_parser("rotate", help="hand the trail over to a new key")
    seal = commands.add_parser("seal", help="seal the rows of a release before the key")
    seal.add_argument("--rows", type=int, required=True)
    seal.add_argument("--last-hash", required=True)
    return parser


if __name__ == "__main__":
    main()

"""`python -m beffroi_api.commands.audit verify`: read the whole chain and say whether it is whole."""

from __future__ import annotations

import argparse
import sys

from beffroi_api.commands.database import database_from_environment
from beffroi_api.modules.audit.service import Trail
from beffroi_common.runtime.clock import SystemClock


def main() -> None:
    """Print the number of rows and the last hash; end with status 1 where the chain is broken."""
    parser = argparse.ArgumentParser(prog="python -m beffroi_api.commands.audit", description=__doc__)
    parser.add_argument("command", choices=["verify"])
    parser.parse_args()
    database = database_from_environment()
    try:
        verdict = Trail(database, SystemClock()).verify()
    finally:
        database.close()
    if verdict.broken_at is not None:
        sys.exit(f"audit: BROKEN at row {verdict.broken_at}: it, or one before it, was changed or taken out")
    print(f"audit: {verdict.rows} rows, whole; last hash {verdict.last_hash} (note it, and compare next time)")


if __name__ == "__main__":
    main()

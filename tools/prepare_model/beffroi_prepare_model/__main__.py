"""`python -m beffroi_prepare_model`: make the model that vision runs. At once when it is there."""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError

from beffroi_common.contracts.base import explain

from .environment import PrepareError
from .preparation import prepare
from .settings import PrepareSettings


def main() -> None:
    """Prepare the model and print its folder last."""
    parser = argparse.ArgumentParser(prog="python -m beffroi_prepare_model", description=__doc__)
    parser.add_argument("--again", action="store_true", help="make it again even where it is in the cache")
    arguments = parser.parse_args()
    try:
        folder = prepare(PrepareSettings(), _say, again=arguments.again)
    except ValidationError as error:
        sys.exit(f"BEFFROI_DETECTOR_*: {explain(error)}")
    except PrepareError as error:
        sys.exit(f"the model could not be prepared: {error}")
    print(folder)


def _say(line: str) -> None:
    print(f"model: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

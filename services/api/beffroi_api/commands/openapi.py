"""`python -m beffroi_api.commands.openapi`: write the OpenAPI document that is checked in."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from beffroi_api.http.app import create_app

CHECKED_IN = Path("services/api/openapi.json")
"""From the root of the repository."""


def text() -> str:
    """The document as it is checked in."""
    return json.dumps(create_app(None, None).openapi(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the document."""
    parser = argparse.ArgumentParser(prog="python -m beffroi_api.commands.openapi", description=main.__doc__)
    parser.add_argument("--to", type=Path, default=CHECKED_IN)
    arguments = parser.parse_args()
    arguments.to.write_text(text(), encoding="utf-8")
    print(f"written: {arguments.to}")


if __name__ == "__main__":
    main()

"""`python -m beffroi_api.commands.migrate`: bring the database up to date. Doing it twice changes nothing."""

from __future__ import annotations

from beffroi_api.commands.database import database_from_environment


def main() -> None:
    """Bring the database named by BEFFROI_API_DATABASE_URL up to date."""
    database = database_from_environment()
    print(f"database {database.address}: up to date")
    database.close()


if __name__ == "__main__":
    main()

"""Types of columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, DateTime, Dialect, Text, cast
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC. SQLite keeps no zones, so they are taken off and put on here; a naive time is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone does not go into the database")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


Processor = Callable[[Any], Any]


class _Lenient(TypeDecorator[Any]):
    """A column that is read whatever somebody wrote into it: then it says that it cannot be read."""

    cache_ok = True
    unreadable: Any

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        """See SQLAlchemy."""
        strict: Processor = super().result_processor(dialect, coltype) or (lambda value: value)

        def read(value: Any) -> Any:
            try:
                return strict(value)
            except Exception:  # noqa: BLE001 - SQLite keeps anything in any column
                return self.unreadable

        return read


class TrailTime(_Lenient, UtcDateTime):
    """When a row of the audit trail was written."""

    unreadable = datetime(1970, 1, 1, tzinfo=UTC)


class TrailDetails(_Lenient):
    """What a row of the audit trail says besides."""

    impl = JSON
    unreadable: Mapping[str, Any] = {"unreadable": True}

    def process_result_value(self, value: Any, _dialect: Dialect) -> Any:
        """From the database."""
        return value if isinstance(value, dict) else self.unreadable


def as_text(column: InstrumentedAttribute[list[int]]) -> ColumnElement[str]:
    """A column of JSON as it is written: drivers take longer to read one than all others of a row together."""
    return cast(column, Text)

"""Which cameras somebody may know of: whole communes, and single cameras that other communes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import InstrumentedAttribute

Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Territory:
    """Communes and cameras that somebody is competent for. Made without arguments it holds no camera at all.

    Attributes:
        is_everywhere: every commune of this installation, present and future.
        communes: names of communes, as cameras carry them.
        cameras: ids of single cameras of other communes, shared by agreement.
    """

    is_everywhere: bool = False
    communes: frozenset[str] = field(default=frozenset())
    cameras: frozenset[str] = field(default=frozenset())

    def holds(self, camera: str, commune: str | None) -> bool:
        """Whether a camera is in it; `commune` None: nobody knows whose the camera is."""
        return self.has_commune(commune) or camera in self.cameras

    def has_commune(self, commune: str | None) -> bool:
        """Whether all cameras of a commune are in it; None: of one that nobody knows."""
        return self.is_everywhere or commune in self.communes

    def condition(self, camera: Column, commune: Column) -> ColumnElement[bool]:
        """The same as SQL, for rows that have a camera and its commune. Not to be asked where `is_everywhere`."""
        return or_(camera.in_(self.cameras), commune.in_(self.communes))


EVERYWHERE = Territory(is_everywhere=True)

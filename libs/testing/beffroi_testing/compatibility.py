"""Says what an old message would no longer mean under a new contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CONSTRAINTS_THAT_MAY_LOOSEN = ("maximum", "maxLength", "maxItems", "minimum", "minLength", "minItems")
WORDS = ("description", "title", "default")


def breaks(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield each place where a message that was good under `old` may be refused, or read otherwise, under `new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _breaks_of_object(old, new, place)
    elif isinstance(old, list) and isinstance(new, list) and place.endswith(("/required", "/enum")):
        required = place.endswith("/required")
        lost = set(map(str, new)) - set(map(str, old)) if required else set(map(str, old)) - set(map(str, new))
        yield from (f"{place}: {item} {'is required now' if required else 'is gone'}" for item in sorted(lost))
    elif old != new:
        yield f"{place}: was {old}, is {new}"


def _breaks_of_object(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    for name in old.keys() | new.keys():
        here = f"{place}/{name}"
        if name in WORDS and place.rsplit("/", 1)[-1] != "properties":
            continue
        if name in CONSTRAINTS_THAT_MAY_LOOSEN and name in old:
            yield from _tightened(name, old[name], new.get(name), here)
        elif name not in new:
            if name != "required":
                yield f"{here}: is gone"
        elif name in old:
            yield from breaks(old[name], new[name], here)
        elif name == "required" or not _takes_new_names(place):
            yield f"{here}: is new, so what was good before may be refused"


def _takes_new_names(place: str) -> bool:
    """Fields and definitions may be added; so may fields of a Protobuf message, which stands one level deep."""
    return place.rsplit("/", 1)[-1] in ("properties", "$defs", "") or place.count("/") == 1


def _tightened(name: str, old: float, new: float | None, place: str) -> Iterator[str]:
    if new is None:
        return
    if (name.startswith("max") and new < old) or (name.startswith("min") and new > old):
        yield f"{place}: was {old}, is {new}"

"""Says which values of a model have no bound: what a reader cannot hold must be refused where it comes in."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import annotated_types
from pydantic import AwareDatetime, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from beffroi_common.contracts import base

JUDGED = {base.JsonObject, base.UtcTime, base.Point, base.Box}
"""Bound by themselves, by a function that is tested by itself."""

MEASURED = (int, float, datetime, AwareDatetime)
CONTAINERS = (tuple, list, dict, set, frozenset)


def unbounded(model: type[Any]) -> Iterator[str]:
    """Yield the path of each value in `model` that may be as large as anybody likes.

    Args:
        model: a pydantic model or a dataclass.
    """
    yield from _of_model(model, model.__name__, set())


def unbounded_value(kind: Any, place: str) -> Iterator[str]:
    """Yield what is without a bound in one value, e.g. a parameter of an endpoint."""
    yield from _of(kind, (), place, set())


def _of_model(model: type[Any], place: str, seen: set[type[Any]]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    hints = get_type_hints(model, include_extras=True)
    fields: Mapping[str, FieldInfo] = getattr(model, "model_fields", {})
    for name in fields or hints:
        metadata = fields[name].metadata if name in fields else []
        yield from _of(hints[name], metadata, f"{place}.{name}", seen)


def _of(kind: Any, metadata: Sequence[Any], place: str, seen: set[type[Any]]) -> Iterator[str]:
    if any(kind == each for each in JUDGED):
        return
    while get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        metadata = [*metadata, *more]
        if any(kind == each for each in JUDGED):
            return
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in (None, type(None), bool) or origin is Literal:
        return
    if origin in (typing.Union, types.UnionType):
        for each in arguments:
            yield from _of(each, metadata, place, seen)
    elif origin in CONTAINERS:
        fixed = origin is tuple and Ellipsis not in arguments
        if not fixed and not _has(metadata, "max_length"):
            yield f"{place}: as many as anybody likes"
        for each in arguments:
            if each is not Ellipsis:
                yield from _of(each, (), f"{place}[]", seen)
    else:
        yield from _of_plain(kind, metadata, place, seen)


def _of_plain(kind: Any, metadata: Sequence[Any], place: str, seen: set[type[Any]]) -> Iterator[str]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or is_dataclass(kind)):
        yield from _of_model(kind, place, seen)
    elif kind in MEASURED:
        if not ((_has(metadata, "ge") or _has(metadata, "gt")) and (_has(metadata, "le") or _has(metadata, "lt"))):
            yield f"{place}: without a lowest and a highest value"
    elif kind in (str, bytes, SecretStr):
        if not (_has(metadata, "max_length") or _is_closed(metadata)):
            yield f"{place}: as long as anybody likes"
    else:
        yield f"{place}: {kind} is not known to have a bound"


def _has(metadata: Sequence[Any], bound: str) -> bool:
    return any(getattr(each, bound, None) is not None for each in _flat(metadata))


def _is_closed(metadata: Sequence[Any]) -> bool:
    """Whether a pattern bounds the length: it is anchored, and repeats nothing without an end."""
    patterns = [str(each.pattern) for each in _flat(metadata) if getattr(each, "pattern", None)]
    return any(each.startswith("^") and each.endswith("$") and not set("*+") & set(_repeats(each)) for each in patterns)


def _repeats(pattern: str) -> str:
    """A pattern without its classes of characters."""
    outside, depth = [], 0
    for character in pattern:
        depth += (character == "[") - (character == "]")
        if not depth:
            outside.append(character)
    return "".join(outside)


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    for each in metadata:
        if isinstance(each, FieldInfo):
            yield from _flat(each.metadata)
        elif isinstance(each, annotated_types.GroupedMetadata):
            yield each
            yield from each
        else:
            yield each

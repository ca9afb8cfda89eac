"""What became different about a camera, as the audit trail keeps it: before and after, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from beffroi_common.contracts import Camera

SAID_ELSEWHERE = {"id", "version"}
"""A row of the trail has them anyway."""

Value = Any
"""As JSON has it."""


def changes(before: Camera | None, after: Camera) -> dict[str, Value]:
    """`before` and `after` of all that differs, field by field; of zones and rules, those that differ, by their id.

    Args:
        before: None: there was no such camera.
        after: as it is from now on.
    """
    old, new = ({} if before is None else _shown(before)), _shown(after)
    names = [name for name in new if old.get(name) != new[name]]
    was, became = {name: old.get(name) for name in names}, {name: new[name] for name in names}
    for name in {"zones", "rules"} & set(names):
        was[name], became[name] = _differing(was[name] or {}, became[name])
    if before is None:
        return {"before": {}, "after": became}
    return {"before": {name: value for name, value in was.items() if value is not None}, "after": became}


def _shown(camera: Camera) -> dict[str, Value]:
    shown = camera.model_dump(mode="json", exclude=SAID_ELSEWHERE)
    shown["source"]["url"] = without_secrets(camera.source.url)
    for name in ("zones", "rules"):
        shown[name] = {each["id"]: each for each in shown[name]}
    return shown


def _differing(old: Mapping[str, Value], new: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    names = [name for name in (*old, *(each for each in new if each not in old)) if old.get(name) != new.get(name)]
    return {name: old[name] for name in names if name in old}, {name: new[name] for name in names if name in new}


def without_secrets(url: str) -> str:
    """Which host an address leads to. Some cameras want their password in the path or after a question mark, so what
    follows the host is not kept; `source_version` says that it changed.
    """
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:  # an odd address of an earlier release
        return "…"
    return f"{parts.scheme}://{host}{port}/…" if host else f"{parts.scheme}:…"

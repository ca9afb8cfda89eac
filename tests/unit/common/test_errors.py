"""Every error of the run-time belongs to one branch, and nobody answers a branch that is not theirs to answer."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import beffroi_common
from beffroi_common.errors import Fatal, InvalidRecord, RetryLater

ROOT = Path(__file__).parents[3]
BRANCHES = (RetryLater, InvalidRecord, Fatal)
OF_NO_BRANCH = {
    "AddressError": "of what somebody entered, or of one camera, whose status says so",
    "AddressNotAllowedError": "likewise",
    "ObjectMissing": "says nothing of a record",
    "SettingsError": "ends the process before it began",
    "UnreadableMp4Error": "of a stored file, not of a record: who asked for a picture of it is told",
}
CATCHES_EVERYTHING = {
    "libs/common/beffroi_common/bus/crashes.py": 1,
    "libs/common/beffroi_common/bus/kafka/layout.py": 1,
    "libs/common/beffroi_common/bus/table.py": 3,
    "libs/common/beffroi_common/bus/keyed/processor.py": 1,
    "libs/common/beffroi_common/contracts/base.py": 1,
    "libs/common/beffroi_common/contracts/status.py": 1,
    "libs/common/beffroi_common/runtime/logs.py": 1,
    "services/api/beffroi_api/db/types.py": 1,
    "services/api/beffroi_api/workers.py": 1,
    "services/detector/beffroi_detector/rules/app.py": 1,
    "services/ingest/beffroi_ingest/camera_stream.py": 2,
    "services/ingest/beffroi_ingest/outbox.py": 1,
    "services/ingest/beffroi_ingest/sources/demuxing.py": 1,
    "services/ingest/beffroi_ingest/sources/rtsp.py": 1,
    "services/masker/beffroi_masker/lane.py": 2,
    "services/recorder/beffroi_recorder/keep/retention.py": 1,
}
"""Who catches everything: a thread's outermost frame, which tells the process to end; who cleans up and raises; and who
knows of which record, message, column, line or camera it came, and answers for that alone. The masker's lane is a
convenience beside what must run: it begins anew, and the process goes on."""


def errors() -> Iterator[type[BaseException]]:
    for module in pkgutil.walk_packages(beffroi_common.__path__, "beffroi_common."):
        if module.name.endswith("__main__"):
            continue
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, BaseException) and found.__module__.startswith("beffroi_common"):
                yield found


def test_every_error_belongs_to_exactly_one_branch() -> None:
    found = set(errors())
    assert found > set(BRANCHES)
    for error in found:
        branches = [branch for branch in BRANCHES if issubclass(error, branch)]
        assert len(branches) == (0 if error.__name__ in OF_NO_BRANCH else 1), error


def test_the_branches_have_no_root_to_be_caught_by() -> None:
    assert [branch.__bases__ for branch in BRANCHES] == [(Exception,)] * len(BRANCHES)


def caught(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            each = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            yield from (ast.unparse(one) if one is not None else "everything" for one in each)


@pytest.mark.parametrize("folder", ["libs/common", "services"])
def test_nobody_catches_what_must_end_the_process(folder: str) -> None:
    wide = dict[str, int]()
    for path in (ROOT / folder).rglob("beffroi_*/**/*.py"):
        names = list(caught(path.read_text()))
        assert "Fatal" not in names, path
        count = sum(name in ("Exception", "BaseException", "everything") for name in names)
        if count:
            wide[path.relative_to(ROOT).as_posix()] = count
    assert wide == {path: count for path, count in CATCHES_EVERYTHING.items() if path.startswith(folder)}

"""Runs one of the shared cases, whose rig speaks of modules by names they had once, with today's classes.

`python -m tests.unit.masker.shared_case CASE`; the case prints right and got, and ends with 0 (right) or 1.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

TODAY = {
    "beffroi": None,
    "beffroi.common": "beffroi_common",
    "beffroi.common.bus": "beffroi_common.bus",
    "beffroi.common.bus.reporter": "beffroi_common.bus.reporter",
    "beffroi.common.contracts": "beffroi_common.contracts",
    "beffroi.common.contracts.status": "beffroi_common.contracts.status",
    "beffroi.common.pattern": "beffroi_common.pattern",
    "beffroi.common.runtime": "beffroi_common.runtime",
    "beffroi.common.runtime.clock": "beffroi_common.runtime.clock",
    "beffroi.common.runtime.patience": None,
    "beffroi.common.testing": "beffroi_testing",
    "beffroi.common.topics": "beffroi_common.topics",
    "beffroi.ingest": "beffroi_ingest",
    "beffroi.ingest.batching": "beffroi_ingest.batching",
    "beffroi.ingest.outbox": None,
    "beffroi.ingest.sources": "beffroi_ingest.sources",
    "beffroi.ingest.sources.demuxing": "beffroi_ingest.sources.demuxing",
    "beffroi.ingest.sources.file": "beffroi_ingest.sources.file",
    "beffroi.ingest.timing": "beffroi_ingest.timing",
    "beffroi.ingest.worker": None,
    "beffroi.masker": "beffroi_masker",
    "beffroi.masker.encoding": "beffroi_common.media.encoding",
    "beffroi.masker.stream": "beffroi_masker.stream",
    "beffroi.recorder": "beffroi_recorder",
    "beffroi.recorder.cutting": None,
    "beffroi.recorder.line": None,
    "beffroi.recorder.work_dir": None,
}
"""None: what the cases of the masker do not use."""


def main(case: str) -> None:
    """Run the case of a file."""
    for once, today in TODAY.items():
        sys.modules[once] = _nothing(once) if today is None else importlib.import_module(today)
    # Those of other services that the rig imports beside.
    sys.modules["beffroi.ingest.sources"].__dict__.setdefault("SourceOptions", None)
    sys.path.insert(0, str(Path(case).parents[1] / "rig"))
    rt = ModuleType("rt")
    rt.__dict__.update(chain=importlib.import_module("chain"), gen=importlib.import_module("gen"))
    sys.modules["rt"] = rt
    runpy.run_path(case, run_name="__main__")


def _nothing(name: str) -> ModuleType:
    return MagicMock(name=name, __path__=[])


if __name__ == "__main__":
    main(sys.argv[1])

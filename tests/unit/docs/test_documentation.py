"""What the documentation names is there: topics and rights on Kafka, files, links, programs and settings."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from beffroi_api.live.settings import LiveProcessSettings
from beffroi_api.settings import ApiSettings
from beffroi_common.bus.admin import TopicsSettings
from beffroi_common.runtime.settings import StrictSettings, unknown_variables
from beffroi_common.store.policies import ACTIONS
from beffroi_common.topics import TOPICS, Service, Topic
from beffroi_detector.rules.settings import RulesSettings
from beffroi_detector.vision.settings import VisionSettings
from beffroi_ingest.settings import IngestSettings
from beffroi_local.settings import StackSettings
from beffroi_masker.settings import MaskerSettings
from beffroi_prepare_model.settings import PrepareSettings
from beffroi_recorder.settings import RecorderSettings

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

SERVICES: tuple[type[StrictSettings], ...] = (
    ApiSettings,
    IngestSettings,
    LiveProcessSettings,
    MaskerSettings,
    PrepareSettings,
    RecorderSettings,
    RulesSettings,
    TopicsSettings,
    VisionSettings,
)
PREFIXES = tuple(str(each.model_config["env_prefix"]) for each in SERVICES)

FOLDERS = "bench|docs|k8s|libs|local|requirements|services|tests|tools"


def _names(services: Collection[Service]) -> str:
    return "all" if len(services) == len(Service) else ", ".join(sorted(services))


def test_rights_on_kafka_are_those_of_the_registry() -> None:
    text = (ROOT / "docs" / "sre.md").read_text()
    written = re.findall(r"^\| `([a-z.]+\.v\d+)` \| ([a-z, ]+) \| ([a-z, ]+) \|$", text, flags=re.MULTILINE)
    assert written == [(topic.name, _names(topic.producers), _names(topic.consumers)) for topic in TOPICS]


def test_rights_on_the_store_are_those_of_the_policies() -> None:
    text = (ROOT / "docs" / "sre.md").read_text()
    section = text.partition("## Rights on the store")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| (`.+`) \| (`.+`) \|$", section, flags=re.MULTILINE)
    written = {Service(key): tuple(re.findall(r"`(\w+)`", cell) for cell in cells) for key, *cells in rows}
    named = {key: tuple(sorted(name.removeprefix("s3:") for name in side) for side in ACTIONS[key]) for key in ACTIONS}
    assert written == named


def test_the_table_of_topics_is_the_registry() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `([a-z.]+\.v\d+)` \|[^|]*\|[^|]*\| (.+) \| (.+) \| (.+) \|$", text, flags=re.MULTILINE)
    written = [(name, kept, _read(writers), _read(readers)) for name, kept, writers, readers in rows]
    assert written == [(topic.name, _kept(topic), topic.producers, topic.consumers) for topic in TOPICS]


def _read(cell: str) -> frozenset[Service]:
    """The services that a cell of the table says: "all", "all but live", "**masker alone**", "vision, api"."""
    everybody, names = cell.startswith("all"), set(re.findall(r"[a-z]+", cell)) - {"all", "but", "alone"}
    return frozenset(Service) - names if everybody else frozenset(map(Service, names))


def _kept(topic: Topic) -> str:
    if topic.retention is None:
        ends = topic.forgotten_after
        return "latest of each" + (f", {_words(ends)}" if ends is not None else "")
    return _words(topic.retention)


def _words(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    unit, size = next(each for each in (("day", 86400), ("hour", 3600), ("minute", 60)) if seconds >= each[1])
    return f"{seconds / size:g} {unit}{'s' if seconds > size else ''}"


def missing(page: Path, text: str) -> Iterator[str]:
    """What the text of a page names and nothing has."""
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text):
        if not (ROOT / path).exists() and "overlays" not in path:
            yield f"the file {path}"
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in link and not (page.parent / link).exists():
            yield f"the link {link}"
    for module in re.findall(r"python -m ([a-z_]\w*(?:\.\w+)*)(?![\w<.])", text):
        if not _can_be_started(module):
            yield f"the program {module}"
    for name in re.findall(r"\b(BEFFROI_\w*[A-Z0-9])\b", text):
        if not _is_setting(name):
            yield f"the setting {name}"


def _can_be_started(module: str) -> bool:
    try:
        found = importlib.util.find_spec(module)
        return found is not None and (
            found.submodule_search_locations is None or importlib.util.find_spec(f"{module}.__main__") is not None
        )
    except ModuleNotFoundError:
        return False


def _is_setting(name: str) -> bool:
    if name.startswith(PREFIXES):
        return not any(unknown_variables(each, {name: ""}) for each in SERVICES)
    stack = {f"BEFFROI_{field.upper()}" for field in StackSettings.model_fields}
    return name in stack or name in _read_by_the_installation()


def _read_by_the_installation() -> set[str]:
    scripts = [*ROOT.glob("local/**/*.sh"), *ROOT.glob("local/beffroi_local/*.py")]
    return {name for script in scripts for name in re.findall(r"\bBEFFROI_\w+", script.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    assert list(missing(page, page.read_text())) == []


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("see `services/ingest/Dockerfile`", "the file services/ingest/Dockerfile"),
        ("see [it](adr/0099-nothing.md#there)", "the link adr/0099-nothing.md"),
        ("run `python -m beffroi_detector.prepare`", "the program beffroi_detector.prepare"),
        ("run `python -m beffroi_common`", "the program beffroi_common"),
        ("set `BEFFROI_API_PUBLIC_ORIGINS`", "the setting BEFFROI_API_PUBLIC_ORIGINS"),
        ("set `BEFFROI_CASH`", "the setting BEFFROI_CASH"),
    ],
)
def test_what_is_not_there_is_seen(text: str, absent: str) -> None:
    assert list(missing(ROOT / "docs" / "sre.md", text)) == [absent]

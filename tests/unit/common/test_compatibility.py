"""A contract changes only so that yesterday's messages still mean the same; else the topic gets a new version.

`baseline.json` holds the schemas of what runs. After a compatible change write it anew with
`make generated`, which refuses an incompatible one.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beffroi_common.asyncapi import document, schema
from beffroi_common.topics import TOPICS, dead_letter_topic
from beffroi_testing.compatibility import breaks

BASELINE = Path(__file__).with_name("baseline.json")
REPOSITORY = Path(__file__).parents[3]
CONTRACTS = {topic.name: topic for topic in (*TOPICS, dead_letter_topic(TOPICS[0]))}


def current() -> dict[str, Any]:
    return {name: schema(topic) for name, topic in CONTRACTS.items()}


def baseline() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BASELINE.read_text())
    return found


def incompatible(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed so that older messages are read otherwise. On a topic that is new nothing was sent before."""
    return [
        f"{name}: {each}" for name in sorted(before.keys() & after.keys()) for each in breaks(before[name], after[name])
    ]


def test_no_contract_breaks_what_was_sent_before() -> None:
    assert incompatible(baseline(), current()) == []


def test_a_new_topic_breaks_nothing() -> None:
    before = current()
    del before["alerts.v1"]
    assert incompatible(before, current()) == []


def test_a_change_is_told_with_its_topic() -> None:
    after = copy.deepcopy(current())
    after["alerts.v1"]["properties"]["legal_basis"]["maxLength"] = 1
    assert [each.split(":")[0] for each in incompatible(current(), after)] == ["alerts.v1"]


def test_the_baseline_is_what_the_contracts_say_today() -> None:
    assert baseline() == json.loads(json.dumps(current())), "run: make generated"


def test_the_asyncapi_document_is_up_to_date() -> None:
    checked_in = json.loads((REPOSITORY / "docs/asyncapi.json").read_text())
    assert checked_in == json.loads(json.dumps(document())), "run: make generated"


def test_the_protobuf_code_is_what_the_proto_file_says(tmp_path: Path) -> None:
    contracts = REPOSITORY / "libs/common/beffroi_common/contracts"
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{contracts}", f"--python_out={tmp_path}", "frames.proto"],
        check=True,
    )
    assert (tmp_path / "frames_pb2.py").read_text() == (contracts / "frames_pb2.py").read_text()


def drop_a_field(contract: dict[str, Any]) -> None:
    del contract["properties"]["state"]


def require_another_field(contract: dict[str, Any]) -> None:
    contract["required"].append("onset_unknown")


def drop_a_word_of_an_enumeration(contract: dict[str, Any]) -> None:
    contract["$defs"]["AlertState"]["enum"].remove("updated")


def change_a_type(contract: dict[str, Any]) -> None:
    contract["properties"]["onset"]["type"] = "number"


def tighten_a_limit(contract: dict[str, Any]) -> None:
    contract["properties"]["legal_basis"]["maxLength"] = 5


@pytest.mark.parametrize(
    "change", [drop_a_field, require_another_field, drop_a_word_of_an_enumeration, change_a_type, tighten_a_limit]
)
def test_an_incompatible_change_is_seen(change: Callable[[dict[str, Any]], None]) -> None:
    before = schema(CONTRACTS["alerts.v1"])
    after = copy.deepcopy(before)
    change(after)
    assert list(breaks(before, after))


def test_a_renumbered_field_of_a_frame_batch_is_seen() -> None:
    before = schema(CONTRACTS["frames.masked.v1"])
    after = copy.deepcopy(before)
    after["FrameBatch"]["epoch"][0] = 99
    assert list(breaks(before, after))


def add_an_optional_field(contract: dict[str, Any]) -> None:
    contract["properties"]["note"] = {"type": "string", "default": ""}


def loosen_a_limit(contract: dict[str, Any]) -> None:
    contract["properties"]["legal_basis"]["maxLength"] = 500


@pytest.mark.parametrize("change", [add_an_optional_field, loosen_a_limit])
def test_a_compatible_change_is_let_pass(change: Callable[[dict[str, Any]], None]) -> None:
    before = schema(CONTRACTS["alerts.v1"])
    after = copy.deepcopy(before)
    change(after)
    assert list(breaks(before, after)) == []


if __name__ == "__main__":
    if broken := incompatible(baseline(), current()):
        sys.exit("incompatible, give the topic a new version: " + "; ".join(broken))
    BASELINE.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n")

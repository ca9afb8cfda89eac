"""Each alarm asks for metrics that exist, with labels that they have, and leads to a page that exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import beffroi_common.runtime.metrics  # noqa: F401 - makes them

ROOT = Path(__file__).parents[3]
RUNBOOK = ROOT / "docs/operations/README.md"
FROM_MONITORING = {"pod", "namespace"}
"""Labels that the scraping adds."""


def alarms() -> list[dict[str, Any]]:
    document = yaml.safe_load((ROOT / "k8s/components/alarms/alarms.yaml").read_text(encoding="utf-8"))
    return [rule for group in document["spec"]["groups"] for rule in group["rules"]]


def labels_of(metric: str) -> set[str]:
    for collector, names in REGISTRY._collector_to_names.items():
        if metric in names:
            return set(getattr(collector, "_labelnames", ()))
    raise AssertionError(f"there is no metric {metric}")


def headings() -> set[str]:
    titles = re.findall(r"^#+ (.*)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("alarm", alarms(), ids=lambda alarm: alarm["alert"])
def test_an_alarm_asks_for_what_there_is(alarm: dict[str, Any]) -> None:
    metrics = re.findall(r"beffroi_[a-z_]+", alarm["expr"])
    labels = FROM_MONITORING.union(*map(labels_of, metrics))
    said = re.findall(r"\$labels\.(\w+)", alarm["annotations"]["summary"])
    assert set(said) <= labels
    assert metrics or alarm["expr"].startswith("up{")


@pytest.mark.parametrize("alarm", alarms(), ids=lambda alarm: alarm["alert"])
def test_an_alarm_leads_to_its_page(alarm: dict[str, Any]) -> None:
    assert alarm["annotations"]["runbook"] in headings()


@pytest.mark.parametrize(
    "metric",
    [
        "beffroi_behind_seconds",
        "beffroi_headroom_seconds",
        "beffroi_records_overtaken_total",
        "beffroi_batches_missing_total",
        "beffroi_last_segment_stored_timestamp_seconds",
        "beffroi_last_retention_sweep_timestamp_seconds",
    ],
)
def test_each_measure_of_loss_has_an_alarm(metric: str) -> None:
    assert any(metric in alarm["expr"] for alarm in alarms())


@pytest.mark.parametrize("metric", ["beffroi_recordings_found_gone_total", "beffroi_configurations_undone_total"])
def test_what_somebody_else_did_has_an_alarm(metric: str) -> None:
    assert any(metric in alarm["expr"] for alarm in alarms())


def test_an_alarm_hears_the_first_event_of_a_counter_too() -> None:
    counted = [found for alarm in alarms() for found in re.findall(r"increase\((.+?)\[(\w+)\]\)", alarm["expr"])]
    assert len(counted) >= 5
    for counter, window in counted:
        whole = f"({counter} unless {counter} offset {window}) or increase({counter}[{window}])"
        assert any(whole in alarm["expr"] for alarm in alarms()), counter

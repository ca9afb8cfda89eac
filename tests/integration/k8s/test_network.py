"""Nothing is reachable but what a workload is told to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.k8s.deployment import Site, faults
from tests.integration.k8s.network import egress, ingress

Manifest = dict[str, Any]
Cell = tuple[Manifest, ...]
Look = Callable[[Manifest, list[Manifest]], set[Any]]

PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

REACHED = {
    "kube-system k8s-app=kube-dns": {"api", "ingest", "masker", "recorder", "rules", "topics", "vision"},
    "kafka": {"api", "ingest", "masker", "recorder", "rules", "topics", "vision"},
    "minio": {"api", "recorder"},
    "postgresql": {"api"},
    **{network: {"ingest"} for network in PRIVATE_NETWORKS},
}
"""Which workloads of the base may connect to what lies outside the namespace; never to each other."""

ENTERED = {
    "monitoring": {"api", "ingest", "masker", "recorder", "rules", "vision"},
    "ingress": {"api"},
}


LIVE = {
    "kube-system k8s-app=kube-dns": {"live"},
    "kafka": {"live"},
    "postgresql": {"live"},
    "monitoring": {"live"},
    "ingress": {"live"},
}
"""Who must be added to these where live views are a workload of their own."""


@pytest.mark.parametrize(("look", "expected"), [(egress, REACHED), (ingress, ENTERED)])
def test_who_connects_to_whom(look: Look, expected: dict[str, set[str]], cell: Cell, pods: dict[str, Manifest]) -> None:
    policies = [each for each in cell if each["kind"] == "NetworkPolicy"]
    found: dict[str, set[str]] = {}
    for name, pod in pods.items():
        for opening in look(pod, policies):
            found.setdefault(opening.peer, set()).add(name)
    more = LIVE if "live" in pods else {}
    assert found == {peer: names | more.get(peer, set()) for peer, names in expected.items()}


def test_a_cell_works_where_everything_is_named_as_it_says(cell: Cell) -> None:
    assert faults(cell, Site(registry="beffroi", camera_networks=PRIVATE_NETWORKS)) == []

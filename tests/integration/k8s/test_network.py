"""Nothing is reachable but what a workload's own policy names."""

from __future__ import annotations

from typing import Any

import pytest

Manifest = dict[str, Any]

REACHED = {
    "kafka": {"api", "ingest", "masker", "recorder", "rules", "topics", "vision"},
    "minio": {"api", "recorder"},
    "postgresql": {"api"},
}
"""Which workloads may reach what lies outside the namespace, by the name of the other namespace."""

ENTERED = {
    "monitoring": {"api", "ingest", "masker", "recorder", "rules", "vision"},
    "ingress": {"api"},
}


@pytest.fixture(scope="session")
def policies(cell: tuple[Manifest, ...]) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each["spec"] for each in cell if each["kind"] == "NetworkPolicy"}


def _peers(policies: dict[str, Manifest], direction: str, side: str, kind: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, policy in policies.items():
        for rule in policy.get(direction, []):
            assert rule["ports"], f"{name}: a rule without ports opens all of them"
            for peer in rule[side]:
                if kind in peer and name != "name-service":
                    found.setdefault(str(_target(peer[kind])), set()).add(name)
    return found


def _target(selector: Manifest) -> object:
    return selector.get("matchLabels", {}).get("kubernetes.io/metadata.name") or selector.get("cidr")


def test_without_a_policy_nothing_passes(policies: dict[str, Manifest]) -> None:
    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_each_workload_has_a_policy_for_both_directions(
    policies: dict[str, Manifest], pods: dict[str, Manifest]
) -> None:
    assert set(policies) == set(pods) | {"deny-all", "name-service"}
    for name in pods:
        assert policies[name]["policyTypes"] == ["Ingress", "Egress"]


def test_who_reaches_what(policies: dict[str, Manifest]) -> None:
    assert _peers(policies, "egress", "to", "namespaceSelector") == REACHED
    assert _peers(policies, "ingress", "from", "namespaceSelector") == ENTERED


def test_services_never_talk_to_each_other(policies: dict[str, Manifest]) -> None:
    assert not _peers(policies, "egress", "to", "podSelector")
    assert not _peers(policies, "ingress", "from", "podSelector")


def test_only_ingest_reaches_cameras(policies: dict[str, Manifest]) -> None:
    for readers in _peers(policies, "egress", "to", "ipBlock").values():
        assert readers == {"ingest"}
    assert not _peers(policies, "ingress", "from", "ipBlock")


def test_ports_of_the_policies_are_those_of_the_settings(
    policies: dict[str, Manifest], cell: tuple[Manifest, ...]
) -> None:
    data = {key: value for each in cell if each["kind"] == "ConfigMap" for key, value in each["data"].items()}
    kafka_port = int(data["bootstrap-servers"].rpartition(":")[2])
    store_port = int(data["endpoint"].rpartition(":")[2])
    recorder = {port["port"] for rule in policies["recorder"]["egress"] for port in rule["ports"]}
    assert recorder == {kafka_port, store_port}

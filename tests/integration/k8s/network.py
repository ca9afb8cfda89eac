"""What the rendered network policies let a pod do, worked out as a cluster would: the union of all that select it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Set by the cluster itself on each namespace."""

EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, order=True)
class Opening:
    """One connection that may be made: with whom, to which port."""

    peer: str
    """A namespace, a namespace and pods in it (`kube-system k8s-app=kube-dns`), or a network (`10.0.0.0/8`)."""
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.peer} {self.protocol}/{self.port}"


def egress(pod: Manifest, policies: Iterable[Manifest]) -> set[Opening]:
    """Where a pod may connect to."""
    return _openings(pod, policies, "Egress", "to")


def ingress(pod: Manifest, policies: Iterable[Manifest]) -> set[Opening]:
    """Who may connect to which of a pod's ports."""
    return _openings(pod, policies, "Ingress", "from")


def _openings(pod: Manifest, policies: Iterable[Manifest], direction: str, side: str) -> set[Opening]:
    chosen = [each["spec"] for each in policies if _selects(each["spec"], pod, direction)]
    if not chosen:
        return {Opening(EVERYWHERE, 0, "any")}  # a pod that no policy selects is open
    rules = [rule for spec in chosen for rule in spec.get(direction.lower(), [])]
    return {opening for rule in rules for opening in _rule(rule, side, _named_ports(pod))}


def _selects(spec: Manifest, pod: Manifest, direction: str) -> bool:
    return direction in spec["policyTypes"] and _fits(spec["podSelector"], pod["metadata"]["labels"])


def _fits(selector: Manifest, labels: Manifest) -> bool:
    wanted: dict[str, list[str]] = {key: [value] for key, value in selector.get("matchLabels", {}).items()}
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "only In is used here"
        wanted[expression["key"]] = expression["values"]
    return all(labels.get(key) in values for key, values in wanted.items())


def _rule(rule: Manifest, side: str, named_ports: dict[str, int]) -> Iterator[Opening]:
    ports = rule.get("ports", [{"port": 0, "protocol": "any"}])
    for peer in rule.get(side, [{"ipBlock": {"cidr": EVERYWHERE}}]):
        for port in ports:
            if port["port"] in named_ports or isinstance(port["port"], int):  # other names are of other pods
                yield Opening(_peer(peer), named_ports.get(port["port"], port["port"]), port["protocol"])


def _peer(peer: Manifest) -> str:
    if "ipBlock" in peer:
        assert set(peer["ipBlock"]) == {"cidr"}, "exceptions are not used here"
        return str(peer["ipBlock"]["cidr"])
    labels = peer.get("namespaceSelector", {}).get("matchLabels", {})
    namespace = labels.get(NAMESPACE_LABEL, "any namespace" if "namespaceSelector" in peer else "own namespace")
    pods = ",".join(f"{key}={value}" for key, value in peer.get("podSelector", {}).get("matchLabels", {}).items())
    return f"{namespace} {pods}".strip()


def _named_ports(pod: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in pod["spec"]["containers"] for port in each.get("ports", [])}

"""Every pod keeps to the Pod Security Standard "restricted", and to a little more."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

Manifest = dict[str, Any]

USER = 10001
"""As in the images: fixed, so that files on a volume keep their owner."""

VOLUMES = {"emptyDir", "secret", "configMap"}
PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def size_bytes(quantity: str) -> int:
    """Bytes of a Kubernetes quantity."""
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def _pod_weaknesses(spec: Manifest) -> list[str]:
    context = spec.get("securityContext", {})
    volumes = spec.get("volumes", [])
    checks = {
        "takes an API token": spec.get("automountServiceAccountToken") is False,
        "has no account of its own": spec.get("serviceAccountName", "default") != "default",
        "gets the cluster's service variables": spec.get("enableServiceLinks") is False,
        "may run as root": context.get("runAsNonRoot") is True,
        "has no fixed user": context.get("runAsUser") == context.get("runAsGroup") == context.get("fsGroup") == USER,
        "has no seccomp profile": context.get("seccompProfile") == {"type": "RuntimeDefault"},
        "shares the host": not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
        "mounts something else": all(set(volume) - {"name"} <= VOLUMES for volume in volumes),
        "has an unbounded work folder": all(
            "sizeLimit" in volume.get("emptyDir", {"sizeLimit": 0}) for volume in volumes
        ),
    }
    return [weakness for weakness, good in checks.items() if not good]


def _container_weaknesses(container: Manifest) -> list[str]:
    context = container.get("securityContext", {})
    resources = container.get("resources", {})
    needed = {"cpu", "memory", "ephemeral-storage"}
    checks = {
        "may gain privileges": context.get("allowPrivilegeEscalation") is False and not context.get("privileged"),
        "writes to its root": context.get("readOnlyRootFilesystem") is True,
        "has capabilities": context.get("capabilities") == {"drop": ["ALL"]},
        "loosens the pod's rules": not {"runAsUser", "runAsNonRoot", "seccompProfile"} & set(context),
        "asks for nothing": set(resources.get("requests", {})) == needed,
        "has no limits": set(resources.get("limits", {})) == needed,
        "takes a port of the host": not any("hostPort" in port for port in container.get("ports", [])),
        "uses a floating image": re.fullmatch(r"[^:]+:(?!latest$)[^:]+(@sha256:[0-9a-f]{64})?", container["image"])
        is not None,
    }
    return [weakness for weakness, good in checks.items() if not good]


def weaknesses(pod: Manifest) -> list[str]:
    """What is wrong with a pod, in words."""
    spec = pod["spec"]
    found = _pod_weaknesses(spec)
    for container in spec.get("initContainers", []) + spec["containers"]:
        found += [f"{container['name']} {weakness}" for weakness in _container_weaknesses(container)]
    return found


def test_pods_have_no_weakness(pods: dict[str, Manifest]) -> None:
    assert {name: weaknesses(pod) for name, pod in pods.items()} == {name: [] for name in pods}


Break = Callable[[Manifest, Manifest], None]
BREAKS: dict[str, Break] = {
    "takes an API token": lambda spec, _: spec.pop("automountServiceAccountToken"),
    "has no account of its own": lambda spec, _: spec.pop("serviceAccountName"),
    "gets the cluster's service variables": lambda spec, _: spec.update(enableServiceLinks=True),
    "may run as root": lambda spec, _: spec["securityContext"].pop("runAsNonRoot"),
    "has no fixed user": lambda spec, _: spec["securityContext"].update(runAsUser=0),
    "has no seccomp profile": lambda spec, _: spec["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "shares the host": lambda spec, _: spec.update(hostNetwork=True),
    "mounts something else": lambda spec, _: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "has an unbounded work folder": lambda spec, _: spec["volumes"].append({"name": "x", "emptyDir": {}}),
    "api may gain privileges": lambda _, main: main["securityContext"].update(allowPrivilegeEscalation=True),
    "api writes to its root": lambda _, main: main["securityContext"].pop("readOnlyRootFilesystem"),
    "api has capabilities": lambda _, main: main["securityContext"]["capabilities"].update(add=["NET_RAW"]),
    "api loosens the pod's rules": lambda _, main: main["securityContext"].update(runAsUser=0),
    "api asks for nothing": lambda _, main: main["resources"].pop("requests"),
    "api has no limits": lambda _, main: main["resources"]["limits"].pop("memory"),
    "api takes a port of the host": lambda _, main: main["ports"].append({"hostPort": 80}),
    "api uses a floating image": lambda _, main: main.update(image="beffroi/api:latest"),
}


@pytest.mark.parametrize("weakness", BREAKS)
def test_each_weakness_is_seen(pods: dict[str, Manifest], weakness: str) -> None:
    pod = copy.deepcopy(pods["api"])
    BREAKS[weakness](pod["spec"], pod["spec"]["containers"][0])
    assert weaknesses(pod) == [weakness]


def test_services_are_asked_how_they_are(pods: dict[str, Manifest], service: str) -> None:
    (main,) = pods[service]["spec"]["containers"]
    assert "admin" in {port["name"] for port in main["ports"]}
    for probe, path in PROBES.items():
        assert main[probe]["httpGet"] == {"path": path, "port": "admin"}


def test_what_a_container_may_write_fits_its_disk(pods: dict[str, Manifest]) -> None:
    for pod in pods.values():
        sizes = [size_bytes(v["emptyDir"]["sizeLimit"]) for v in pod["spec"].get("volumes", []) if "emptyDir" in v]
        limit = pod["spec"]["containers"][0]["resources"]["limits"]["ephemeral-storage"]
        assert sum(sizes) <= size_bytes(limit)


def test_the_namespace_refuses_what_is_not_restricted(cell: tuple[Manifest, ...]) -> None:
    (namespace,) = (each for each in cell if each["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_each_workload_has_an_account_of_its_own_without_a_token(
    cell: tuple[Manifest, ...], pods: dict[str, Manifest]
) -> None:
    accounts = {each["metadata"]["name"]: each for each in cell if each["kind"] == "ServiceAccount"}
    assert {name: pod["spec"]["serviceAccountName"] for name, pod in pods.items()} == {name: name for name in accounts}
    assert not any(account["automountServiceAccountToken"] for account in accounts.values())


def test_several_instances_go_one_at_a_time(cell: tuple[Manifest, ...], service: str) -> None:
    budgets = {each["metadata"]["name"]: each["spec"] for each in cell if each["kind"] == "PodDisruptionBudget"}
    assert budgets[service]["maxUnavailable"] == 1

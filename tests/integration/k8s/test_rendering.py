"""Every workload renders, fits the published schemas, and says nothing that leads nowhere."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from tests.integration.k8s.deployment import containers
from tests.unit.k8s import dockerfile

from beffroi_common.topics import Service

OLDEST_VERSION = "1.34"
"""Of Kubernetes, that the manifests are checked against; beside the newest whose schemas are known."""

SECRET_NAME = re.compile(r"(?i)(password|secret|access.?key|token)(?!name$|s?_(dir|file)$)")
"""What a variable with a secret in it is called; the name of a Secret or of a folder is none."""

SECRETS = {
    "api": {"store-api", "database", "database-ca", "trail", "second-factor"},
    "ingest": {"camera-credentials"},
    "live": {"database", "database-ca", "trail"},
    "recorder": {"store-recorder"},
}
"""What workloads are given beside the password of their own user of Kafka: live views hold no key of the store."""

Manifest = dict[str, Any]
Cell = tuple[Manifest, ...]
Render = Callable[[Path], Cell]


def _names(manifests: Cell, kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in manifests if each["kind"] == kind}


def _identities(manifests: Cell) -> set[tuple[str, str]]:
    # A generated ConfigMap carries the digest of its contents at the end, the same wherever it is rendered.
    return {(each["kind"], each["metadata"]["name"]) for each in manifests}


def _all_containers(pods: dict[str, Manifest]) -> Iterator[tuple[str, Manifest]]:
    for name, pod in pods.items():
        for container in containers(pod):
            yield name, container


def test_each_service_of_the_registry_is_a_workload(render: Render, root: Path) -> None:
    services, base = {str(service) for service in Service}, render(root / "k8s" / "base")
    with_live = render(Path(__file__).with_name("with_live"))
    assert _names(with_live, "StatefulSet") == services
    assert _names(base, "StatefulSet") == services - {str(Service.LIVE)}, "by default the api serves live views"


def test_live_views_change_nothing_of_the_base_but_whom_policies_let_through(render: Render, root: Path) -> None:
    base, with_live = (
        {(each["kind"], each["metadata"]["name"]): each for each in render(folder)}
        for folder in (root / "k8s" / "base", Path(__file__).with_name("with_live"))
    )
    assert base.keys() < with_live.keys()
    changed = {identity for identity, manifest in base.items() if with_live[identity] != manifest}
    assert changed == {("NetworkPolicy", name) for name in ("database", "kafka", "public-port")}
    for identity in changed:
        (found,) = with_live[identity]["spec"]["podSelector"]["matchExpressions"]
        assert found["values"].pop() == "live"
        assert with_live[identity] == base[identity]


def test_a_workload_renders_by_itself_and_is_part_of_the_cell(workload_manifests: Cell, cell: Cell) -> None:
    assert workload_manifests
    assert _identities(workload_manifests) <= _identities(cell)


@pytest.mark.parametrize("version", [OLDEST_VERSION, kubernetes_validate.latest_version()])
def test_manifests_fit_the_schemas(workload_manifests: Cell, version: str) -> None:
    for manifest in workload_manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_slip_of_the_hand_does_not_fit_the_schemas(cell: Cell) -> None:
    broken = copy.deepcopy(next(each for each in cell if each["kind"] == "StatefulSet"))
    broken["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePullPolcy"):
        kubernetes_validate.validate(broken, kubernetes_validate.latest_version(), strict=True)


def test_everything_is_in_one_namespace_and_carries_the_labels(cell: Cell) -> None:
    for manifest in cell:
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "beffroi"
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "beffroi"


def test_images_carry_the_version_of_their_distribution(pods: dict[str, Manifest], root: Path) -> None:
    for pod, container in _all_containers(pods):
        repository, _, tag = container["image"].partition(":")
        distribution = repository.removeprefix("beffroi/")
        project = tomllib.loads((root / "services" / distribution / "pyproject.toml").read_text())["project"]
        assert tag == project["version"], f"{pod}: {container['image']}"
        assert distribution in dockerfile.read().stages


def test_what_a_pod_reads_from_configuration_is_there(pods: dict[str, Manifest], cell: Cell) -> None:
    maps = {each["metadata"]["name"]: each["data"] for each in cell if each["kind"] == "ConfigMap"}
    for _, container in _all_containers(pods):
        for source in container.get("envFrom", []):
            assert source["configMapRef"]["name"] in maps
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("configMapKeyRef")
            assert reference is None or reference["key"] in maps[reference["name"]]


def test_selectors_find_the_pods_of_their_workload(cell: Cell, pods: dict[str, Manifest]) -> None:
    for manifest in cell:
        name, spec = manifest["metadata"]["name"], manifest.get("spec", {})
        match manifest["kind"]:
            case "Service":
                selector = spec["selector"]
            case "PodDisruptionBudget" | "StatefulSet":
                selector = spec["selector"]["matchLabels"]
            case _:
                continue
        found = [pod for pod, template in pods.items() if selector.items() <= template["metadata"]["labels"].items()]
        assert found == [name.removesuffix("-admin")]


def test_services_lead_to_ports_that_their_pods_have(cell: Cell, pods: dict[str, Manifest]) -> None:
    for manifest in cell:
        if manifest["kind"] == "Service":
            pod = pods[manifest["metadata"]["name"].removesuffix("-admin")]
            there = {port["name"] for each in pod["spec"]["containers"] for port in each["ports"]}
            assert {port["targetPort"] for port in manifest["spec"]["ports"]} <= there


def test_pods_have_names_that_can_be_looked_up(cell: Cell) -> None:
    headless = {e["metadata"]["name"] for e in cell if e["kind"] == "Service" and e["spec"].get("clusterIP") == "None"}
    for manifest in cell:
        if manifest["kind"] == "StatefulSet":
            assert manifest["spec"]["serviceName"] in headless


def test_secrets_are_only_referred_to(cell: Cell) -> None:
    assert not _names(cell, "Secret")
    for manifest in cell:
        for path, value in _leaves(manifest):
            if SECRET_NAME.search(path[-1]):
                pytest.fail(f"{manifest['kind']} {manifest['metadata']['name']}: {'.'.join(path)} holds {value!r}")
            if "://" in str(value):
                authority = str(value).partition("://")[2].partition("/")[0]
                assert ":" not in authority.partition("@")[0] or "@" not in authority, f"{path}: password in an address"


def test_secrets_that_must_exist_are_in_the_documentation(pods: dict[str, Manifest], root: Path) -> None:
    text = (root / "docs" / "sre.md").read_text()
    for name, pod in pods.items():
        for secret, key in _secret_keys(pod):
            assert any(f"`{secret}`" in line and f"`{key}`" in line for line in text.splitlines()), (
                f"{name} needs the key {key} of the secret {secret}: say so in docs/sre.md"
            )


def test_each_workload_is_given_its_own_secrets_alone(pods: dict[str, Manifest]) -> None:
    given = {name: {secret for secret, _ in _secret_keys(pod)} for name, pod in pods.items()}
    assert given == {name: {f"beffroi-{name}", "kafka-ca"} | SECRETS.get(name, set()) for name in pods}


def _secret_keys(pod: Manifest) -> Iterator[tuple[str, str]]:
    for container in containers(pod):
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield reference["name"], reference["key"]
    for volume in pod["spec"].get("volumes", []):
        if secret := volume.get("secret"):
            for key in [item["key"] for item in secret.get("items", [])] or [secret["secretName"]]:
                yield secret["secretName"], key


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value in `value` with its path; an environment variable's path ends with its name."""
    if isinstance(value, dict):
        if "name" in value and "value" in value:
            yield (*path, str(value["name"])), value["value"]
            return
        for key, inner in value.items():
            if key not in {"secretKeyRef", "automountServiceAccountToken"}:
                yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


@pytest.mark.parametrize(
    "manifest",
    [
        "{kind: ConfigMap, metadata: {name: x}, data: {BEFFROI_X_KAFKA__PASSWORD: hunter2}}",
        "{kind: ConfigMap, metadata: {name: x}, data: {URL: 'postgresql://u:hunter2@host/db'}}",
        "{kind: Pod, metadata: {name: x}, spec: {containers: [{env: [{name: PGPASSWORD, value: hunter2}]}]}}",
        "{kind: Secret, metadata: {name: x}}",
    ],
)
def test_a_secret_written_down_is_seen(manifest: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_secrets_are_only_referred_to((yaml.safe_load(manifest),))

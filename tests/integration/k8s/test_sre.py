"""docs/sre.md works word for word: its overlay is written where it says, rendered and judged, its commands are run."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from tests.application import TRAIL_KEY
from tests.integration.k8s import route
from tests.integration.k8s.deployment import PUBLIC, Site, containers, environment, faults, pods
from tests.unit.k8s import dockerfile

from beffroi_api.http import access
from beffroi_api.http.app import create_app, create_live_app
from beffroi_api.live.settings import LiveProcessSettings
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_detector.manifest import GRAPH, MANIFEST, NUMBERS

Manifest = dict[str, Any]
Cell = tuple[Manifest, ...]
Render = Callable[[Path], Cell]

REGISTRY = "registry.example/beffroi"
CAMERA_NETWORKS = ("10.20.0.0/16",)
COMMANDS_TIMEOUT_S = 120.0
"""The preparation of the model looks whether it is there, on a busy machine."""

RECORDER = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
"""
"""A program that stands for docker and kubectl: it writes down how it was called."""


@dataclass(frozen=True)
class Checkout:
    """A copy of what the page speaks of, with the page's overlay in it."""

    root: Path
    page: str

    @property
    def overlay(self) -> Path:
        """The folder that the first line of the overlay names."""
        return (self.root / self.blocks("yaml")[0].splitlines()[0].removeprefix("# ")).parent

    def blocks(self, language: str) -> list[str]:
        """The page's blocks in a language."""
        return re.findall(rf"```{language}\n(.*?)```", self.page, flags=re.DOTALL)

    def write_overlay(self, *, with_live: bool) -> None:
        """Write each file where its first line says; what goes to its end belongs to the live views."""
        for block in self.blocks("yaml"):
            name, _, place = block.splitlines()[0].removeprefix("# ").partition(", ")
            assert place in {"", "at its end"}
            if not place:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                (self.root / name).write_text(block)
            elif with_live:
                (self.root / name).write_text((self.root / name).read_text() + block)


@pytest.fixture(scope="session")
def checkouts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkout]:
    """One with the overlay as it is given first, one with live views as a workload of their own."""
    page = (root / "docs" / "sre.md").read_text()
    made = {name: Checkout(tmp_path_factory.mktemp("checkout"), page) for name in ("overlay", "with_live")}
    for name, each in made.items():
        shutil.copytree(root / "k8s", each.root / "k8s")
        (each.root / ".venv").symlink_to(Path(sys.executable).parents[1])
        each.write_overlay(with_live=name == "with_live")
    return made


@pytest.fixture(scope="session", params=["overlay", "with_live"])
def checkout(request: pytest.FixtureRequest, checkouts: dict[str, Checkout]) -> Checkout:
    return checkouts[request.param]


@pytest.fixture(scope="session")
def overlay(checkout: Checkout, render: Render) -> Cell:
    return render(checkout.overlay)


@pytest.fixture(scope="session")
def overlay_with_live(checkouts: dict[str, Checkout], render: Render) -> Cell:
    return render(checkouts["with_live"].overlay)


@pytest.fixture(scope="session")
def site(root: Path) -> Site:
    page = (root / "docs" / "sre.md").read_text()
    hosts = dict(re.findall(r"`(\S+)` in the network `(\S+)`", page.replace("\n", " ")))
    return Site(registry=REGISTRY, hosts=hosts, camera_networks=CAMERA_NETWORKS)


def test_the_overlay_has_no_fault(overlay: Cell, site: Site) -> None:
    assert faults(overlay, site) == []


def test_the_overlay_fits_the_schemas(overlay: Cell) -> None:
    for manifest in overlay:
        if manifest["kind"] != "HTTPRoute":  # which is not of Kubernetes itself: see route.py
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_what_the_site_decided_is_in_the_overlay(overlay: Cell) -> None:
    data = {key: value for each in overlay if each["kind"] == "ConfigMap" for key, value in each["data"].items()}
    assert data["bootstrap-servers"] == "broker.example:9093"
    assert data["slots"] == "12", "what is not said again stays as in the base"
    assert data["public-origin"] == "https://beffroi.my-commune.example"


def test_api_and_live_are_told_the_same_of_the_site(overlay_with_live: Cell) -> None:
    api, live = (
        environment(pods(overlay_with_live)[name]["spec"]["containers"][0], overlay_with_live)
        for name in ("api", "live")
    )
    for name in ("PUBLIC_ORIGIN", "TRUSTED_PROXIES", "DATABASE_URL", "KAFKA__BOOTSTRAP_SERVERS"):
        assert api[f"BEFFROI_API_{name}"] == live[f"BEFFROI_LIVE_{name}"]
    assert live["BEFFROI_LIVE_PUBLIC_ORIGIN"] == "https://beffroi.my-commune.example"
    assert live["BEFFROI_LIVE_TRUSTED_PROXIES"] == "10.1.2.3"


def _named(cell: Cell, kind: str, name: str) -> Manifest:
    """The one manifest whose name is `name`, with or without the digest that kustomize adds."""
    pattern = rf"{name}(-[a-z0-9]{{10}})?"
    (found,) = (e for e in cell if e["kind"] == kind and re.fullmatch(pattern, e["metadata"]["name"]))
    return dict(found)


def _set_image(cell: Cell, workload: str, container: int, image: str) -> None:
    containers(pods(cell)[workload])[container]["image"] = image


def _rule(cell: Cell, policy: str, direction: str = "egress") -> Manifest:
    return dict(_named(cell, "NetworkPolicy", policy)["spec"][direction][0])


def _users(cell: Cell, policy: str) -> list[str]:
    values: list[str] = _named(cell, "NetworkPolicy", policy)["spec"]["podSelector"]["matchExpressions"][0]["values"]
    return values


def _open_to(cell: Cell, policy: str, **peer: Manifest) -> None:
    _rule(cell, policy)["to"].append(peer)


BREAKS: list[tuple[str, Callable[[Cell], object]]] = [
    # images
    ("recorder: beffroi/recorder:0.1.0 is not from", lambda c: _set_image(c, "recorder", 0, "beffroi/recorder:0.1.0")),
    ("api: beffroi/api:0.1.0 is not from", lambda c: _set_image(c, "api", 0, "beffroi/api:0.1.0")),
    ("topics: beffroi/ingest:0.1.0 is not from", lambda c: _set_image(c, "topics", 0, "beffroi/ingest:0.1.0")),
    ("floats", lambda c: _set_image(c, "vision", 0, f"{REGISTRY}/detector:latest")),
    ("floats", lambda c: _set_image(c, "vision", 0, f"{REGISTRY}/detector")),
    # addresses
    (
        "masker: nobody says where other.example",
        lambda c: _named(c, "ConfigMap", "kafka")["data"].update({"bootstrap-servers": "other.example:9093"}),
    ),
    (
        "topics: cannot connect to kafka TCP/9093",
        lambda c: _named(c, "ConfigMap", "kafka")["data"].update({"bootstrap-servers": "broker.kafka.svc:9093"}),
    ),
    (
        "recorder: cannot connect to minio TCP/9001",
        lambda c: _named(c, "ConfigMap", "store")["data"].update(endpoint="minio.minio.svc:9001"),
    ),
    (
        "api: cannot connect to 203.0.113.7/32 TCP/5432",
        lambda c: _named(c, "ConfigMap", "database")["data"].update(url="postgresql+psycopg://beffroi@203.0.113.7/b"),
    ),
    (
        "ingest: cannot connect to tracing TCP/4318",
        lambda c: _named(c, "ConfigMap", "ingest")["data"].update(
            BEFFROI_INGEST_OTLP_ENDPOINT="http://collector.tracing.svc:4318/v1/traces"
        ),
    ),
    (
        "looks like an address that no test knows",
        lambda c: _named(c, "ConfigMap", "ingest")["data"].update(BEFFROI_INGEST_NEW="relay.example:8554"),
    ),
    # policies
    ("rules: cannot connect to 198.51.100.8/29 TCP/9093", lambda c: _users(c, "kafka").remove("rules")),
    ("masker: may connect to minio TCP/9000", lambda c: _users(c, "store").append("masker")),
    ("may connect to kafka TCP/9093", lambda c: _open_to(c, "kafka", namespaceSelector=_namespace("kafka"))),
    ("may connect to 0.0.0.0/0 TCP/9093", lambda c: _open_to(c, "kafka", ipBlock={"cidr": "0.0.0.0/0"})),
    ("may connect to any namespace", lambda c: _open_to(c, "store", namespaceSelector={})),
    ("may connect to own namespace", lambda c: _open_to(c, "store", podSelector={})),
    (
        "may connect to 198.51.100.8/29 any/0",
        lambda c: _named(c, "NetworkPolicy", "kafka")["spec"]["egress"][0].pop("ports"),
    ),
    ("ingest: cannot connect to 10.20.0.0/16 TCP/554", lambda c: _rule(c, "cameras")["ports"].pop(0)),
    ("ingest: may connect to 10.0.0.0/8", lambda c: _open_to(c, "cameras", ipBlock={"cidr": "10.0.0.0/8"})),
    (
        "api: takes cameras of networks 10.0.0.0/8",
        lambda c: _named(c, "ConfigMap", "cameras")["data"].update(networks="10.0.0.0/8"),
    ),
    (
        "ingest: takes cameras of ports 80",
        lambda c: _named(c, "ConfigMap", "cameras")["data"].update(ports="80"),
    ),
    ("cannot connect to kube-system", lambda c: _rule(c, "name-service")["ports"].clear()),
    ("api: is not reached by ingress TCP/8080", lambda c: _rule(c, "public-port", "ingress")["ports"].clear()),
    (
        "recorder: is not reached by monitoring TCP/9100",
        lambda c: _rule(c, "admin-port", "ingress")["ports"][0].update(port="metrics"),
    ),
    (
        "masker: is reached by ingress TCP/9100",
        lambda c: _rule(c, "admin-port", "ingress")["from"].append({"namespaceSelector": _namespace("ingress")}),
    ),
    (
        "a pod without a policy of its own is open",
        lambda c: _named(c, "NetworkPolicy", "deny-all")["spec"].update(policyTypes=["Ingress"]),
    ),
]


LIVE_BREAKS: list[tuple[str, Callable[[Cell], object]]] = [
    ("live: beffroi/api:0.1.0 is not from", lambda c: _set_image(c, "live", 0, "beffroi/api:0.1.0")),
    ("live: cannot connect to 198.51.100.8/29 TCP/9093", lambda c: _users(c, "kafka").remove("live")),
    ("live: cannot connect to postgresql TCP/5432", lambda c: _users(c, "database").remove("live")),
    ("live: is not reached by ingress TCP/8080", lambda c: _users(c, "public-port").remove("live")),
    ("live: may connect to minio TCP/9000", lambda c: _users(c, "store").append("live")),
    (
        "live: is reached by ingress TCP/9100",
        lambda c: _rule(c, "public-port", "ingress")["ports"][0].update(port=9100),
    ),
    (
        "live: is not reached by monitoring TCP/9100",
        lambda c: _named(c, "NetworkPolicy", "admin-port")["spec"].update(podSelector={"matchLabels": {"x": "y"}}),
    ),
]


def _namespace(name: str) -> Manifest:
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


@pytest.mark.parametrize(("fault", "break_it"), BREAKS, ids=[fault for fault, _ in BREAKS])
def test_each_fault_is_seen(fault: str, break_it: Callable[[Cell], object], overlay: Cell, site: Site) -> None:
    broken = copy.deepcopy(overlay)
    break_it(broken)
    assert any(fault in each for each in faults(broken, site)), faults(broken, site)


@pytest.mark.parametrize(("fault", "break_it"), LIVE_BREAKS, ids=[fault for fault, _ in LIVE_BREAKS])
def test_each_fault_of_the_live_views_is_seen(
    fault: str, break_it: Callable[[Cell], object], overlay_with_live: Cell, site: Site
) -> None:
    test_each_fault_is_seen(fault, break_it, overlay_with_live, site)


@pytest.fixture(scope="session")
def calls(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """How the page's commands call docker and kubectl, run by a real shell."""
    programs = tmp_path_factory.mktemp("programs")
    log = programs / "calls"
    for name in ("docker", "kubectl"):
        program = programs / name
        program.write_text(RECORDER.format(python=sys.executable, log=str(log), name=name))
        program.chmod(0o755)
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", *checkout.blocks("sh")],
        cwd=checkout.root,
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        timeout=COMMANDS_TIMEOUT_S,
    )
    return [json.loads(line) for line in log.read_text().splitlines()]


def _calls_of(calls: Sequence[Sequence[str]], *beginning: str) -> list[list[str]]:
    return [list(call[len(beginning) :]) for call in calls if tuple(call[: len(beginning)]) == beginning]


def _option(call: Sequence[str], name: str) -> str:
    """What follows `--name`, or stands behind it with an equals sign."""
    for position, word in enumerate(call):
        if word == name:
            return call[position + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise AssertionError(f"{name} is not in {call}")


def test_every_image_of_the_overlay_is_built_by_its_target_and_pushed(calls: list[list[str]], overlay: Cell) -> None:
    builds = {_option(call, "--tag"): _option(call, "--target") for call in _calls_of(calls, "docker", "build")}
    wanted = {container["image"] for pod in pods(overlay).values() for container in containers(pod)}
    assert set(builds) == wanted
    assert {image for (image,) in _calls_of(calls, "docker", "push")} == wanted
    for image, target in builds.items():
        assert image.startswith(f"{REGISTRY}/{target}:")
        assert target in dockerfile.read().stages


def test_the_model_comes_as_the_context_that_its_image_copies_from(calls: list[list[str]]) -> None:
    (detector,) = (c for c in _calls_of(calls, "docker", "build") if _option(c, "--target") == "detector")
    name, _, folder = _option(detector, "--build-context").partition("=")
    assert any(value.startswith(f"--from={name} ") for value in dockerfile.read().stages["detector"].values("COPY"))
    assert {path.name for path in Path(folder).iterdir()} == {MANIFEST, GRAPH, NUMBERS}


def test_what_is_applied_waited_for_and_entered_is_in_the_cluster(
    calls: list[list[str]], checkout: Checkout, overlay: Cell, render: Render
) -> None:
    applied = [checkout.root / _option(call, "--kustomize") for call in _calls_of(calls, "kubectl", "apply")]
    assert applied == [checkout.root / "k8s" / "base" / "namespace", checkout.overlay]
    (namespace,) = (e["metadata"]["name"] for e in render(applied[0]) if e["kind"] == "Namespace")
    there = {f"{e['kind'].lower()}/{e['metadata']['name']}" for e in overlay}
    for call in calls:
        if call[0] == "kubectl" and call[1] != "apply":
            assert _option(call, "--namespace") == namespace
            named = {word for word in call if re.fullmatch(r"(job|statefulset)/\w+", word)}
            assert named <= there
    assert _calls_of(calls, "kubectl", "delete")[0][:2] == ["job", "topics"]
    assert "job/topics" in there


def test_the_first_administrator_is_added_by_the_programs_of_the_api(
    calls: list[list[str]], overlay: Cell, tmp_path: Path
) -> None:
    """The init container's program and then the page's, both on an empty database."""
    ((*before, command, program),) = (_split(call) for call in _calls_of(calls, "kubectl", "exec"))
    assert "api-0" in before
    assert [command] == json.loads(str(dockerfile.read().last("api", "ENTRYPOINT")))
    migrate = pods(overlay)["api"]["spec"]["initContainers"][0]["args"]
    environment = os.environ | {
        "BEFFROI_API_DATABASE_URL": f"sqlite:///{tmp_path / 'api.sqlite3'}",
        "BEFFROI_API_TRAIL_KEY": TRAIL_KEY,
    }
    for arguments, typed in ((migrate, ""), (program.split("\0"), "a long enough password\n")):
        done = subprocess.run(
            [sys.executable, *arguments],
            input=typed,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMANDS_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
    assert "user admin added as administrator" in done.stdout


def _split(call: Sequence[str]) -> list[str]:
    """What stands before `--`, then the program, then its arguments as one text."""
    end = call.index("--")
    return [*call[:end], call[end + 1], "\0".join(call[end + 2 :])]


def _route(cell: Cell) -> Manifest:
    return _named(cell, "HTTPRoute", "beffroi")


def _services(cell: Cell) -> list[Manifest]:
    return [each for each in cell if each["kind"] == "Service"]


def _concrete(path: str) -> str:
    """With `live` for each name in it: what leads to the live views must not mistake a name for the way there."""
    return re.sub(r"\{\w+\}", "live", path)


def _asked(app: FastAPI) -> set[tuple[str, bool]]:
    """Paths that people ask an application for, and whether by a WebSocket."""
    return {(_concrete(rule.path), method == "WEBSOCKET") for rule in access.table(app) for method in rule.methods}


def _no_services() -> Any:
    raise AssertionError("nothing is started")


def _destinations(overlay: Cell) -> dict[tuple[str, bool], str]:
    """Where each request must go: to the live views what their application has a route for, where they run apart."""
    api = _asked(create_app(None, None)) | {("/", False), ("/assets/index.js", False), ("/cameras/live", False)}
    settings = LiveProcessSettings(kafka=KafkaSettings(bootstrap_servers="unused:9092"), trail_key=TRAIL_KEY)
    live = _asked(create_live_app(settings, _no_services)) if "live" in pods(overlay) else set()
    assert live < api
    return dict.fromkeys(api, "api") | dict.fromkeys(live, "live")


def test_the_route_leads_each_request_to_whom_it_is_for(overlay: Cell) -> None:
    expected = _destinations(overlay)
    assert list(route.faults(route.spec_of(_route(overlay)), _services(overlay), expected)) == []
    assert ("live" in expected.values()) == ("live" in pods(overlay))


def test_the_route_is_of_the_sites_gateway_and_address(overlay: Cell) -> None:
    spec = route.spec_of(_route(overlay))
    assert {parent.namespace for parent in spec.parents} == {PUBLIC}, "whom the policy `public-port` lets in"
    origin = _named(overlay, "ConfigMap", "site")["data"]["public-origin"]
    assert [f"https://{name}" for name in spec.hostnames] == [origin]


ROUTE_BREAKS: list[tuple[str, Callable[[list[Manifest]], object]]] = [
    ("/api/v1/cameras/live/live leads to api", lambda rules: rules.pop()),
    (
        "/api/v1/cameras/live/live leads to api",
        lambda rules: rules[1]["matches"][0]["path"].update(value="/api/v1/cam"),
    ),
    ("/api/v1/cameras/live/live leads to api", lambda rules: rules[1]["matches"][0]["headers"][0].update(value="12")),
    ("/api/v1/cameras/live/still leads to live", lambda rules: rules[1]["matches"][0].pop("headers")),
    ("/api/v1/session leads to None", lambda rules: rules.pop(0)),
    ("live has no port 8080", lambda rules: rules[1]["backendRefs"][0].update(port=8080)),
    ("views has no port 80", lambda rules: rules[1]["backendRefs"][0].update(name="views")),
]


@pytest.mark.parametrize(("fault", "break_it"), ROUTE_BREAKS)
def test_each_fault_of_a_route_is_seen(
    fault: str, break_it: Callable[[list[Manifest]], object], overlay_with_live: Cell
) -> None:
    broken = copy.deepcopy(_route(overlay_with_live))
    break_it(broken["spec"]["rules"])
    found = list(route.faults(route.spec_of(broken), _services(overlay_with_live), _destinations(overlay_with_live)))
    assert any(fault in each for each in found), found


def test_a_slip_of_the_hand_in_a_route_is_seen(overlay_with_live: Cell) -> None:
    for slip in ({"type": "RegularExpression", "value": "/live$"}, {"type": "Prefix"}, {"value": "api"}, {"pat": "/"}):
        broken = copy.deepcopy(_route(overlay_with_live))
        broken["spec"]["rules"][1]["matches"][0]["path"].update(slip)
        with pytest.raises(ValidationError):
            route.spec_of(broken)


def test_the_regular_expression_of_the_page_finds_the_live_views_and_nothing_else(
    root: Path, overlay_with_live: Cell
) -> None:
    (pattern,) = re.findall(r"`(\^\S+\$)`", (root / "docs" / "sre.md").read_text())
    expected = {path: service for (path, _), service in _destinations(overlay_with_live).items()}
    assert {path for path in expected if re.search(pattern, path)} == {
        path for path, service in expected.items() if service == "live"
    }

"""Whether a rendered cell can work: its images, the addresses it is given and its policies, judged together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import make_url
from tests.integration.k8s.network import Opening, egress, ingress

Manifest = dict[str, Any]

NAME_SERVICE = {Opening("kube-system k8s-app=kube-dns", 53, protocol) for protocol in ("UDP", "TCP")}
MONITORING = "monitoring"
PUBLIC = "ingress"
"""The namespaces of who may connect to an admin port and to the console."""

MADE_UP = "0123456789abcdef" * 4
"""What a secret is where none is known: a key that would be taken."""

CAMERA_PORTS = (554, 8554)
"""RTSP, as cameras and as most relays have it."""

TAKES_CAMERAS = ("api", "ingest")
"""Who is told where cameras may be."""

CONNECTED_TO = re.compile(r"_(KAFKA__BOOTSTRAP_SERVERS|(STORE|STORES__\w+)__ENDPOINT|DATABASE_URL|OTLP_ENDPOINT)$")
"""Settings that hold an address which the program connects to."""
NOT_CONNECTED_TO = ("PUBLIC_ORIGIN",)
"""Ends of the names of settings that hold an address for somebody else."""
LOOKS_LIKE_AN_ADDRESS = re.compile(r"://|^[a-z0-9.-]+:\d+(,|$)")

DEFAULT_PORTS = {"postgresql+psycopg": 5432, "http": 80, "https": 443}


@dataclass(frozen=True)
class Site:
    """What is true around the cell and is not in its manifests."""

    registry: str
    """What every image's name begins with."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The network that each host is in, by its name, for what is outside the cluster."""
    camera_networks: Sequence[str] = ()


def pods(cell: Sequence[Manifest]) -> dict[str, Manifest]:
    """The pod template of each workload, by name."""
    workloads = (each for each in cell if each["kind"] in {"StatefulSet", "Deployment", "DaemonSet", "Job", "CronJob"})
    return {each["metadata"]["name"]: each["spec"]["template"] for each in workloads}


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod, those that run before the others included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Manifest, cell: Sequence[Manifest]) -> dict[str, str]:
    """What the container will see, each secret replaced by a made-up one."""
    maps = {each["metadata"]["name"]: each["data"] for each in cell if each["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]
    for variable in container.get("env", []):
        assert variable["name"] not in found, f"{variable['name']} is said twice"
        found[variable["name"]] = variable.get("value") or _referred(variable["valueFrom"], maps)
    return found


def _referred(source: Manifest, maps: Mapping[str, Mapping[str, str]]) -> str:
    match source:
        case {"configMapKeyRef": reference}:
            return maps[reference["name"]][reference["key"]]
        case {"secretKeyRef": {"key": "former-keys"}}:
            return f'["{MADE_UP}"]'
        case {"secretKeyRef": _}:
            return MADE_UP
        case {"fieldRef": {"fieldPath": "metadata.name"}}:
            return "workload-0"
        case _:
            raise AssertionError(f"where does {source} come from?")


def faults(cell: Sequence[Manifest], site: Site) -> list[str]:
    """Everything that keeps the cell from working as its manifests say, or opens more than it needs; in words."""
    found = [*_deny_all(cell)]
    for name, pod in pods(cell).items():
        found += [f"{name}: {fault}" for fault in (*_images(pod, site), *_egress(name, pod, cell, site))]
        found += [f"{name}: {fault}" for fault in _ingress(pod, cell)]
    return found


def _policies(cell: Sequence[Manifest]) -> list[Manifest]:
    return [each for each in cell if each["kind"] == "NetworkPolicy"]


def _deny_all(cell: Sequence[Manifest]) -> Iterator[str]:
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if closed not in [each["spec"] for each in _policies(cell)]:
        yield "a pod without a policy of its own is open"


def _images(pod: Manifest, site: Site) -> Iterator[str]:
    for container in containers(pod):
        image = container["image"]
        if not image.startswith(f"{site.registry}/"):
            yield f"{image} is not from {site.registry}"
        if not re.search(r":(?!latest$)[\w.-]+(@sha256:[0-9a-f]{64})?$", image):
            yield f"{image} floats"


def _egress(name: str, pod: Manifest, cell: Sequence[Manifest], site: Site) -> Iterator[str]:
    needed = set(NAME_SERVICE)
    for container in containers(pod):
        for variable, value in environment(container, cell).items():
            if CONNECTED_TO.search(variable):
                for host, port in _addresses(value):
                    peer = _peer(host, site)
                    if peer is None:
                        yield f"nobody says where {host} of {variable} is"
                    else:
                        needed.add(Opening(peer, port))
            elif LOOKS_LIKE_AN_ADDRESS.search(value) and not variable.endswith(NOT_CONNECTED_TO):
                yield f"{variable} looks like an address that no test knows: {value}"
        if name in TAKES_CAMERAS:
            yield from _cameras(environment(container, cell), f"BEFFROI_{name.upper()}_ADDRESSES__", site)
    if name == "ingest":
        needed |= {Opening(network, port) for network in site.camera_networks for port in CAMERA_PORTS}
    yield from _compare(needed, egress(pod, _policies(cell)), "cannot connect to", "may connect to")


def _cameras(variables: Mapping[str, str], prefix: str, site: Site) -> Iterator[str]:
    expected = {"NETWORKS": ",".join(site.camera_networks), "PORTS": ",".join(map(str, CAMERA_PORTS))}
    for setting, value in expected.items():
        said = variables.get(prefix + setting, "")
        if prefix + setting in variables and said != value:
            yield f"takes cameras of {setting.lower()} {said}, and the site's are {value}"


def _addresses(value: str) -> Iterator[tuple[str, int]]:
    """Hosts and ports of a URL, or of a list `host:port,host:port`."""
    if "://" in value:
        url = make_url(value)
        yield str(url.host), url.port or DEFAULT_PORTS[url.drivername]
        return
    for each in value.split(","):
        host, _, port = each.rpartition(":")
        yield host, int(port)


def _peer(host: str, site: Site) -> str | None:
    """A namespace for a service of the cluster, a network for anything else that is known."""
    if match := re.fullmatch(r"[\w-]+\.([\w-]+)\.svc(\.cluster\.local)?", host):
        return match[1]
    return f"{host}/32" if re.fullmatch(r"[\d.]+", host) else site.hosts.get(host)


def _ingress(pod: Manifest, cell: Sequence[Manifest]) -> Iterator[str]:
    peers = {"admin": MONITORING, "http": PUBLIC}
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]
    needed = {Opening(peers[port["name"]], port["containerPort"]) for port in ports}
    yield from _compare(needed, ingress(pod, _policies(cell)), "is not reached by", "is reached by")


def _compare(needed: set[Opening], given: set[Opening], lacks: str, exceeds: str) -> Iterator[str]:
    yield from (f"{lacks} {opening}" for opening in sorted(needed - given))
    yield from (f"{exceeds} {opening} without need" for opening in sorted(given - needed))

"""The environment of each container is one that its program accepts: no unknown setting, none missing."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel
from tests.integration.k8s.deployment import MADE_UP, TAKES_CAMERAS, containers, environment
from tests.unit.k8s import dockerfile

from beffroi_common.bus.admin import TopicsSettings
from beffroi_common.runtime.settings import ServiceSettings, SettingsError, load

Manifest = dict[str, Any]
Value = TypeVar("Value")

MODULES = {"vision": "beffroi_detector.vision", "rules": "beffroi_detector.rules", "live": "beffroi_api.live"}
"""Programs that are not named after their workload."""

MEMORY_BOUNDS = {"kafka.queue_bytes", "kafka.prefetch_bytes", "outbox_bytes", "in_flight_bytes", "live.buffer_bytes"}
"""Settings that bound what a service keeps in memory."""

LARGEST_SHARE = 0.75
"""Of a container's memory, that bounded buffers may fill; the rest is for the program and its libraries."""

UNITS = {"Mi": 2**20, "Gi": 2**30}


def module_of(service: str) -> str:
    """The program of a workload."""
    return MODULES.get(service, f"beffroi_{service}")


def settings_class(service: str) -> type[ServiceSettings]:
    """The one settings class of a service's program."""
    module = importlib.import_module(f"{module_of(service)}.settings")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ServiceSettings) and value.__module__ == module.__name__
    )
    return found


def target_of(container: Manifest) -> str:
    """The stage of the Dockerfile that the container's image is made by."""
    return str(container["image"].partition(":")[0].removeprefix("beffroi/"))


@pytest.fixture
def settings(
    service: str, pods: dict[str, Manifest], cell: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> ServiceSettings:
    _enter(environment(pods[service]["spec"]["containers"][0], cell), monkeypatch)
    return load(settings_class(service))


def _enter(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BEFFROI_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_the_program_accepts_its_environment(
    settings: ServiceSettings, pods: dict[str, Manifest], service: str
) -> None:
    (main,) = pods[service]["spec"]["containers"]
    assert settings.admin_host == getattr(settings, "host", "0.0.0.0") == "0.0.0.0"
    listening = {"admin": settings.admin_port} | ({"http": settings.port} if hasattr(settings, "port") else {})
    assert {port["name"]: port["containerPort"] for port in main["ports"]} == listening
    assert settings.instance == "workload-0", "the pod's name is the static member's name"


def test_cameras_may_be_where_the_policy_leads(settings: Any, service: str, cell: tuple[Manifest, ...]) -> None:
    assert hasattr(settings, "addresses") == (service in TAKES_CAMERAS)
    if service not in TAKES_CAMERAS:
        return
    (policy,) = (
        each["spec"]["egress"][0]
        for each in cell
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "cameras"
    )
    assert [str(each) for each in settings.addresses.networks] == [each["ipBlock"]["cidr"] for each in policy["to"]]
    assert list(settings.addresses.ports) == [each["port"] for each in policy["ports"]]
    assert settings.addresses.folders == ()


def test_a_setting_that_does_not_exist_is_seen(
    service: str, pods: dict[str, Manifest], cell: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = str(settings_class(service).model_config["env_prefix"])
    variables = environment(pods[service]["spec"]["containers"][0], cell)
    _enter(variables | {f"{prefix}LOG_LEVL": "info"}, monkeypatch)
    with pytest.raises(SettingsError, match=r"(?i)log_levl"):
        load(settings_class(service))


def test_the_broker_is_reached_encrypted_as_a_user_of_its_own(settings: ServiceSettings, service: str) -> None:
    assert settings.kafka.security_protocol == "SASL_SSL"
    assert settings.kafka.sasl_mechanism == "SCRAM-SHA-512"
    assert settings.kafka.username == f"beffroi-{service}"
    assert settings.kafka.password is not None
    stores = [getattr(settings, "store", None), *getattr(settings, "stores", {}).values()]
    assert all(store.secure for store in stores if store is not None)


def test_files_lie_on_volumes_or_in_the_image(
    settings: ServiceSettings, pods: dict[str, Manifest], service: str
) -> None:
    (main,) = pods[service]["spec"]["containers"]
    mounts = [PurePosixPath(mount["mountPath"]) for mount in main["volumeMounts"]]
    copied = dockerfile.read().folders_copied_to_image(target_of(main))
    for name, path in _values(settings, Path):
        on_volume = any(PurePosixPath(path).is_relative_to(mount) for mount in mounts)
        assert on_volume or str(path) in copied, (
            f"{name} is {path}: the image's root is read-only, and neither a volume nor a copied folder is there"
        )


def _values(model: BaseModel, kind: type[Value], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, kind):
            yield prefix + name, value
        elif isinstance(value, BaseModel):
            yield from _values(value, kind, f"{prefix}{name}.")


def test_bounded_buffers_fit_the_memory(settings: ServiceSettings, pods: dict[str, Manifest], service: str) -> None:
    limit = pods[service]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    buffers_bytes = sum(size for name, size in _values(settings, int) if name in MEMORY_BOUNDS)
    assert buffers_bytes <= LARGEST_SHARE * int(limit[:-2]) * UNITS[limit[-2:]]


def test_the_work_folder_of_the_recorder_fits_its_volume(
    pods: dict[str, Manifest], cell: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = pods["recorder"]["spec"]
    _enter(environment(spec["containers"][0], cell), monkeypatch)
    settings: Any = load(settings_class("recorder"))
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "work")
    assert settings.work_bytes < int(volume["emptyDir"]["sizeLimit"].removesuffix("Gi")) * UNITS["Gi"]


def test_the_image_starts_the_program_of_the_workload(pods: dict[str, Manifest], service: str, root: Path) -> None:
    (main,) = pods[service]["spec"]["containers"]
    arguments = main.get("args") or dockerfile.read().command(target_of(main))
    assert arguments == ["-m", module_of(service)]
    assert (root / "services" / target_of(main) / module_of(service).replace(".", "/") / "__main__.py").exists()


def test_the_topics_job_accepts_its_environment(
    pods: dict[str, Manifest], cell: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    _enter(environment(pods["topics"]["spec"]["containers"][0], cell), monkeypatch)
    settings = TopicsSettings()
    assert settings.kafka.username == "beffroi-topics"
    data = {key: value for each in cell if each["kind"] == "ConfigMap" for key, value in each["data"].items()}
    assert (settings.slots, settings.replication) == (int(data["slots"]), int(data["replication"]))


def test_the_database_is_reached_without_a_password_in_its_address(
    pods: dict[str, Manifest], cell: tuple[Manifest, ...]
) -> None:
    for variables in (environment(container, cell) for pod in pods.values() for container in containers(pod)):
        for name, value in variables.items():
            if name.endswith("_DATABASE_URL"):
                assert value.startswith("postgresql+psycopg://beffroi@")
                assert variables["PGPASSWORD"] == MADE_UP


def test_what_people_reach_is_reached_by_the_one_address_of_the_site(
    pods: dict[str, Manifest], cell: tuple[Manifest, ...]
) -> None:
    (site,) = (e["data"] for e in cell if e["kind"] == "ConfigMap" and e["metadata"]["name"].startswith("site-"))
    for name in pods.keys() & {"api", "live"}:
        variables = environment(pods[name]["spec"]["containers"][0], cell)
        assert variables[f"BEFFROI_{name.upper()}_PUBLIC_ORIGIN"] == site["public-origin"]
        assert variables[f"BEFFROI_{name.upper()}_TRUSTED_PROXIES"] == site["trusted-proxies"]

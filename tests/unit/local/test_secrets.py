"""Each process is given its own secrets and nobody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from beffroi_common.bus.rights import user_of
from beffroi_common.topics import Service
from beffroi_local.kafka import BROKER_USER, Users
from beffroi_local.programs import SERVICES, Parts
from beffroi_local.settings import StackSettings
from beffroi_local.supervisor import Program, config


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts.of(StackSettings.on_free_ports(tmp_path), tmp_path, tmp_path / "clip.json")


def secrets(parts: Parts) -> dict[str, str]:
    """Every secret of a run, by whose it is."""
    assert parts.broker.users is not None
    keys = {f"key of {service.value}": key for service, key in parts.store.service_keys.items()}
    return {
        **parts.broker.users.passwords,
        **keys,
        "key of the store": parts.store.secret_key,
        "trail": parts.trail_key,
    }


def held(program: Program, parts: Parts) -> set[str]:
    return {owner for owner, secret in secrets(parts).items() if secret in program.environment.values()}


OWN = {
    **{name: {user_of(Service(name))} for name in SERVICES},
    "api": {"beffroi-api", "key of api", "trail"},
    "recorder": {"beffroi-recorder", "key of recorder"},
    "minio": {"key of the store"},
    "kafka": set(),
    "cameras": set(),
}


def test_every_process_holds_its_own_secrets_alone(parts: Parts) -> None:
    assert {program.name: held(program, parts) for program in parts.programs()} == OWN


def test_no_secret_is_an_argument_or_is_shown(parts: Parts, tmp_path: Path) -> None:
    shown = repr(parts) + repr(parts.programs()) + str([program.command for program in parts.programs()])
    assert not [owner for owner, secret in secrets(parts).items() if secret in shown]


def test_every_secret_is_made_for_its_run() -> None:
    one, other = Users.new(), Users.new()
    assert set(one.passwords) == {BROKER_USER, "beffroi-topics", *map(user_of, Service)}
    assert not set(one.passwords.values()) & set(other.passwords.values())
    assert len(set(one.passwords.values())) == len(one.passwords)


def test_supervisors_configuration_holds_what_the_passwords_are_made_of(parts: Parts, tmp_path: Path) -> None:
    assert config(parts.programs(), tmp_path, tmp_path / "control")


def test_the_brokers_configuration_is_for_its_owner_alone(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    (parts.broker.data).mkdir(parents=True)
    (parts.broker.data / "meta.properties").touch()  # formatted already
    parts.broker.prepare()
    assert stat.S_IMODE(parts.broker.config_file.stat().st_mode) == 0o600
    assert "allow.everyone.if.no.acl.found=false" in parts.broker.config_file.read_text()

"""Settings that every service has, and what is said of a wrong one."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from beffroi_common.contracts import StoreName
from beffroi_common.contracts.base import explain

from .cores import usable_cores

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(SystemExit):
    """A setting is missing, wrong or unknown: the process ends with status 1 and this text in a line of JSON."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        now = datetime.now(UTC).isoformat()
        line = {"event": "wrong settings", "reason": reason, "level": "critical", "timestamp": now}
        self.code = json.dumps(line)  # Python prints it, also where the log is not set up yet


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Group):
    """How to reach the broker."""

    bootstrap_servers: str
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT"] = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    queue_bytes: int = Field(default=64 * 1024 * 1024, ge=17 * 1024 * 1024)
    """Bound of the send queue: about two minutes of one 4 Mbit/s camera; librdkafka's own default is 1 GiB.
    At least one record of the largest size must fit."""
    prefetch_bytes: int = Field(default=16 * 1024 * 1024, ge=1024 * 1024)
    """Bound of what a consumer reads ahead; librdkafka's own default is 64 MiB."""
    request_timeout_s: float = Field(default=30.0, ge=1.5)
    """A broker that did not answer a request for so long is asked again, over a new connection: nothing that was sent
    is given up for it. Half of librdkafka's own default: a process that ends waits so long for one that is frozen."""
    session_timeout_s: float = Field(default=10.0, ge=6.0)
    """A member without a heartbeat for so long loses its partitions. 6 s is the broker's lower bound."""


RECORDINGS_STORE: StoreName = "recordings"
"""The store in which the recorder stores, unless a setting says otherwise."""


class StoreSettings(_Group):
    """How to reach one bucket of an object store."""

    endpoint: str
    """`host:port`, without a scheme."""
    access_key: str
    secret_key: SecretStr
    secure: bool = True
    region: str = "us-east-1"
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,62}$")] = "beffroi-recordings"
    timeout_s: float = Field(default=10.0, gt=0)
    """Of one request: a store that does not answer for so long is away."""


class StrictSettings(BaseSettings):
    """Settings out of the environment: a variable with the class's `env_prefix` that means nothing is refused."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_nested_delimiter="__")

    @model_validator(mode="after")
    def _no_unknown_variable(self) -> Self:
        unknown = unknown_variables(type(self), os.environ)
        if unknown:
            raise ValueError(f"unknown setting {', '.join(unknown)}: check the spelling or remove it")
        return self


class ServiceSettings(StrictSettings):
    """Settings all services share. A service derives one frozen class with an `env_prefix` of its own."""

    kafka: KafkaSettings
    instance: str = Field(default_factory=socket.gethostname, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Name of this instance, the same after a restart: Kafka knows it as a static member."""
    admin_host: str = "127.0.0.1"
    admin_port: Port = 0
    """Where /metrics, /healthz and /readyz answer; 0: any free port."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = None
    """Where traces go (OTLP over HTTP); None: nowhere."""
    trace_ratio: float = Field(default=0.01, ge=0.0, le=1.0)
    """Share of batches traced: a picture has two batches a second and camera."""
    configuration_age_s: float = Field(default=30.0, ge=5.0)
    """Cameras' configuration counts for so long after it was last known to be up to date: a mask that somebody draws,
    or a legal basis that somebody ends, is in force everywhere by then, or nothing is done any more."""
    heartbeat_timeout_s: float = Field(default=60.0, ge=12.0)
    """A loop that did not turn for so long makes /healthz fail. In one turn it may wait twice for the broker, five
    seconds each."""


class KeyedSettings(ServiceSettings):
    """Settings of a service that works on batches by camera."""

    work_queue_bytes: int = Field(default=96 * 1024 * 1024, ge=64 * 1024 * 1024)
    """Bound of the batches that wait to be worked on, as records and as what was read from them: some twenty seconds of
    four cameras of 4 Mbit/s, beside room for a record of the largest size. Fuller, and reading is paused."""

    journal_folder: Path | None = None
    """Where it is written down on what is worked, of this instance alone and kept when it starts again: a camera whose
    batch ended the process is left out then. None: nothing is, and it may end the process again and again."""


class ParallelSettings(KeyedSettings):
    """Settings of a service that works on several cameras at once."""

    workers: int = Field(default_factory=usable_cores, ge=1, le=64)
    """Cameras worked on at the same time, a thread each. Unless set, one for each core that the process may use. Each
    holds the decoded pictures of one batch: with decoder and encoder 0.6 GB at most for 4K, 1.1 GB for 8K."""


def unknown_variables(model: type[BaseSettings], environment: os._Environ[str] | dict[str, str]) -> list[str]:
    """Names in `environment` that carry the prefix of `model` and mean nothing to it."""
    prefix = str(model.model_config.get("env_prefix", "")).upper()
    if not prefix:
        return []
    fields = {name.upper() for name in model.model_fields}
    names = (name for name in environment if name.upper().startswith(prefix))
    return sorted(name for name in names if name.upper().removeprefix(prefix).split("__")[0] not in fields)


Settings = TypeVar("Settings", bound=ServiceSettings)


def load(model: type[Settings]) -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: naming each setting that is missing, wrong or unknown, and never a value.
    """
    try:
        return model()
    except ValidationError as error:
        prefix = str(model.model_config.get("env_prefix", ""))
        raise SettingsError(f"{prefix}*: {explain(error)}") from None

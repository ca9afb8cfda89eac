"""All settings of the api, by variables that begin with BEFFROI_API_."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from beffroi_api.process.settings import MIB, Key, ProcessSettings
from beffroi_common.addresses import AllowedAddresses
from beffroi_common.bus.admin import DEFAULT_SLOTS
from beffroi_common.contracts import StoreName
from beffroi_common.contracts.camera import MAX_SLOTS
from beffroi_common.runtime.settings import StoreSettings


class StillSettings(BaseModel):
    """Bounds of what is read and decoded for one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parallel: int = Field(default=2, ge=1)
    """Pictures read and decoded at a time."""
    wait_s: float = Field(default=5.0, gt=0)
    """Longest wait for a turn; then the browser is asked to come again."""
    tolerance_s: float = Field(default=2.0, gt=0)
    """A picture this much older than the moment asked for still shows it; an older one would mislead."""
    from_bus_s: float = Field(default=90.0, gt=0)
    """A moment that is not longer ago is looked for on the bus: its recording comes about a minute later."""
    read_bytes: int = Field(default=64 * MIB, ge=MIB)
    """Read from the bus for one picture at most, and not kept: what a slot of ten cameras of 4 Mbit/s carries in 13 s,
    and the nine tenths of it that belong to others are read too."""
    read_s: float = Field(default=3.0, gt=0)
    """Longest time that reads from the bus; it takes a few tenths of a second."""


class ApiSettings(ProcessSettings):
    """Settings of the api, which serves live views too."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_API_")

    publisher_lease_s: float = Field(default=9.0, ge=3.0, le=9.0)
    """Of processes on one database one publishes cameras. When it dies, another follows after this time, a second to
    notice and the few that reading `cameras.v1` takes: within 15 s. Renewed every third of it, which must be longer
    than a slow answer of the database."""
    stores: Annotated[dict[StoreName, StoreSettings], Field(min_length=1)]
    """Every store that recordings may name, e.g. BEFFROI_API_STORES__RECORDINGS__ENDPOINT."""
    second_factor_key: Key
    """Encrypts the secrets of second factors. It has no default and lies outside of the database: whoever reads that
    must not be able to make codes. With another key no code fits any more: `commands.users remove-second-factor`."""
    commune: str = "Commune"
    """Name of the commune on the console."""
    slots: int = Field(default=DEFAULT_SLOTS, ge=1, le=MAX_SLOTS)
    """Partitions of the camera topics on the broker."""
    addresses: AllowedAddresses = AllowedAddresses()
    """Where cameras may be: others are refused when somebody enters them. The same as ingest's, which decides."""
    retention_days: int = Field(default=14, ge=1, le=30)
    """Of recordings; nothing older is served. 30 days is the law's ceiling."""
    alert_silence_s: float = Field(default=900.0, ge=60.0)
    """An open alert whose latest picture is so long ago ends. The rules speak of each every 5 s, and end those of a
    camera without pictures after a minute: this is for rules that do not run, are far behind, or lost their memory."""
    max_event_streams: int = Field(default=64, ge=1)
    """Consoles that receive news at a time."""
    max_event_streams_per_person: int = Field(default=8, ge=1)
    """A few screens and tabs."""
    event_queue: int = Field(default=512, ge=8)
    """News kept for a slow console; then it is disconnected and asks for everything again."""
    event_heartbeat_s: float = Field(default=10.0, gt=0)
    stills: StillSettings = StillSettings()

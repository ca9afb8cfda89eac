"""Where an HTTPRoute leads a request, worked out as any implementation of the Gateway API must."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Manifest = dict[str, Any]

WEBSOCKET_HEADERS = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
"""What a browser begins a WebSocket with (RFC 6455)."""


class _Part(BaseModel):
    """Some of the published schema, and nothing beside it: what no implementation must support is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Path(_Part):
    """By regular expression is left out: implementations differ in its rank."""

    type: Literal["PathPrefix", "Exact"] = "PathPrefix"
    value: Annotated[str, StringConstraints(pattern=r"^/[\w/.~-]*$")] = "/"

    def fits(self, path: str) -> bool:
        """Whether it matches; a prefix does by whole elements."""
        if self.type == "Exact":
            return path == self.value
        return f"{path}/".startswith(f"{self.value.rstrip('/')}/")


class Header(_Part):
    type: Literal["Exact"] = "Exact"
    name: str
    value: str


class Match(_Part):
    path: Path = Path()
    headers: tuple[Header, ...] = ()

    def fits(self, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request is meant; `headers` by their names in small letters."""
        return self.path.fits(path) and all(headers.get(each.name.lower()) == each.value for each in self.headers)

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Of those that fit, the highest counts."""
        return self.path.type == "Exact", len(self.path.value), len(self.headers)


class Backend(_Part):
    name: str
    port: int


class Rule(_Part):
    matches: tuple[Match, ...] = (Match(),)
    backends: Annotated[tuple[Backend], Field(alias="backendRefs")]


class Parent(_Part):
    name: str
    namespace: str


class Spec(_Part):
    parents: Annotated[tuple[Parent, ...], Field(alias="parentRefs", min_length=1)]
    hostnames: tuple[str, ...]
    rules: tuple[Rule, ...]

    def backend(self, path: str, headers: Mapping[str, str]) -> str | None:
        """The service that a request is led to."""
        fitting = [(match.rank, rule) for rule in self.rules for match in rule.matches if match.fits(path, headers)]
        return max(fitting, key=lambda each: each[0])[1].backends[0].name if fitting else None


def spec_of(route: Manifest) -> Spec:
    """What an HTTPRoute says.

    Raises:
        ValidationError: it breaks the schema, or asks for more than every implementation supports.
    """
    return Spec.model_validate(route["spec"])


def faults(spec: Spec, services: Sequence[Manifest], expected: Mapping[tuple[str, bool], str]) -> Iterator[str]:
    """What is wrong with a route, in words.

    Args:
        spec: what it says.
        services: of the cell.
        expected: by path, and whether a WebSocket is asked for, the service that it must be led to.
    """
    there = {(each["metadata"]["name"], port["port"]) for each in services for port in each["spec"]["ports"]}
    for backend in (backend for rule in spec.rules for backend in rule.backends):
        if (backend.name, backend.port) not in there:
            yield f"{backend.name} has no port {backend.port}"
    for (path, is_websocket), service in expected.items():
        found = spec.backend(path, WEBSOCKET_HEADERS if is_websocket else {})
        if found != service:
            yield f"{path} leads to {found}, not to {service}"

"""Traces across the bus: a picture's way is one trace (W3C trace context in the record's headers)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


class _Traced(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, bytes]: ...


def configure(service: str, instance: str, otlp_endpoint: str | None, ratio: float) -> None:
    """Set up tracing once for the process; without an endpoint the context still travels, and nothing is exported."""
    resource = Resource.create({"service.name": f"beffroi-{service}", "service.instance.id": instance})
    provider = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(ratio))
    if otlp_endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
    trace.set_tracer_provider(provider)


@contextmanager
def span(name: str) -> Iterator[None]:
    """A span around a piece of work that begins here."""
    with trace.get_tracer("beffroi").start_as_current_span(name):
        yield


@contextmanager
def span_of(record: _Traced) -> Iterator[None]:
    """A span around the handling of a record, child of the one that sent it."""
    carrier = {name: value.decode("ascii", "ignore") for name, value in record.headers.items() if name == "traceparent"}
    parent = _propagator.extract(carrier)
    with trace.get_tracer("beffroi").start_as_current_span(f"handle {record.topic}", context=parent):
        yield


def headers() -> dict[str, bytes]:
    """Headers that carry the current trace on."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return {name: value.encode() for name, value in carrier.items() if name == "traceparent"}

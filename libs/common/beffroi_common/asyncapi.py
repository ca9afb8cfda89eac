"""The AsyncAPI document of the bus, generated from the topic registry.

`python -m beffroi_common.asyncapi > docs/asyncapi.json` writes it again.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import Any

from pydantic import TypeAdapter

from .contracts import FrameBatch, frames_pb2
from .topics import TOPICS, Service, Topic, dead_letter_topic

PROTOBUF_TYPES = {
    3: "int64",
    4: "uint64",
    6: "fixed64",
    8: "bool",
    9: "string",
    11: "message",
    12: "bytes",
    13: "uint32",
}
"""Numbers of `FieldDescriptor.TYPE_*` that the contract uses."""


def document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of every topic, with its dead letters."""
    topics = [each for topic in TOPICS for each in (topic, dead_letter_topic(topic))]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Beffroi: the bus",
            "version": metadata.version("beffroi-common"),
            "license": {"name": "AGPL-3.0-or-later"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(_operation(topic, service) for topic in topics for service in _services(topic)),
        "components": {"messages": {topic.name: _message(topic) for topic in topics}},
    }


def schema(topic: Topic) -> dict[str, Any]:
    """Return the JSON Schema of a topic's messages, or the fields of its Protobuf message."""
    if topic.contract is FrameBatch:
        return {
            name: {field.name: [field.number, PROTOBUF_TYPES[field.type], field.is_repeated] for field in each.fields}
            for name, each in sorted(frames_pb2.DESCRIPTOR.message_types_by_name.items())
        }
    return (
        TypeAdapter(topic.contract).json_schema()
        if not isinstance(topic.contract, TypeAdapter)
        else topic.contract.json_schema()
    )


def _channel(topic: Topic) -> dict[str, Any]:
    ends = topic.forgotten_after
    latest = "the latest of each key" + (f", {ends.total_seconds():.0f} s after it" if ends else "")
    retention = latest if topic.retention is None else f"{topic.retention.total_seconds():.0f} s"
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Kept: {retention}. At most {topic.max_record_bytes} bytes a message.",
        "messages": {"message": {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": {"kafka": {"topicConfiguration": topic.config}},
    }


def _message(topic: Topic) -> dict[str, Any]:
    if topic.contract is FrameBatch:
        payload = {"schemaFormat": "application/vnd.google.protobuf;version=3", "schema": schema(topic)}
        return {"contentType": "application/x-protobuf", "payload": payload}
    return {"contentType": "application/json", "payload": schema(topic)}


def _services(topic: Topic) -> list[tuple[Service, str]]:
    return [(service, "send") for service in sorted(topic.producers)] + [
        (service, "receive") for service in sorted(topic.consumers)
    ]


def _operation(topic: Topic, who: tuple[Service, str]) -> tuple[str, dict[str, Any]]:
    service, action = who
    return f"{service}-{action}-{topic.name}", {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}}


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")

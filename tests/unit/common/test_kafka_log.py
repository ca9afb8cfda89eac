"""What librdkafka writes becomes a line of ours, a warning at most."""

from __future__ import annotations

import logging

import structlog

from beffroi_common.bus.kafka.rdkafka_log import RdkafkaLog

LINE = "FAIL [rdkafka#producer-1] [thrd:127.0.0.1:9]: Connect to ipv4#127.0.0.1:9 failed: Connection refused"


def test_its_lines_bear_their_kind_and_are_warnings_at_most() -> None:
    voice = RdkafkaLog()
    with structlog.testing.capture_logs() as written:
        voice.log(logging.ERROR, LINE)
        voice.log(logging.INFO, "%s", "CONFWARN [rdkafka#producer-1]: something else")
    assert [(line["log_level"], line["kind"]) for line in written] == [("warning", "FAIL"), ("info", "CONFWARN")]

"""While a broker is away its client repeats itself at every try; the log does not."""

from __future__ import annotations

import logging

import structlog

from beffroi_common.bus.kafka.rdkafka_log import QUIET_S, RdkafkaLog
from beffroi_testing import ManualClock

LINE = "FAIL [rdkafka#producer-1] [thrd:127.0.0.1:9]: Connect to ipv4#127.0.0.1:9 failed: Connection refused"


def test_lines_of_one_kind_are_written_once_in_a_while_and_as_warnings() -> None:
    clock = ManualClock()
    voice = RdkafkaLog(clock)
    with structlog.testing.capture_logs() as written:
        for _ in range(50):
            voice.log(logging.ERROR, LINE)
        voice.log(logging.INFO, "%s", "CONFWARN [rdkafka#producer-1]: something else")
        clock.advance(QUIET_S)
        voice.log(logging.ERROR, LINE)
    assert [line["log_level"] for line in written] == ["warning", "info", "warning"]

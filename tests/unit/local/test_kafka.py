from pathlib import Path

from beffroi_common.topics import MAX_FRAME_RECORD_BYTES
from beffroi_local.kafka import Broker


def test_the_broker_takes_the_registrys_largest_record(tmp_path: Path) -> None:
    lines = Broker(tmp_path, port=1, controller_port=2).config().splitlines()
    values = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert int(values["message.max.bytes"]) > MAX_FRAME_RECORD_BYTES
    assert values["log.message.timestamp.type"] == "LogAppendTime"
    assert values["auto.create.topics.enable"] == "false"
    assert values["log.retention.check.interval.ms"] == "30000"

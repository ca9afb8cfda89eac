"""A real Kafka broker, one node in KRaft mode, in a folder of its own."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from beffroi_common.topics import MAX_FRAME_RECORD_BYTES, RECORD_OVERHEAD_BYTES

from .java import find_java
from .paths import kafka_jars
from .ports import LOOPBACK, free_port, is_open
from .process import Command, PartFailedError, running

READY_TIMEOUT_S = 60.0
"""It takes four seconds; a machine busy with builds and tests takes many times that."""

FORMAT_TIMEOUT_S = 60.0

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
log.dirs={data}
# One machine: one copy, few internal partitions, nobody to wait for before a group starts.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Topics come from the registry alone.
auto.create.topics.enable=false
message.max.bytes={max_bytes}
replica.fetch.max.bytes={max_bytes}
# A retention is a promise about the disk: looked at every 30 s, by the broker's own clock.
log.retention.check.interval.ms=30000
log.message.timestamp.type=LogAppendTime
log.segment.delete.delay.ms=1000
"""

LOGGING = """\
status=warn
appender.console.type=Console
appender.console.name=STDOUT
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
rootLogger.level=warn
rootLogger.appenderRef.stdout.ref=STDOUT
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
"""


@dataclass(frozen=True)
class Broker:
    """A broker's place and size.

    Attributes:
        folder: configuration, data and log.
        port: of clients.
        controller_port: of the broker's own quorum of one.
        heap_mb: Java's heap, MiB. 512 carry a hundred cameras' bitrate: pictures live in the page cache.
    """

    folder: Path
    port: int
    controller_port: int
    heap_mb: int = 512

    @property
    def bootstrap_servers(self) -> str:
        """The address that clients are given."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def config_file(self) -> Path:
        """The broker's configuration file."""
        return self.folder / "server.properties"

    @property
    def data(self) -> Path:
        """The folder of its topics."""
        return self.folder / "data"

    def config(self) -> str:
        """Return the text of `config_file`."""
        return CONFIG.format(
            host=LOOPBACK,
            port=self.port,
            controller_port=self.controller_port,
            data=self.data,
            max_bytes=MAX_FRAME_RECORD_BYTES + RECORD_OVERHEAD_BYTES,
        )

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            str(find_java()),
            f"-Xms{min(self.heap_mb, 256)}m",
            f"-Xmx{self.heap_mb}m",
            "-XX:+UseSerialGC",  # two cores, a small heap: no collector threads beside the services
            "-XX:TieredStopAtLevel=1",  # starts in half the time; the broker copies bytes, it does not compute
            "-XX:+ExitOnOutOfMemoryError",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp",
            f"{kafka_jars()}/*",
            main,
            *arguments,
        ]

    def argv(self) -> list[str]:
        """Return the broker's command line."""
        return self._java("kafka.Kafka", str(self.config_file))

    def prepare(self) -> None:
        """Write the configuration, and format the data folder when it is new.

        Raises:
            PartFailedError: formatting failed; says why in Kafka's words.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(self.config())
        (self.folder / "log4j2.properties").write_text(LOGGING)
        if (self.data / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        arguments = ("format", "--standalone", "--cluster-id", cluster, "--config", str(self.config_file))
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments),
            capture_output=True,
            text=True,
            timeout=FORMAT_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise PartFailedError(
                f"Kafka's data folder {self.data} could not be formatted:\n{done.stdout}{done.stderr}"
            )


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """Run a broker on free ports for as long as the context lasts; its data is meant to be thrown away."""
    new = Broker(folder=folder, port=free_port(), controller_port=free_port())
    new.prepare()
    command = Command("kafka", new.argv(), folder)
    # Nobody reads this data again: ending it at once saves two seconds.
    with running(command, lambda: is_open(new.port), READY_TIMEOUT_S, stop_timeout_s=0):
        yield new

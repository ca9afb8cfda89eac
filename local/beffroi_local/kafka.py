"""A real Kafka broker, one node in KRaft mode, in a folder of its own.

With users it is what a cluster's broker is: whoever connects says who it is, and may do what the registry says. SCRAM
shows no password to whoever takes the port while the broker is away.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from beffroi_common.bus.rights import OWN, TOPICS_USER, user_of
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import MAX_FRAME_RECORD_BYTES, RECORD_OVERHEAD_BYTES, Service

from .java import find_java
from .paths import kafka_jars
from .ports import LOOPBACK, free_port, is_open
from .private_files import write_private
from .process import Command, PartFailedError, running

READY_TIMEOUT_S = 60.0
"""It takes four seconds; a machine busy with builds and tests takes many times that."""

FORMAT_TIMEOUT_S = 60.0

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller_port}
inter.broker.listener.name=CLIENTS
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

OPEN = """\
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
"""

GUARDED = """\
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required username="{broker}" password="{password}";
# The quorum of one speaks to itself, before it knows of any SCRAM user.
listener.name.controller.sasl.enabled.mechanisms=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
username="{broker}" password="{password}" user_{broker}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:{broker};User:{topics}
"""

BROKER_USER = f"{OWN}broker"
"""Who the broker is to itself."""

PASSWORD_BYTES = 24

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
class Users:
    """The users of one broker, each with a password made for this run."""

    passwords: Mapping[str, str] = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """The broker itself, whoever makes topics, and each service."""
        names = (BROKER_USER, TOPICS_USER, *map(user_of, Service))
        return cls({name: secrets.token_urlsafe(PASSWORD_BYTES) for name in names})


@dataclass(frozen=True)
class Broker:
    """A broker's place and size.

    Attributes:
        folder: configuration, data and log.
        port: of clients.
        controller_port: of the broker's own quorum of one.
        heap_mb: Java's heap, MiB. 512 carry a hundred cameras' bitrate: pictures live in the page cache.
        users: who may connect; None: whoever reaches the port may do everything, as in tests of one service alone.
    """

    folder: Path
    port: int
    controller_port: int
    heap_mb: int = 512
    users: Users | None = None

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

    def settings(self, user: str = TOPICS_USER) -> KafkaSettings:
        """How `user` reaches it."""
        if self.users is None:
            return KafkaSettings(bootstrap_servers=self.bootstrap_servers)
        return KafkaSettings(
            bootstrap_servers=self.bootstrap_servers,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            username=user,
            password=SecretStr(self.users.passwords[user]),
        )

    def config(self) -> str:
        """Return the text of `config_file`. It holds secrets."""
        return self._common_config() + self._access_config()

    def _access_config(self) -> str:
        if self.users is None:
            return OPEN
        return GUARDED.format(broker=BROKER_USER, password=self.users.passwords[BROKER_USER], topics=TOPICS_USER)

    def _common_config(self) -> str:
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
            "-XX:-CreateCoredumpOnCrash",  # its memory holds pictures without masks
            f"-XX:ErrorFile={self.folder / 'crash'}",  # has some of it too, and is no log to be kept
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
        write_private(self.config_file, self.config())
        (self.folder / "log4j2.properties").write_text(LOGGING)
        if not (self.data / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        # By a file: any user of the machine sees arguments, and these hold the passwords.
        arguments = self.folder / "format.arguments"
        write_private(arguments, "\n".join(self._format_arguments()))
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", f"@{arguments}"),
            capture_output=True,
            text=True,
            timeout=FORMAT_TIMEOUT_S,
            check=False,
        )
        arguments.unlink()
        if done.returncode != 0:
            raise PartFailedError(
                f"Kafka's data folder {self.data} could not be formatted:\n{done.stdout}{done.stderr}"
            )

    def _format_arguments(self) -> list[str]:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        known = self.users.passwords.items() if self.users is not None else ()
        users = [("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]") for name, password in known]
        return [
            *("format", "--standalone", "--cluster-id", cluster, "--config", str(self.config_file)),
            *(word for user in users for word in user),
        ]


@contextlib.contextmanager
def broker(folder: Path, users: Users | None = None) -> Iterator[Broker]:
    """Run a broker on free ports for as long as the context lasts; its data is thrown away at the end."""
    new = Broker(folder=folder, port=free_port(), controller_port=free_port(), users=users)
    new.prepare()
    command = Command("kafka", new.argv(), folder)
    try:
        # Nobody reads this data again: ending it at once saves two seconds.
        with running(command, lambda: is_open(new.port), READY_TIMEOUT_S, stop_timeout_s=0):
            yield new
    finally:
        shutil.rmtree(new.data, ignore_errors=True)

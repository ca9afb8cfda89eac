"""The bus: how messages travel.

A message answers one question wherever it is: which offsets may be committed once I am done with it. `loop.run`
asks the processor; the rest is a `Producer`, a `Consumer` and two kinds of refusal:

    RetryLater                     wait, then the same record again; nothing is committed
    └── TableStaleError            what a table says may be out of date at present
    InvalidRecord                  dead letter with the reason, then on
    ├── TooLarge                   larger than the topic's limit
    └── InvalidMessageError        breaks its contract
    Fatal                          the process ends and starts again from what is committed
    ├── DeliveryError              the broker refused a message for good
    ├── TooManyDeadLettersError    this release and its input do not fit
    └── TableDeadError             what a table says may be out of date for ever
"""

from beffroi_common.errors import Fatal, InvalidRecord, RetryLater

from .backlog import Backlog
from .errors import DeliveryError, TooLarge
from .interfaces import (
    Bus,
    Consumer,
    Deferred,
    Delivered,
    Follower,
    Listener,
    Offsets,
    OffsetStore,
    Partition,
    PartitionReader,
    Position,
    Processor,
    Producer,
    Record,
    Settled,
    Start,
    from_the_beginning,
)
from .loop import LoopOptions, run
from .reporter import StatusReporter
from .table import Absent, Table, TableStaleError

__all__ = [
    "Absent",
    "Backlog",
    "Bus",
    "Consumer",
    "Deferred",
    "Delivered",
    "DeliveryError",
    "Fatal",
    "Follower",
    "InvalidRecord",
    "Listener",
    "LoopOptions",
    "OffsetStore",
    "Offsets",
    "Partition",
    "PartitionReader",
    "Position",
    "Processor",
    "Producer",
    "Record",
    "RetryLater",
    "Settled",
    "Start",
    "StatusReporter",
    "Table",
    "TableStaleError",
    "TooLarge",
    "from_the_beginning",
    "run",
]

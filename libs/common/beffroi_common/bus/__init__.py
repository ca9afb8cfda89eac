"""The bus: how messages travel.

A message answers one question wherever it is: which offsets may be committed once I am done with it. `loop.run`
asks the processor; the rest is a `Producer`, a `Consumer` and two kinds of refusal:

    BusError
    ├── RetryLater       "retry later": wait, then the same record again; nothing is committed
    ├── InvalidRecord    "never": dead letter with the reason, then on
    │   └── TooLarge     larger than the topic's limit
    └── DeliveryError    the broker refused a message for good; the process ends and starts again from what is committed
"""

from .errors import BusError, DeliveryError, InvalidRecord, RetryLater, TooLarge
from .interfaces import Bus, Consumer, Listener, Partition, Processor, Producer, Record, Start
from .loop import LoopOptions, run
from .reporter import StatusReporter
from .table import Table

__all__ = [
    "Bus",
    "BusError",
    "Consumer",
    "DeliveryError",
    "InvalidRecord",
    "Listener",
    "LoopOptions",
    "Partition",
    "Processor",
    "Producer",
    "Record",
    "RetryLater",
    "Start",
    "StatusReporter",
    "Table",
    "TooLarge",
    "run",
]

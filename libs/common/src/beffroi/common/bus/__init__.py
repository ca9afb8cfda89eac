"""The bus: how messages travel.

A message answers one question wherever it is: which offsets may be committed once I am done with it. `loop.run`
asks the processor; the rest is a `Producer`, a `Consumer` and two kinds of refusal:

    BusError
    ├── NotNow          "not now": wait, then the same record again; nothing is committed
    ├── Never           "never": dead letter with the reason, then on
    │   └── TooLarge    larger than the topic's limit
    └── DeliveryError   the broker refused a message for good; the process ends and starts again from what is committed
"""

from .errors import BusError, DeliveryError, Never, NotNow, TooLarge
from .interfaces import Bus, Consumer, Listener, Partition, Processor, Producer, Record, Start
from .loop import LoopOptions, run
from .reporter import StatusReporter
from .table import Table

__all__ = [
    "Bus",
    "BusError",
    "Consumer",
    "DeliveryError",
    "Listener",
    "LoopOptions",
    "Never",
    "NotNow",
    "Partition",
    "Processor",
    "Producer",
    "Record",
    "Start",
    "StatusReporter",
    "Table",
    "TooLarge",
    "run",
]

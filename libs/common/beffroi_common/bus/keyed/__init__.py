"""Work on frame batches by camera: several cameras at once, each in order, in a memory that is bounded in bytes.

    streams      what a service writes: its `KeyedWork`, and a `KeyedStream` for each camera, batches in and outputs out
    processor    `KeyedProcessor`, which the loop of the bus runs: repeats, outputs, idleness, offsets, counters
    schedule     which camera is worked on next, what waits, and which offsets are still needed
    executors    who does the work: threads, or the caller

A record that the loop hands over waits in the queue of its camera. A worker takes a camera that has something to do,
does one piece of it and puts the camera at the end of the row, so that a camera with a backlog delays no other by more
than one batch. What must wait makes its own camera wait, until the bytes are used up: then reading is paused.

An offset is needed as long as its record waits or is worked on, as its stream says so (the start of a group of
pictures), or as what was made of it is not sent.
"""

from .executors import Executor, InlineExecutor, ThreadExecutor
from .processor import KeyedProcessor
from .streams import Key, KeyedStream, KeyedWork, Output

__all__ = [
    "Executor",
    "InlineExecutor",
    "Key",
    "KeyedProcessor",
    "KeyedStream",
    "KeyedWork",
    "Output",
    "ThreadExecutor",
]

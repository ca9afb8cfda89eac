"""Runs a prepared model with OpenVINO: pictures in, detections out, several pictures in one inference."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino  # type: ignore[import-untyped]
from av import VideoFrame
from numpy.typing import NDArray
from openvino.preprocess import PrePostProcessor  # type: ignore[import-untyped]

from beffroi_detector.manifest import GRAPH, ModelError, read_manifest

from .detections import Detections, Floats
from .letterbox import Letterbox


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture, and the classes of objects to look for on it. Nothing else is looked for (purpose limitation)."""

    picture: VideoFrame
    classes: frozenset[str]


@dataclass(frozen=True)
class ModelOptions:
    """How to run the model; see `VisionSettings`.

    Attributes:
        threads: of one inference.
        parallel: inferences at the same time.
    """

    device: str
    threads: int
    parallel: int
    input_wh: tuple[int, int]
    max_batch: int
    confidence: float
    overlap: float


@dataclass
class _Request:
    """One inference at a time, and its input."""

    inference: Any
    pictures: NDArray[np.uint8]
    """(pictures, height, width, 3)"""


class Detector:
    """Finds objects of the classes that it is asked for; several threads may ask at once.

    Args:
        folder: of a prepared model; its files are checked against their digests.
        options: how to run it.

    Raises:
        ModelError: the model is missing, not what was prepared, or does not fit the options.
    """

    def __init__(self, folder: Path, options: ModelOptions) -> None:
        manifest = read_manifest(folder)
        if any(side % manifest.stride for side in options.input_wh):
            raise ModelError(f"both sides of the input must be multiples of {manifest.stride}")
        self._rows = {name: 4 + number for number, name in manifest.classes.items()}
        self._options = options
        self.name = manifest.name
        self._compiled = _compile(folder / GRAPH, options)
        self._of_thread = threading.local()

    @property
    def classes(self) -> frozenset[str]:
        """What the model can find."""
        return frozenset(self._rows)

    def detect(self, wanted: Sequence[Wanted]) -> list[Detections]:
        """Return the objects on each picture, in the order of the pictures; classes must be among `classes`."""
        return [each for start in range(0, len(wanted), self._options.max_batch) for each in self._some(wanted, start)]

    def _some(self, wanted: Sequence[Wanted], start: int) -> Iterator[Detections]:
        chosen = wanted[start : start + self._options.max_batch]
        boxes = [Letterbox((each.picture.width, each.picture.height), self._options.input_wh) for each in chosen]
        request = self._request()
        for each, letterbox, into in zip(chosen, boxes, request.pictures, strict=False):
            letterbox.place(each.picture, into)
        pictures = request.pictures[: len(chosen)]
        answer: dict[Any, NDArray[np.float32]] = request.inference.infer({0: pictures}, share_inputs=True)
        for each, raw, letterbox in zip(chosen, next(iter(answer.values())), boxes, strict=True):
            yield joined([self._read(raw, label, letterbox) for label in sorted(each.classes)])

    def _request(self) -> _Request:
        """This thread's own: the weights are shared, what an inference writes to is not."""
        request: _Request | None = getattr(self._of_thread, "request", None)
        if request is None:
            width, height = self._options.input_wh
            pictures = np.empty((self._options.max_batch, height, width, 3), np.uint8)
            request = self._of_thread.request = _Request(self._compiled.create_infer_request(), pictures)
        return request

    def _read(self, raw: Floats, label: str, letterbox: Letterbox) -> Detections:
        """Read one class of one picture's (4 + classes, anchors): centre, size and a score for each class."""
        scores = raw[self._rows[label]]
        likely = scores >= self._options.confidence
        x, y, width, height = raw[:4, likely]
        confidence = scores[likely]
        xywh = np.stack([x - width / 2, y - height / 2, width, height], axis=1)
        best = distinct(xywh, confidence, self._options.overlap)
        left, top, width, height = xywh[best].T
        xyxy = np.stack([left, top, left + width, top + height], axis=1)
        return Detections(letterbox.restore(xyxy), np.clip(confidence[best], 0, 1), (label,) * len(best))


def joined(found: Sequence[Detections]) -> Detections:
    """Detections of several classes on one picture as one."""
    return Detections(
        np.concatenate([np.empty((0, 4), np.float32), *(each.xyxy for each in found)]),
        np.concatenate([np.empty(0, np.float32), *(each.confidence for each in found)]),
        tuple(label for each in found for label in each.labels),
    )


def distinct(xywh: Floats, confidence: Floats, overlap: float) -> NDArray[np.intp]:
    """Indices of boxes (left, top, width, height) of which no better one shares more than `overlap`, best first."""
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), confidence.tolist(), 0.0, overlap)
    return np.asarray(kept, np.intp).reshape(-1)


def _compile(graph: Path, options: ModelOptions) -> openvino.CompiledModel:
    core = openvino.Core()
    model = core.read_model(graph)
    width, height = options.input_wh
    model.reshape([openvino.Dimension(1, options.max_batch), 3, height, width])
    preparation = PrePostProcessor(model)
    entry = preparation.input()
    entry.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    entry.model().set_layout(openvino.Layout("NCHW"))
    entry.preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if options.device == "CPU":
        # Without streams of their own, requests of several threads would wait for each other.
        config |= {"NUM_STREAMS": options.parallel, "INFERENCE_NUM_THREADS": options.parallel * options.threads}
    return core.compile_model(preparation.build(), options.device, config)

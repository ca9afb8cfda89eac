"""Runs a prepared model with OpenVINO: pictures in, detections out, several pictures in one inference."""

from __future__ import annotations

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

PERSON = "person"
"""The one class that a rule of today asks for; nothing else is looked for (purpose limitation)."""


@dataclass(frozen=True)
class ModelOptions:
    """How to run the model; see `VisionSettings`."""

    device: str
    threads: int
    input_wh: tuple[int, int]
    max_batch: int
    confidence: float
    overlap: float


class Detector:
    """Finds persons.

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
        classes = [number for number, name in manifest.classes.items() if name == PERSON]
        if not classes:
            raise ModelError(f"the model in {folder} knows no class {PERSON!r}")
        self._row = 4 + classes[0]
        self._options = options
        self.name = manifest.name
        self._request = _compile(folder / GRAPH, options).create_infer_request()
        width, height = options.input_wh
        self._input: NDArray[np.uint8] = np.empty((options.max_batch, height, width, 3), np.uint8)

    def detect(self, pictures: Sequence[VideoFrame]) -> list[Detections]:
        """Return the persons on each picture, in the order of the pictures."""
        return [
            each for start in range(0, len(pictures), self._options.max_batch) for each in self._some(pictures, start)
        ]

    def _some(self, pictures: Sequence[VideoFrame], start: int) -> Iterator[Detections]:
        chosen = pictures[start : start + self._options.max_batch]
        boxes = [Letterbox((each.width, each.height), self._options.input_wh) for each in chosen]
        for picture, letterbox, into in zip(chosen, boxes, self._input, strict=False):
            letterbox.place(picture, into)
        answer: dict[Any, NDArray[np.float32]] = self._request.infer({0: self._input[: len(chosen)]}, share_inputs=True)
        for raw, letterbox in zip(next(iter(answer.values())), boxes, strict=True):
            yield self._read(raw, letterbox)

    def _read(self, raw: Floats, letterbox: Letterbox) -> Detections:
        """Read one picture's (4 + classes, anchors): centre, size and a score for each class."""
        scores = raw[self._row]
        likely = scores >= self._options.confidence
        x, y, width, height = raw[:4, likely]
        confidence = scores[likely]
        xywh = np.stack([x - width / 2, y - height / 2, width, height], axis=1)
        best = distinct(xywh, confidence, self._options.overlap)
        left, top, width, height = xywh[best].T
        xyxy = np.stack([left, top, left + width, top + height], axis=1)
        return Detections(letterbox.restore(xyxy), np.clip(confidence[best], 0, 1))


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
        config["INFERENCE_NUM_THREADS"] = options.threads
    return core.compile_model(preparation.build(), options.device, config)

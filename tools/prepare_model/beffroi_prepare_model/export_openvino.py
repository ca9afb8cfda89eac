"""Runs in the exporting environment, as a script: weights in, OpenVINO out, a line of JSON about it last."""

from __future__ import annotations

import json
import sys

import ultralytics  # type: ignore[import-not-found,unused-ignore]


def main(weights: str, height: int, width: int) -> None:
    """Export `weights` beside themselves, with every axis left open, and say what was made."""
    model = ultralytics.YOLO(weights, task="detect")
    folder = model.export(format="openvino", dynamic=True, imgsz=(height, width))
    about = {
        "folder": str(folder),
        "exporter": f"ultralytics {ultralytics.__version__}",
        "classes": model.names,
        "stride": int(max(model.model.stride)),
    }
    sys.stdout.write(f"\n{json.dumps(about)}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Run the real Kafka and MinIO until Ctrl-C, for tests that are run again and again.

python -m beffroi_local.parts       prints the variables that make the test fixtures use them
"""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

from .kafka import broker
from .minio import object_server
from .signals import interrupt_on_signals
from .testing import KAFKA_VARIABLE, MINIO_VARIABLES


def main() -> None:
    """Start both, print where they are, wait."""
    interrupt_on_signals()
    with (
        tempfile.TemporaryDirectory(prefix="beffroi-parts-") as folder,
        broker(Path(folder) / "kafka") as kafka,
        object_server(Path(folder) / "minio") as minio,
    ):
        values = (kafka.bootstrap_servers, minio.endpoint, minio.access_key, minio.secret_key)
        for name, value in zip((KAFKA_VARIABLE, *MINIO_VARIABLES), values, strict=True):
            print(f"export {name}={value}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()

"""`python -m beffroi_api.live`: live views on the public port, metrics and health on the admin port."""

from __future__ import annotations

from beffroi_api.http.app import create_live_app
from beffroi_api.http.server import serve
from beffroi_api.process.services import OnBug
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.runtime import settings
from beffroi_common.runtime.lifecycle import Runtime

from .services import LiveServices
from .settings import LiveProcessSettings


def main() -> None:
    """Run until stopped; end with status 1 when a part broke or it did not start."""
    wanted = settings.load(LiveProcessSettings)

    def services(runtime: Runtime, on_bug: OnBug) -> LiveServices:
        bus = KafkaBus(wanted.kafka, "live", wanted.instance)
        return LiveServices(wanted, bus, runtime.clock, runtime.health, on_bug)

    serve("live", wanted, lambda made: create_live_app(wanted, made), services)


if __name__ == "__main__":
    main()

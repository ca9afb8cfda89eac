"""`python -m beffroi_api`: the application on the public port, metrics and health on the admin port."""

from __future__ import annotations

from beffroi_api.http.app import create_app
from beffroi_api.http.server import serve
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.process.services import OnBug
from beffroi_api.services import Services
from beffroi_api.settings import ApiSettings
from beffroi_common.bus.kafka import KafkaBus, watch_slots
from beffroi_common.runtime import settings
from beffroi_common.runtime.lifecycle import Runtime
from beffroi_common.store.minio import MinioStore
from beffroi_common.topics import Service


def main() -> None:
    """Run until stopped; end with status 1 when a part broke or it did not start."""
    wanted = settings.load(ApiSettings)

    def services(runtime: Runtime, on_bug: OnBug) -> Services:
        bus = KafkaBus(wanted.kafka, "api", wanted.instance)
        watch_slots(wanted.kafka, Service.API, runtime, wanted.slots, on_bug)
        stores = Stores(MinioStore(name, each) for name, each in wanted.stores.items())
        return Services(wanted, bus, stores, runtime.clock, runtime.health, on_bug)

    serve("api", wanted, lambda made: create_app(wanted, made), services)


if __name__ == "__main__":
    main()

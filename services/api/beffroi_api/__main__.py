"""`python -m beffroi_api`: the application on the public port, metrics and health on the admin port."""

from __future__ import annotations

import sys

from beffroi_api.http.app import create_app
from beffroi_api.http.server import Server, config
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.services import Services, build
from beffroi_api.settings import ApiSettings
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.runtime import lifecycle, settings
from beffroi_common.store.minio import MinioStore


def main() -> None:
    """Run until stopped; end with status 1 when a part broke."""
    wanted = settings.load(ApiSettings)
    with lifecycle.running("api", wanted) as runtime:
        servers: list[Server] = []

        def services() -> Services:
            bus = KafkaBus(wanted.kafka, "api", wanted.instance)
            stores = Stores(MinioStore(name, each) for name, each in wanted.stores.items())
            return build(wanted, bus, stores, runtime.clock, runtime.health, servers[0].fail)

        app = create_app(wanted, services)
        server = Server(config(wanted, app), app, runtime.health)
        servers.append(server)
        server.run()
        failed = server.failed or not server.started
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()

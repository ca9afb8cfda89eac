"""`python -m beffroi_api.live`: live views on the public port, metrics and health on the admin port."""

from __future__ import annotations

import sys

from beffroi_api.http.app import create_live_app
from beffroi_api.http.server import Server, config
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.runtime import lifecycle, settings

from .services import LiveServices, build
from .settings import LiveProcessSettings


def main() -> None:
    """Run until stopped; end with status 1 when a part broke."""
    wanted = settings.load(LiveProcessSettings)
    with lifecycle.running("live", wanted) as runtime:
        servers: list[Server] = []

        def services() -> LiveServices:
            bus = KafkaBus(wanted.kafka, "live", wanted.instance)
            return build(wanted, bus, runtime.clock, runtime.health, servers[0].fail)

        app = create_live_app(wanted, services)
        server = Server(config(wanted, app), app, runtime.health)
        servers.append(server)
        server.run()
        failed = server.failed or not server.started
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()

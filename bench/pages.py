"""How long each page of the api takes with a thousand cameras and a year of index, on a real PostgreSQL.

One camera has a recording of each minute of the year, the others of each ten minutes of two days; alerts are of the
fortnight that they are kept, the audit trail of the whole year; four services speak of each camera every five seconds.
Printed are the times of each page, asked for by one person and by ten at once who never pause, what the api computes
for it, and its memory; one whose 95th percentile is over 300 ms for one person ends it with status 1. Ten who never
pause keep the api's one core busy: what they see says how far that carries.

`python -m bench.pages`
"""

from __future__ import annotations

import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from sqlalchemy import Connection
from tests.application import CHEAP, PASSWORD, Surroundings, prepare

from beffroi_api.authz.roles import Role
from beffroi_api.db.database import Database
from beffroi_common.contracts import (
    Camera,
    CameraRule,
    CameraSource,
    MaskDecision,
    MaskMode,
    Zone,
)
from beffroi_common.runtime.clock import SystemClock
from beffroi_local.postgres import postgres_server
from beffroi_testing import MemoryBroker, MemoryBus, MemoryStore

from .serving import Api, Visitor, camera_name, p95, serving

CAMERAS = 1000
DAYS = 365
KEPT_DAYS = 14
ALERTS = 280_000
LOOKS = 730_000
ASKED = 40
AT_ONCE = {Role.OPERATOR: 8, Role.DPO: 2}
ROUNDS = 10
"""Of all their pages, by each of those who ask at once."""
MOST_S = 0.300
QUIET_S = 5.0

RECORDINGS = """
insert into recordings (id, store, object_name, camera, state, starts_at, ends_at, frames, missing_batches, width,
                        height, codec, mask_versions, size_bytes, sha256, changed_at)
select substr(md5({camera} || at::text), 1, 24), 'recordings', 'segments/' || {camera} || at::text, {camera},
       case when at < now() - interval '14 days' then 'destroyed' else 'stored' end, at, at + interval '60 seconds',
       1500, 0, 1920, 1080, 'avc1.640028', '[1]', 30000000, repeat('0', 64), at
from {source}
"""
OF_A_YEAR = "generate_series(now() - interval '365 days', now(), interval '1 minute') as at"
OF_TWO_DAYS = (
    "cameras, generate_series(now() - interval '2 days', now(), interval '10 minutes') as at where cameras.id <> 'gate'"
)
ALERT_ROWS = f"""
insert into alerts (id, camera, zone, rule, rule_version, parameters, legal_basis, state, onset, onset_unknown,
                    opened_at, occurred_at, closed_reason, track, box, received_at, acknowledged_by, acknowledged_at)
select md5(n::text), (array(select id from cameras order by id))[1 + mod(n, {CAMERAS})], 'crossroads', 'loitering', 1,
       '{{}}', 'prefecture', case when mod(n, 997) = 0 then 'updated' else 'closed' end, at, false, at, at, 'left', 't',
       '[0.1, 0.1, 0.2, 0.2]', at, case when mod(n, 51) = 0 then null else 'operator' end,
       case when mod(n, 51) = 0 then null else at end
from generate_series(1, {ALERTS}) as n,
     lateral (select now() - interval '{KEPT_DAYS} days' * n / {ALERTS + 1} as at) as a
"""
AUDIT_ROWS = f"""
insert into audit (id, at, "user", address, action, camera, subject, details, previous_hash, hash)
select n, now() - interval '{DAYS} days' * ({LOOKS} - n) / {LOOKS},
       case when mod(n, 10000) = 1 then 'dpo' else 'operator' end,
       '10.0.0.1', 'live_started', (array(select id from cameras order by id))[1 + mod(n, {CAMERAS})], null, '{{}}',
       repeat('0', 64), md5(n::text) || md5(n::text)
from generate_series(1, {LOOKS}) as n
"""

PAGES = {
    "who is signed in": "/session",
    "all cameras": "/cameras",
    "one camera": "/cameras/gate",
    "health": "/health",
    "rules": "/rules",
    "alerts": "/alerts",
    "500 alerts": "/alerts?limit=500",
    "open alerts": "/alerts?state=open",
    "alerts nobody took": "/alerts?acknowledged=false",
    "alerts of a camera": "/alerts?camera=gate",
    "open alerts of a camera that nobody took": "/alerts?camera=gate&state=open&acknowledged=false",
    "recordings of a day": "/cameras/gate/recordings",
    "recordings of a camera that has none": "/cameras/nowhere/recordings",
}
TRAIL = {
    "the trail": "/audit",
    "the trail of a person": "/audit?user=dpo",
    "the trail of nobody": "/audit?user=nobody",
    "the trail of a camera": "/audit?camera=gate",
}
ASKS = {Role.OPERATOR: PAGES, Role.DPO: TRAIL}


def camera(number: int) -> Camera:
    """One with a mask, a zone, a rule and a legal basis."""
    name, now = camera_name(number), datetime.now(UTC)
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    return Camera(
        id=name,
        name=name,
        commune="Lille",
        slot=number % 2,
        source=CameraSource(url="pattern:160x96@5"),
        masking=MaskDecision(mode=MaskMode.BURN, polygons=(corners[:3],), version=1, decided_by="a", decided_at=now),
        zones=(Zone(id="crossroads", name="Crossroads", kind="sensitive", shape="polygon", points=corners),),
        rules=(
            CameraRule(
                id="loitering",
                rule="loitering",
                parameters={"threshold_s": 10},
                geometry={"zone": "crossroads"},
                version=1,
            ),
        ),
        legal_bases=(),
        version=1,
    )


def fill(connection: Connection) -> None:
    """A thousand cameras and a year."""
    for number in range(CAMERAS):
        made = camera(number)
        row = (made.id, made.slot, 1, 1, 1, made.commune, made.model_dump_json())
        connection.exec_driver_sql(
            "insert into cameras (id, slot, version, mask_version, published_version, commune, document) "
            "values (%s, %s, %s, %s, %s, %s, %s)",
            row,
        )
    for person, role in people().items():
        values = (person, person, role.value, "fr", CHEAP.hash(PASSWORD), False, datetime.now(UTC))
        connection.exec_driver_sql(
            "insert into users (username, display_name, role, language, password_hash, password_given, created_at) "
            "values (%s, %s, %s, %s, %s, %s, %s)",
            values,
        )
    connection.exec_driver_sql(RECORDINGS.format(camera="'gate'", source=OF_A_YEAR))
    connection.exec_driver_sql(RECORDINGS.format(camera="cameras.id", source=OF_TWO_DAYS))
    connection.exec_driver_sql(ALERT_ROWS)
    connection.exec_driver_sql(AUDIT_ROWS)
    connection.exec_driver_sql("analyze")


def people() -> dict[str, Role]:
    """Who ask at once."""
    return {f"{role}-{number}": role for role, count in AT_ONCE.items() for number in range(count)}


def wait_until_ready(visitor: Visitor) -> None:
    """At the start every camera is published, and every status read."""
    while not all(each["published"] and each["status"]["code"] == "running" for each in visitor.read("/cameras")):
        time.sleep(1)


def at_once(api: Api) -> dict[str, list[float]]:
    """How long each page takes where ten persons ask for one after the other, sorted."""
    visitors = [(Visitor(api, api.sign_in(person)), ASKS[role]) for person, role in people().items()]

    def ask(visitor: Visitor, pages: dict[str, str]) -> list[tuple[str, float]]:
        return [(page, time_s) for _ in range(ROUNDS) for page in pages for time_s in visitor.times_s(pages[page], 1)]

    with ThreadPoolExecutor(len(visitors)) as pool:
        asking = [pool.submit(ask, *each) for each in visitors]
        taken = [each for one in asking for each in one.result()]
    return {page: sorted(time_s for asked, time_s in taken if asked == page) for page in (*PAGES, *TRAIL)}


def said(page: str, times: list[float]) -> str:
    """Median and 95th percentile, for people."""
    too_slow = " - too slow" * (p95(times) > MOST_S)
    return f"{page}: median {times[len(times) // 2] * 1000:.0f} ms, p95 {p95(times) * 1000:.0f} ms{too_slow}"


def main() -> int:
    """Measure and print; return 1 where a page is too slow."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    slow = []
    with TemporaryDirectory() as folder, postgres_server() as server:
        url = server.create_database()
        clock = SystemClock()
        prepare(Surroundings(url, MemoryBus(MemoryBroker(clock=clock)), [MemoryStore(clock)], clock, Path(folder)))
        database = Database(url, pool_size=1)
        with database.for_migrations(writes=True) as connection:
            fill(connection)
        database.close()
        with serving(url, Path(folder), CAMERAS) as api:
            wait_until_ready(Visitor(api, api.sign_in(Role.OPERATOR.value)))
            print(f"pages: memory of the api at the start: {api.resident_mib:.0f} MiB")
            before_s = api.cpu_s
            time.sleep(QUIET_S)
            quiet_ms = (api.cpu_s - before_s) / QUIET_S * 1000
            print(f"pages: {quiet_ms:.0f} ms of a core a second while nobody asks")
            for role, pages in ASKS.items():
                visitor = Visitor(api, api.sign_in(role.value))
                for page, path in pages.items():
                    visitor.times_s(path, 3)
                    before_s = api.cpu_s
                    times = visitor.times_s(path, ASKED)
                    cpu_ms = (api.cpu_s - before_s) / ASKED * 1000
                    slow += [page] * (p95(times) > MOST_S)
                    print(f"pages: {said(page, times)}, {cpu_ms:.0f} ms of a core", flush=True)
            for page, times in at_once(api).items():
                print(f"pages: ten at once: {said(page, times)}")
            print(f"pages: memory of the api afterwards: {api.resident_mib:.0f} MiB")
    if slow:
        print(f"pages: over {MOST_S * 1000:.0f} ms: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

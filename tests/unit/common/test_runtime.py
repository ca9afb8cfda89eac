"""Settings answer a wrong word clearly, secrets stay secret, health means something, traces travel."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from opentelemetry import trace
from pydantic_settings import SettingsConfigDict

from beffroi_common.bus import Record, StatusReporter
from beffroi_common.bus.reporter import REPEAT_S
from beffroi_common.contracts import Level
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime import tracing
from beffroi_common.runtime.health import Health
from beffroi_common.runtime.http import admin_server
from beffroi_common.runtime.lifecycle import Runtime
from beffroi_common.runtime.settings import ServiceSettings, SettingsError, StoreSettings, load
from beffroi_common.topics import STATUS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus


class Example(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BEFFROI_EXAMPLE_")
    store: StoreSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "KAFKA__PASSWORD": "kafka-secret",
        "STORE__ENDPOINT": "127.0.0.1:9000",
        "STORE__ACCESS_KEY": "key",
        "STORE__SECRET_KEY": "store-secret",
    }.items():
        monkeypatch.setenv(f"BEFFROI_EXAMPLE_{name}", value)
    return monkeypatch


def test_settings_come_from_the_environment_and_show_no_secret(environment: pytest.MonkeyPatch) -> None:
    settings = load(Example)
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert "secret" not in repr(settings).replace("secret_key", "")


@pytest.mark.parametrize("name", ["BEFFROI_EXAMPLE_LOG_LEVL", "BEFFROI_EXAMPLE_KAFKA__BOOTSTRAP"])
def test_an_unknown_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "hunter2")
    with pytest.raises(SettingsError, match=r"(?i)levl|bootstrap") as refused:
        load(Example)
    assert "hunter2" not in str(refused.value)


def test_a_wrong_value_is_named_and_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BEFFROI_EXAMPLE_ADMIN_PORT", "hunter2")
    with pytest.raises(SettingsError, match="admin_port") as refused:
        load(Example)
    assert "hunter2" not in str(refused.value)


def test_a_missing_secret_has_no_default(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("BEFFROI_EXAMPLE_STORE__SECRET_KEY")
    with pytest.raises(SettingsError, match=r"store\.secret_key: Field required"):
        load(Example)


def test_variables_of_another_service_are_not_ours_to_judge(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BEFFROI_OTHER_THING", "1")
    load(Example)


@pytest.fixture
def health() -> Health:
    return Health(ManualClock(), timeout_s=60)


@pytest.fixture
def address(health: Health) -> Iterator[str]:
    server = admin_server(health, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_loop_that_stands_still_is_not_live(health: Health, address: str) -> None:
    clock = health.clock
    assert isinstance(clock, ManualClock)
    assert ask(f"{address}/healthz")[0] == 503
    health.beat("bus")
    assert ask(f"{address}/healthz")[0] == 200
    clock.advance(61)
    status, text = ask(f"{address}/healthz")
    assert (status, json.loads(text)["conditions"]) == (503, {"bus": False})


def test_ready_means_that_every_condition_holds(health: Health, address: str) -> None:
    health.set_ready("partitions")
    health.set_ready("model", False)
    assert ask(f"{address}/readyz")[0] == 503
    health.set_ready("model")
    assert ask(f"{address}/readyz")[0] == 200


LOGS_OF_TWO_THREADS = """
import threading, structlog
from beffroi_common.runtime import logs
logs.configure("masker", "masker-0", "info")
structlog.get_logger().info("main")
worker = threading.Thread(target=structlog.get_logger().info, args=("worker",))
worker.start()
worker.join()
"""


def test_every_thread_says_whose_line_it_is() -> None:
    command = [sys.executable, "-c", LOGS_OF_TWO_THREADS]  # logging is set up once for a whole process
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [json.loads(line) for line in written.splitlines()]
    said = [(line["event"], line["service"], line["instance"]) for line in lines]
    assert said == [("main", "masker", "masker-0"), ("worker", "masker", "masker-0")]


def test_what_is_waited_for_is_said_until_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    runtime = Runtime("example", "one", clock, Health(clock, 60), threading.Event(), 0)
    answers = iter([0, 7])
    assert runtime.wait_for(lambda _seconds: next(answers), 5.0, "waiting for seven", where="here") == 7
    assert runtime.health.live() == {"main": True}
    assert capsys.readouterr().out.count("waiting for seven") == 1


def test_a_wait_ends_when_the_process_is_asked_to_stop() -> None:
    clock = ManualClock()
    runtime = Runtime("example", "one", clock, Health(clock, 60), threading.Event(), 0)

    def in_vain(_seconds: float) -> bool:
        runtime.stop.set()
        return False

    assert runtime.wait_for(in_vain, 5.0, "waiting") is None


def test_metrics_answer_at_the_same_address(address: str) -> None:
    assert "beffroi_batches_in_total" in ask(f"{address}/metrics")[1]
    assert ask(f"{address}/elsewhere")[0] == 404


def test_an_unchanged_status_is_said_every_few_seconds_and_a_change_at_once() -> None:
    clock, broker = ManualClock(), MemoryBroker(slots=1)
    reporter = StatusReporter(MemoryBus(broker).producer(), "masker", "masker-0", clock)

    def codes() -> list[str]:
        return [decode_status(record.value or b"").code for record in broker.records(STATUS)]

    for _ in range(3):
        reporter.camera("place", Level.OK, "masking", "")
    assert codes() == ["masking"]
    reporter.camera("place", Level.ERROR, "no_mask_decision", "decide on masks in the console")
    assert codes() == ["masking", "no_mask_decision"]
    clock.advance(REPEAT_S)
    reporter.camera("place", Level.ERROR, "no_mask_decision", "decide on masks in the console")
    assert codes() == ["masking", "no_mask_decision", "no_mask_decision"]


def test_a_trace_goes_on_across_the_bus() -> None:
    tracing.configure("test", "test-0", None, 1.0)
    with tracing.span("cut"):
        sent = tracing.headers()
        origin = trace.get_current_span().get_span_context().trace_id
    with tracing.span_of(Record("t", 0, 0, "k", b"", 0, sent)):
        assert trace.get_current_span().get_span_context().trace_id == origin

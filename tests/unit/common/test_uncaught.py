"""Whatever a process says, it says in lines of JSON, also when it ends by a bug; and its memory stays off the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BEGIN = """
import asyncio, ctypes, gc, logging, resource, signal, sys, threading, warnings
from beffroi_common.runtime.lifecycle import running
from beffroi_common.runtime.settings import KafkaSettings, ServiceSettings, SettingsError, load
from pydantic_settings import SettingsConfigDict
class Example(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BEFFROI_EXAMPLE_")
class Broken:
    def __del__(self):
        raise ValueError("in a finaliser\\nwith two lines")
class Unprintable:
    def __str__(self):
        raise ValueError("cannot be printed")
    __repr__ = __str__
def bug():
    raise ValueError("a bug\\nof two lines")
with running("example", load(Example)) as runtime:
"""

BUGS = {
    "uncaught": ("bug()", "a bug"),
    "of a thread": ("thread = threading.Thread(target=bug, name='worker'); thread.start(); thread.join()", "a bug"),
    "of asyncio": ("async def main(): bug()\n    asyncio.run(main())", "a bug"),
    "of a task that nobody awaits": (
        "async def main():\n        task = asyncio.create_task(asyncio.sleep(0)); task2 = asyncio.get_running_loop()"
        ".create_future(); task2.set_exception(ValueError('a bug')); del task2; gc.collect()\n    asyncio.run(main())",
        "a bug",
    ),
    "in a callback": (
        "async def main():\n        asyncio.get_running_loop().call_soon(bug); await asyncio.sleep(0)\n"
        "    asyncio.run(main())",
        "a bug",
    ),
    "in a finaliser": ("Broken(); gc.collect()", "in a finaliser"),
    "a warning": ("warnings.warn('take care\\nof this', UserWarning)", "take care"),
    "by a library's logger": ("logging.getLogger('somebody').warning('hello %s', 'you')", "hello you"),
    "a line that cannot be formatted": ("logging.getLogger('somebody').error('%d', 'no number')", "TypeError"),
    "a value that cannot be printed": ("logging.getLogger('somebody').error('%s', Unprintable())", "ValueError"),
    "a line that cannot be printed": ("logging.getLogger('somebody').error(Unprintable())", "ValueError"),
    "wrong settings, later": ("raise SettingsError('the model is \"broken\"')", "the model is"),
    "exit of a thread": ("threading.Thread(target=sys.exit, args=('quiet',)).start()", "stopped"),
}
ENDING = {"uncaught", "of asyncio", "wrong settings, later"}
"""What ends the process, and so by its status too."""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {"BEFFROI_EXAMPLE_KAFKA__BOOTSTRAP_SERVERS": "a:1"} | environment
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", code], env=os.environ | own, capture_output=True, text=True, check=False
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert all(isinstance(each, dict) for each in found)
    return found


@pytest.mark.parametrize("bug", BUGS)
def test_every_line_is_one_object(bug: str) -> None:
    code, said = BUGS[bug]
    done = run(f"{BEGIN}    {code}\n")
    found = lines(done)
    assert done.returncode == (1 if bug in ENDING else 0)
    assert any(said in json.dumps(each) for each in found)
    assert found[-1]["event"] in {"stopped", "the process ends: uncaught exception", "wrong settings"}


def test_a_wrong_setting_is_a_line_too() -> None:
    done = run(f"{BEGIN}    pass\n", BEFFROI_EXAMPLE_LOG_LEVL="debug")
    assert done.returncode == 1
    (line,) = lines(done)
    assert "log_levl" in line["reason"].lower()


def test_a_service_in_the_background_stops_on_each_signal() -> None:
    for name in ("SIGINT", "SIGTERM"):
        code = f"signal.raise_signal(signal.{name}); assert runtime.stop.wait(10)"
        ignored = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        done = run(f"{ignored}{BEGIN}    {code}\n")
        assert done.returncode == 0, done.stderr
        assert any(each.get("signal") == name for each in lines(done))


def test_no_memory_is_left_by_a_crash(tmp_path: Path) -> None:
    code = "print(list(resource.getrlimit(resource.RLIMIT_CORE)), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)"
    done = run(f"import resource\n{BEGIN}    {code}\n")
    assert "[0, 0] 0" in done.stdout.splitlines()

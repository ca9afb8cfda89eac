"""`make demo`: all of Beffroi on this machine, until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from . import accounts, clips, scene
from .accounts import Account
from .client import ApiClient, ApiRefusedError
from .paths import NotInstalledError
from .ports import PortTakenError
from .process import PartFailedError
from .programs import VTEST
from .run_folder import FolderTakenError
from .scene import Scene
from .settings import StackSettings
from .signals import interrupt_on_signals
from .stack import Stack, running_stack

LOOK_PERIOD_S = 1.0
"""How often the api is asked for what has not been seen yet."""

EXPECTED_ERRORS = (
    ApiRefusedError,
    clips.ClipError,
    FolderTakenError,
    NotInstalledError,
    PartFailedError,
    PortTakenError,
)
"""What a person can do something about: shown without a traceback."""

_began = time.monotonic()


def say(line: str) -> None:
    """Print a line with the time since the start. A terminal that closed must not keep a run from stopping whole."""
    with suppress(OSError):
        print(f"[{time.monotonic() - _began:6.1f} s] {line}", flush=True)


@dataclass(frozen=True)
class Demo:
    """A running system with its cameras set up."""

    stack: Stack
    people: dict[str, Account]
    scene: Scene
    clip: clips.PreparedClip

    def sign_in(self, role: str) -> ApiClient:
        """Return a client for the account of `role`."""
        account = self.people[role]
        return ApiClient(self.stack.address, account.username, account.password)


@contextmanager
def running_demo(name: str) -> Iterator[Demo]:
    """Run the system with its two cameras for as long as the context lasts. `name` is that of the run's folder."""
    settings = StackSettings.load()
    source = clips.find_clip()
    if source is None:
        say(f"no vtest.avi on this machine and {clips.CLIP_VARIABLE} is not set: the camera plays a generated clip")
        say("  (Debian's package opencv-doc brings vtest.avi; without people no alert is to be expected)")
        index = clips.prepare_pattern()
    else:
        say(f"preparing {source} for the RTSP camera (the first time takes some seconds)")
        index = clips.prepare(source)
    clip = clips.load(index)
    say(f"the clip: {clip.frames} pictures, {clip.width}×{clip.height}, {float(clip.fps):g} a second")
    people = {account.role: account for account in accounts.run_accounts()}
    with running_stack(
        settings, name, index, say, prepare=lambda parts: accounts.create(list(people.values()), parts)
    ) as stack:
        demo = Demo(stack, people, scene.scene_of(source), clip)
        _set_up_cameras(demo)
        yield demo


def _set_up_cameras(demo: Demo) -> None:
    with demo.sign_in("administrator") as api:
        street, pattern = f"/cameras/{scene.STREET}", f"/cameras/{scene.PATTERN}"
        url = demo.stack.parts.cameras.url(VTEST)
        api.put(street, scene.street_camera(url, float(demo.clip.fps)))
        api.put(f"{street}/zones", scene.zones(demo.scene))
        api.put(f"{street}/legal-bases", scene.legal_bases())
        api.put(f"{street}/masking", scene.masking(demo.scene))
        api.put(pattern, scene.pattern_camera())
        api.put(f"{pattern}/masking", scene.open_masking())
    say("two cameras are set up: one by RTSP with a mask and a zone, and a test pattern")


def _first_picture(api: ApiClient) -> str | None:
    picture = api.still(scene.STREET)
    return None if picture is None else f"the first masked picture arrived ({len(picture) // 1024} kB as a still)"


def _first_alert(api: ApiClient) -> str | None:
    alerts = api.alerts(scene.STREET)
    return f"the first alert arrived: {alerts[-1]['rule']} in zone {alerts[-1]['zone_name']}" if alerts else None


def _first_segment(api: ApiClient) -> str | None:
    now = datetime.now(UTC)
    for camera in (scene.STREET, scene.PATTERN):
        if stored := api.recordings(camera, now - timedelta(hours=1), now):
            first = stored[0]
            return f"the first segment is stored: {first['object']}, {first['frames']} pictures"
    return None


def announce_firsts(stack: Stack, api: ApiClient) -> Iterator[None]:
    """Say when each first thing was seen through the api; yields after each look, for ever."""
    waiting: list[Callable[[ApiClient], str | None]] = [_first_picture, _first_alert, _first_segment]
    while True:
        for look in list(waiting):
            if line := look(api):
                say(line)
                waiting.remove(look)
        for name in stack.require_alive():
            say(f"{name} ended and was started again: see {stack.log(name)}")
        yield


def explain_and_exit(run: Callable[[], int]) -> None:
    """Run `run` to its exit status; an expected error is shown as its message alone."""
    interrupt_on_signals()
    try:
        status = run()
    except KeyboardInterrupt:
        status = 130
    except EXPECTED_ERRORS as error:
        print(f"\n{error}", file=sys.stderr)
        status = 1
    sys.exit(status)


def _run() -> int:
    with ExitStack() as closing:
        demo = closing.enter_context(running_demo("demo"))
        api = closing.enter_context(demo.sign_in("operator"))
        print(f"\n    The console:  {demo.stack.address}\n")
        for account in demo.people.values():
            print(f"    {account.role:14} {account.username:16} {account.password}")
        print(f"\n    Logs: {demo.stack.parts.folder}      Ctrl-C stops everything\n", flush=True)
        try:
            for _ in announce_firsts(demo.stack, api):
                time.sleep(LOOK_PERIOD_S)
        except KeyboardInterrupt:
            say("Ctrl-C")
    return 0


if __name__ == "__main__":
    explain_and_exit(_run)

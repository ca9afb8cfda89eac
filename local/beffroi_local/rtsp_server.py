"""An RTSP camera: plays prepared access units in an endless loop at their own pace.

Run by the system's python3, the only one that sees GStreamer, so nothing of Beffroi is imported here:

    /usr/bin/python3 rtsp_server.py CONFIG.json      see `cameras.py`, which writes CONFIG.json
    /usr/bin/python3 rtsp_server.py --check          exits 0 when everything it needs is installed

Like a camera it films whether or not somebody watches: picture n is due at start + n / fps. Timestamps go on evenly
over the end of the clip. The start of each loop is written to a JSON-lines file with its wall clock.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402, F401

NEEDED_ELEMENTS = ("appsrc", "rtph264pay", "rtpbin")

QUEUE_BYTES = 8_000_000
"""Bound of what waits for a slow viewer: half a minute of this quality."""

LAUNCH = (
    "( appsrc name=units is-live=true format=time max-bytes={queue_bytes} block=false "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au,width={width},height={height},framerate={rate} "
    "! rtph264pay name=pay0 pt=96 )"
)


class Clip:
    """Access units of one prepared clip, all in memory: a minute of street at this quality is some 20 MB."""

    def __init__(self, index: str) -> None:
        values = json.loads(Path(index).read_text())
        data = (Path(index).parent / values["stream"]).read_bytes()
        self.width, self.height = values["width"], values["height"]
        self.rate = f"{values['fps_numerator']}/{values['fps_denominator']}"
        self.frame_ns = 1_000_000_000 * values["fps_denominator"] / values["fps_numerator"]
        self.keys: list[bool] = values["keys"]
        self.units: list[bytes] = []
        start = 0
        for size in values["sizes"]:
            self.units.append(data[start : start + size])
            start += size


class Journal:
    """A JSON-lines file, each line written whole and at once."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()

    def write(self, **values: object) -> None:
        """Append one line."""
        with self._lock, self._path.open("a") as file:
            file.write(json.dumps(values) + "\n")


class Film:
    """What one camera films: knows which picture is due, sends it to the media that is being watched, if any."""

    def __init__(self, path: str, clip: Clip, journal: Journal) -> None:
        self._path, self._clip, self._journal = path, clip, journal
        self._lock = threading.Lock()
        self._source: Any = None
        self._first: int | None = None
        self._base_ns = 0
        self._sent = 0

    def run(self) -> None:
        """Film until the process ends."""
        started_ns = time.monotonic_ns()
        number = 0
        while True:
            due_ns = started_ns + int(number * self._clip.frame_ns)
            time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            loop, position = divmod(number, len(self._clip.units))
            if position == 0:
                self._journal.write(path=self._path, loop=loop, started_ns=time.time_ns(), sent_before=self._sent)
            self._send(number, position)
            number += 1

    def watch(self, source: Any) -> None:
        """Send to `source`, an appsrc, from the next key frame on."""
        with self._lock:
            self._source, self._first = source, None

    def _send(self, number: int, position: int) -> None:
        with self._lock:
            if self._source is None:
                return
            if self._first is None:
                if not self._clip.keys[position]:
                    return
                self._first, self._base_ns = number, self._running_ns()
            buffer = Gst.Buffer.new_wrapped(self._clip.units[position])
            buffer.pts = buffer.dts = self._base_ns + int((number - self._first) * self._clip.frame_ns)
            buffer.duration = int(self._clip.frame_ns)
            if self._source.emit("push-buffer", buffer) == Gst.FlowReturn.OK:
                self._sent += 1
            else:  # nobody watches any more
                self._source = None

    def _running_ns(self) -> int:
        clock = self._source.get_clock()
        return max(0, clock.get_time() - self._source.get_base_time()) if clock else 0


def mount(server: Any, path: str, clip: Clip, film: Film) -> Any:
    """Offer `film` at `path`; return its media factory. All who watch share one stream."""
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH.format(queue_bytes=QUEUE_BYTES, width=clip.width, height=clip.height, rate=clip.rate))
    factory.set_shared(True)
    # Over TCP alone, as street cameras are read here; no UDP port is opened.
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    factory.connect("media-configure", lambda _, media: film.watch(media.get_element().get_by_name_recurse_up("units")))
    server.get_mount_points().add_factory(path, factory)
    return factory


def require_login(server: Any, factories: list[Any], user: str, password: str) -> None:
    """Ask for `user` and `password`, by digest authentication."""
    role = "viewer"
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, role)
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        for permission in (
            GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS,
            GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
        ):
            permissions.add_permission_for_role(role, permission, True)
        factory.set_permissions(permissions)


def check() -> None:
    """Name what is missing, if anything."""
    Gst.init(None)
    missing = [name for name in NEEDED_ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        sys.exit(f"GStreamer elements are missing: {', '.join(missing)}")


def main(config_file: str) -> None:
    """Serve the cameras of `config_file` until the process is ended."""
    check()
    config = json.loads(Path(config_file).read_text())
    server = GstRtspServer.RTSPServer()
    server.set_address(config["host"])
    server.set_service(str(config["port"]))
    journal = Journal(config["journal"])
    factories = []
    for path, index in config["mounts"].items():
        clip = Clip(index)
        film = Film(path, clip, journal)
        factories.append(mount(server, path, clip, film))
        threading.Thread(target=film.run, name=f"film {path}", daemon=True).start()
    if config.get("user"):
        require_login(server, factories, config["user"], os.environ[config["password_variable"]])
    if server.attach(None) == 0:
        sys.exit(f"port {config['port']} cannot be had: is it taken?")
    GLib.MainLoop().run()


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    else:
        main(sys.argv[1])

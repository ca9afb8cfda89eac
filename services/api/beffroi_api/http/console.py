"""The console's files, as Vite built them: one page, hashed assets."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from beffroi_api.errors import NotFound
from beffroi_api.http.paths import API_PREFIX

BUILT = Path(__file__).parents[1] / "static"

NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Beffroi: console not built</title>
<h1>The console is not built</h1>
<p>The api runs, but its console's files are not there. Build them, then load this page again:</p>
<pre>cd services/api/console
npm ci
npm run build</pre>
<p>The api itself answers under /api/v1.</p>
</html>
"""

FOREVER = "public, max-age=31536000, immutable"
"""For files with a hash in their name."""


def router(folder: Path = BUILT) -> APIRouter:
    """Serve the files of `folder`; any other address is the page itself, which knows its own ways."""
    root = folder.resolve()
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/{path:path}", methods=["GET", "HEAD"])
    def console(path: str) -> Response:
        if f"/{path}".startswith(f"{API_PREFIX.rsplit('/', 1)[0]}/"):
            raise NotFound(f"There is nothing at /{path}: see services/api/openapi.json.")
        index = root / "index.html"
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, status_code=503)
        file = _file(root, path)
        if file is not None and file != index:
            hashed = path.startswith("assets/")
            return FileResponse(file, headers={"Cache-Control": FOREVER if hashed else "no-cache"})
        if "." in path.rsplit("/", 1)[-1]:
            raise NotFound(f"There is no file {path}: load the page again.")
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    return routes


def _file(root: Path, path: str) -> Path | None:
    """The file at `path`, if it is one and lies inside the folder."""
    if not path or "\x00" in path:
        return None
    file = (root / path).resolve()
    try:
        return file if file.is_relative_to(root) and file.is_file() else None
    except OSError:  # no file can have so long a name
        return None

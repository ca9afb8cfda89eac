"""The console in Debian's Chromium, against the real api on a real port."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect, sync_playwright
from tests.application import PASSWORD

from beffroi_api.authz.roles import Role
from beffroi_api.http.console import BUILT

from .footage import Footage, pattern_footage
from .stage import Stage, staged

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 30_000
"""Far longer than anything takes, so that a busy machine fails no test."""

AXE = Path(__file__).parents[3] / "services/api/console/node_modules/axe-core/axe.min.js"


EXPECTED = (
    "Failed to load resource",  # the api refused: what some tests are about; a 5xx is told below
    "WebSocket is closed before the connection is established",  # somebody left a view at once
)


@dataclass(frozen=True)
class Console:
    """Where the console is, and who may enter: role → (user name, password)."""

    url: str
    people: dict[str, tuple[str, str]]


@dataclass
class Watched:
    """What the browser complained of: scripts that failed, and what the content security policy forbade."""

    complaints: list[str] = field(default_factory=list)

    def page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._said)
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(each in message.text for each in EXPECTED):
            self.complaints.append(message.text)

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")


@pytest.fixture(scope="session")
def pattern_clip() -> Footage:
    """Four seconds of the test pattern."""
    return pattern_footage(4)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed for these tests: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A world of its own for each test."""
    assert (BUILT / "index.html").is_file(), "Build the console first: cd services/api/console; npm ci; npm run build"
    with staged(tmp_path, commune="Lille", event_heartbeat_s=1.0) as made:
        yield made


@pytest.fixture
def console(stage: Stage) -> Console:
    """The console of the stage."""
    return Console(stage.url, {role.value: (role.value, PASSWORD) for role in Role})


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """`new_context(width=1280, height=720)` → a browser profile of its own; complaints fail the test at its end."""
    watched = Watched()
    with ExitStack() as opened:

        def make(width: int = 1280, height: int = 720) -> BrowserContext:
            context = browser.new_context(
                viewport={"width": width, "height": height}, locale="fr-FR", timezone_id="Europe/Paris"
            )
            opened.callback(context.close)
            context.set_default_timeout(TIMEOUT_MS)
            context.on("page", watched.page)
            return context

        expect.set_options(timeout=TIMEOUT_MS)
        yield make
    assert not watched.complaints, watched.complaints


Enter = Callable[..., Page]


@pytest.fixture
def enter(console: Console, new_context: Callable[..., BrowserContext]) -> Enter:
    """`enter("operator", "/alerts")` → a page on which that person is signed in."""

    def sign_in(role: str, path: str = "/", *, width: int = 1280, height: int = 720) -> Page:
        page = new_context(width, height).new_page()
        page.goto(console.url)
        name, password = console.people[role]
        page.get_by_label("Identifiant").fill(name)
        page.get_by_label("Mot de passe").fill(password)
        page.keyboard.press("Enter")
        expect(page.get_by_role("navigation")).to_be_visible()
        if path != "/":
            page.goto(console.url + path)
            expect(page.get_by_role("navigation")).to_be_visible()
        return page

    return sign_in


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of the accessibility checker."""
    assert AXE.is_file(), "axe-core comes with the console's development packages: cd services/api/console; npm ci"
    return AXE.read_text()

"""A real server and a real browser, with no way out to another host.

Any console error and any request to another host fails the test that caused it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from masterplan.settings import PROJECT_ROOT
from tests.browser.sockets import watching
from tests.conftest import cloned, refreshed

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: WebGL by software, and the rest of the page without it, which halves its work; nothing of the browser's own talks to
#: the network.
ARGUMENTS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-compositing",
    "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
#: Messages of Streamlit's own that say nothing about us.
HARMLESS = (
    "Unrecognized feature:",
    "An iframe which has both allow-scripts and allow-same-origin",
    # Opened at a page's own address, Streamlit first looks for its server below that address.
    "/_stcore/health)",
    "/_stcore/host-config)",
)

expect.set_options(timeout=30_000)

#: The database of this process's running server.
SERVED = f"s_{os.getpid()}"


@dataclass
class Server:
    """A running application on a clone of the template database."""

    port: int
    log: Path
    pid: int = 0
    #: What it listened on and spoke to while it started; see `sockets.py`.
    sockets: set = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(database_name: str, log: Path, **environment: str) -> tuple[subprocess.Popen, Server]:
    server = Server(free_port(), log)
    env = os.environ | {"MASTERPLAN_DATABASE_NAME": database_name, "PORT": str(server.port)} | environment
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=PROJECT_ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    server.pid = process.pid
    return process, server


def wait_for(server: Server, process: subprocess.Popen, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server ended:\n{server.log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(f"{server.address}/healthz", timeout=2)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server did not answer:\n{server.log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def shared_server(template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of this process of the tests, for those that mind no row of another's."""
    with cloned(SERVED, template_database):
        log = tmp_path_factory.mktemp("server") / "server.log"
        process, running = start_server(SERVED, log, MASTERPLAN_DEMO="1")
        with watching(process.pid) if sys.platform == "linux" else nullcontext(set()) as running.sockets:
            wait_for(running, process)
        yield running
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def database_name(shared_server: Server, template_database: str) -> Iterator[str]:
    """The database of the running server, made anew for one module; this process is pointed at it too."""
    with refreshed(SERVED, template_database):
        yield SERVED


@pytest.fixture(scope="module")
def server(shared_server: Server, database_name: str) -> Server:
    """The running server, with a database that nobody has written into yet."""
    return shared_server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed: run `make test`, which installs it.")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@dataclass
class Watched:
    """What a page did that it should not have."""

    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _console(self, message) -> None:
        told = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and not any(known in told for known in (*HARMLESS, *self.expected)):
            self.errors.append(told)

    def _request(self, request) -> None:
        hosts = ("127.0.0.1", "localhost")
        known = ("blob:", "data:", *(f"{way}://{host}:" for way in ("http", "ws", "https", "wss") for host in hosts))
        if not request.url.startswith(known) and not any(host in request.url for host in self.expected):
            self.strangers.append(request.url)


@pytest.fixture
def watched() -> Iterator[Watched]:
    seen = Watched()
    yield seen
    assert seen.strangers == [], "requests to other hosts"
    assert seen.errors == [], "console errors"


@pytest.fixture(scope="session")
def warm_context(browser: Browser) -> Iterator[BrowserContext]:
    """One context for all tests of this process, so that Streamlit's scripts are read and compiled once."""
    opened = browser.new_context(accept_downloads=True, device_scale_factor=0.5)
    yield opened
    opened.close()


@pytest.fixture
def context(warm_context: BrowserContext) -> Iterator[BrowserContext]:
    """The browser as somebody new finds it: nothing is left of the test before but scripts in its cache."""
    yield warm_context
    for left in warm_context.pages:
        _forget_origin(left)
        left.close()
    warm_context.clear_cookies()
    warm_context.clear_permissions()
    warm_context.unroute_all()


def _forget_origin(page: Page) -> None:
    """What the page's origin keeps in the browser, but for its cache."""
    if page.url.startswith("http"):
        origin = "/".join(page.url.split("/")[:3])
        kinds = "cookies,local_storage,indexeddb,service_workers"
        page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": kinds})


@pytest.fixture
def page(context: BrowserContext, watched: Watched) -> Page:
    opened = context.new_page()
    opened.set_viewport_size({"width": 1500, "height": 900})
    watched.watch(opened)
    return opened


def map_of(page: Page) -> FrameLocator:
    """The map's frame, once the plan is drawn."""
    frame = page.frame_locator("iframe[title*='st_folium']")
    expect(frame.locator(".leaflet-container[data-plan=idle]")).to_be_visible(timeout=60_000)
    return frame


def click_at(page: Page, lon: float, lat: float) -> None:
    """Click the map where a place is, as a person would."""
    container = map_of(page).locator(".leaflet-container")
    point = container.evaluate(
        "(_, [lat, lon]) => { const p = window.map.latLngToContainerPoint([lat, lon]); return [p.x, p.y]; }", [lat, lon]
    )
    box = container.bounding_box()
    page.mouse.click(box["x"] + point[0], box["y"] + point[1])


def choose_role(page: Page, role: str) -> None:
    choose(page, "Rol", role)
    if role == "planificator":
        # Theirs alone: with it the page has been drawn for the role, and a click is no longer taken back.
        expect(page.get_by_role("link", name="Criterii: ce ar fi dacă")).to_be_attached()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def choose(page: Page, label: str, option: str) -> None:
    """Pick from a select box by its label; a page that is drawn anew just then closes the list, as for a person."""
    wanted = page.get_by_role("option", name=option, exact=True)
    for _ in range(3):
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        page.get_by_role("combobox", name=label).first.click()
        with suppress(PlaywrightTimeout):
            wanted.click(timeout=5_000)
            return
    raise AssertionError(f"no option {option!r} under {label!r}")

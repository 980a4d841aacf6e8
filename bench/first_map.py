"""What the first map and one click cost: bytes over the websocket, and seconds until the map can be used."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from playwright.sync_api import Browser, FrameLocator, Page, Request, WebSocket
from playwright.sync_api import TimeoutError as TookTooLong
from sqlalchemy import text

from bench import serving, worlds
from bench.figures import Goal, Row, Section
from bench.worlds import Say
from masterplan.actors import VISITOR
from masterplan.database import transaction
from masterplan.place import place

LOADS = 3
#: The alternative is given so long for a map, and for a click.
CAP_S = 240
#: After the map can be used, for what Streamlit still says.
SETTLE_MS = 1_500
MOST_BYTES = 64_000
MOST_GROWTH = 0.05
MOST_SLOWER = 1.5
ALTERNATIVE = "st_folium + folium.GeoJson"

METHOD = f"""\
Headless Chromium (software WebGL) opens the page in a new, empty browser profile after one load that
warms the server: {LOADS} loads of ours, median (the alternative: {LOADS} up to 1,000 proposals, then one,
each given at most {CAP_S} s). Bytes are the payloads of all frames of the page's websocket in both
directions, uncompressed as Streamlit sends them, up to {SETTLE_MS / 1000:g} s after the map can be used. Usable means
for ours: style, plan tiles and proposal tiles are drawn and the map is idle; for the alternative: every
feature is on the map and a frame was drawn. The rerun is a click on the map at a place, until the page
says what is there. The alternative (`bench/plain_page.py`) draws the same public proposals, and the plan
layers that ours shows at first, on Leaflet's canvas, with the data cached and the assets served locally.
Bytes of tiles are what came over HTTP instead: they depend on what is in view."""


@dataclass
class Visit:
    """What one load and one click cost."""

    first_bytes: int
    seconds: float
    rerun_bytes: int
    rerun_seconds: float
    tile_bytes: int


@dataclass
class _Wire:
    """Counts what goes over a page's websocket, and remembers finished requests."""

    bytes: int = 0
    requests: list[Request] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("websocket", self._opened)
        page.on("requestfinished", self._finished)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framesent", self._count)
        socket.on("framereceived", self._count)

    def _count(self, payload: str | bytes) -> None:
        self.bytes += len(payload.encode() if isinstance(payload, str) else payload)

    def _finished(self, request: Request) -> None:
        self.requests.append(request)

    def tile_bytes(self) -> int:
        return sum(r.sizes()["responseBodySize"] for r in self.requests if "/tiles/" in r.url)


def measure(counts: Sequence[int], say: Say) -> Section:
    section = Section("1. The first map and one click", METHOD)
    ours: dict[int, Visit] = {}
    with serving.browser() as browser:
        for count in counts:
            worlds.use(worlds.world_of(count))
            say(f"Opening our map with {count:,} proposals")
            with serving.server("app.py") as address:
                _visit(browser, address, _our_map, _our_answer)
                ours[count] = _median([_visit(browser, address, _our_map, _our_answer) for _ in range(LOADS)])
            say(f"Opening the alternative with {count:,} proposals")
            section.rows += _rows(count, ours[count], *_alternative(browser, count))
    section.goals = _goals(ours)
    return section


# -- one visit -----------------------------------------------------------------------------


def _visit(browser: Browser, address: str, ready: Callable, answered: Callable) -> Visit:
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    try:
        page = context.new_page()
        page.set_default_timeout(CAP_S * 1000)
        wire = _Wire()
        wire.watch(page)
        began = time.perf_counter()
        page.goto(address, wait_until="commit")
        frame = page.frame_locator("iframe[title*='st_folium']")
        ready(page, frame)
        seconds = time.perf_counter() - began
        page.wait_for_timeout(SETTLE_MS)
        first, tiles = wire.bytes, wire.tile_bytes()
        began = time.perf_counter()
        _click(page, frame)
        answered(page)
        rerun_seconds = time.perf_counter() - began
        page.wait_for_timeout(SETTLE_MS)
        return Visit(first, seconds, wire.bytes - first, rerun_seconds, tiles)
    finally:
        context.close()


def _our_map(_page: Page, frame: FrameLocator) -> None:
    frame.locator(".leaflet-container[data-plan=idle]").wait_for()


def _our_answer(page: Page) -> None:
    page.get_by_role("heading", name="Ce este aici").wait_for()


def _plain_map(page: Page, frame: FrameLocator) -> None:
    """Every feature is a layer of the Leaflet map, and a frame was drawn since."""
    told = page.get_by_text(" features").inner_text()
    frame.locator(".leaflet-container").evaluate(
        """(_, expected) => new Promise(done => {
            const look = () => window.map && Object.keys(window.map._layers).length > expected
                ? requestAnimationFrame(() => requestAnimationFrame(done)) : setTimeout(look, 50);
            look();
        })""",
        int(told.split()[0]),
        timeout=CAP_S * 1000,
    )


def _plain_answer(page: Page) -> None:
    page.get_by_role("heading", name="Clicked").wait_for()


def _click(page: Page, frame: FrameLocator) -> None:
    """Click the middle of the place, always the same."""
    container = frame.locator(".leaflet-container")
    lon, lat = place().center
    at = container.evaluate(
        "(_, [lat, lon]) => { const p = window.map.latLngToContainerPoint([lat, lon]); return [p.x, p.y]; }",
        [lat, lon],
    )
    box = container.bounding_box()
    page.mouse.click(box["x"] + at[0], box["y"] + at[1])


def _median(visits: list[Visit]) -> Visit:
    return Visit(*(statistics.median(getattr(v, name) for v in visits) for name in Visit.__dataclass_fields__))


# -- the alternative -----------------------------------------------------------------------


def _alternative(browser: Browser, count: int) -> tuple[Visit | None, str]:
    loads = LOADS if count <= 1_000 else 1
    with serving.server("bench/plain_server.py") as address:
        try:
            _visit(browser, address, _plain_map, _plain_answer)
            return _median([_visit(browser, address, _plain_map, _plain_answer) for _ in range(loads)]), ""
        except TookTooLong:
            return None, f"the alternative did not finish in {CAP_S} s"


# -- what came out -------------------------------------------------------------------------


def _rows(count: int, ours: Visit, theirs: Visit | None, note: str) -> list[Row]:
    def row(what: str, unit: str, name: str) -> Row:
        return Row(what, count, unit, getattr(ours, name), ALTERNATIVE, getattr(theirs, name, None), note)

    return [
        row("websocket, first map", "bytes", "first_bytes"),
        row("websocket, one click", "bytes", "rerun_bytes"),
        row("until the map can be used", "s", "seconds"),
        row("from click to answer", "s", "rerun_seconds"),
        Row("tiles over HTTP, first map", count, "bytes", ours.tile_bytes, note=f"{_public()} public proposals"),
    ]


def _public() -> str:
    with transaction(VISITOR) as connection:
        return f"{connection.scalar(text('SELECT count(*) FROM masterplan.proposal')):,}"


def _goals(ours: dict[int, Visit]) -> list[Goal]:
    few, many = ours[min(ours)], ours[max(ours)]
    full = min(ours) <= 100 and max(ours) >= 100_000
    spread = f"from {min(ours):,} to {max(ours):,}"

    def growth(name: str) -> float:
        return getattr(many, name) / getattr(few, name) - 1

    goals = [
        Goal(f"{what}: bytes constant {spread} (≤ 5 %) and ≤ 64 kB",
             f"{growth(name):+.2%}, {getattr(many, name) / 1000:.1f} kB",
             abs(growth(name)) <= MOST_GROWTH and getattr(many, name) <= MOST_BYTES if full else None)
        for what, name in (("first map", "first_bytes"), ("one click", "rerun_bytes"))
    ]  # fmt: skip
    slower = many.seconds / few.seconds
    goals.append(Goal(f"time to a usable map {spread} ≤ 1.5 ×", f"× {slower:.2f}",
                      slower <= MOST_SLOWER if full else None))  # fmt: skip
    return goals

"""The rubric while drawing: from a point that is dragged to the result shown in the browser, and its parts."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import shapely
from playwright.sync_api import FrameLocator, Page
from sqlalchemy import create_engine, text

from bench import frames, serving, worlds
from bench.figures import Goal, Row, Section
from bench.worlds import Say
from masterplan.actors import SYSTEM, VISITOR
from masterplan.database import admin_url, transaction
from proposals.criteria_store import in_force
from proposals.live import rubric
from proposals.measuring import Candidate, measure_one, score_measured

#: Points dragged in the browser, and geometries judged without one; so many go before, uncounted.
DRAGS, DRAWINGS, WARM_UP = 40, 200, 5
HAND_RUNS = 3
#: Of the drawings, so many by geopandas too: it takes long.
BY_FRAMES = 50
#: The issue: within a second.
MOST_MS = 1000

METHOD = f"""\
*In the browser*: headless Chromium opens the map, draws a line of three points, opens it for editing and drags its last
point {DRAGS} times by another 12 px, {WARM_UP} before these uncounted. The clock starts in the page at the editor's own
event of the dragged point and stops when a mutation observer sees the panel written with an answer to a question asked
after it; the pause of the script between two questions is in the time. *On the server* (`proposals.live.rubric`, what
`/rubric` calls): shape and theme of {DRAWINGS} seeded proposals drawn at random are checked, measured and scored, and
nothing is stored; *measured and scored alone* leaves out the checks and the names of layers. Beside it geopandas
(`bench/frames.py`), with the layers in memory, facts alone; and the hand-written SQL of every measure
(`bench/hand_written.sql`, as superuser, without scores) in a copy of the world that holds one proposal, {HAND_RUNS}
times: written for all proposals at once, it dissolves the layers anew, which ours keeps."""


def measure(counts: Sequence[int], say: Say) -> Section:
    section = Section("8. The rubric while drawing", METHOD)
    count = max(counts)
    worlds.use(worlds.world_of(count))
    say(f"Judging {DRAWINGS} drawings beside {count:,} proposals")
    with transaction(SYSTEM) as connection:
        drawn = _drawn(connection)
    whole = _times(_judged, drawn)
    alone = _times(_measured_and_scored, drawn)
    by_frames = _geopandas([row.id for row in drawn][: WARM_UP + BY_FRAMES])
    say("One proposal by hand-written SQL")
    by_hand = _by_hand(min(counts))
    worlds.use(worlds.world_of(count))
    say("Dragging a point in the browser")
    shown = _in_the_browser()
    section.rows = [
        Row("in the browser, median", count, "ms", statistics.median(shown), note=f"p95 {_p95(shown):.0f} ms"),
        Row("on the server, median", count, "ms", statistics.median(whole), note=f"p95 {_p95(whole):.0f} ms"),
        Row("measured and scored alone, median", count, "ms", statistics.median(alone), "geopandas, facts alone",
            statistics.median(by_frames), f"p95 {_p95(alone):.0f} ms"),
        Row("measured and scored alone, median", count, "ms", statistics.median(alone), "hand-written SQL", by_hand),
    ]  # fmt: skip
    section.goals = [
        Goal(f"dragging a point updates the result within {MOST_MS} ms (p95)", f"{_p95(shown):.0f} ms",
             _p95(shown) <= MOST_MS),
    ]  # fmt: skip
    return section


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


# -- on the server -------------------------------------------------------------------------

_SAMPLE = text("""
    SELECT id, theme, attributes, ST_AsGeoJSON(ST_Transform(geom, 4326), 6) AS geometry
    FROM masterplan.proposal WHERE id = ANY(:ids)
""")


def _drawn(connection) -> list:
    ids = list(connection.scalars(text("SELECT id FROM masterplan.proposal ORDER BY id")))
    chosen = random.Random(worlds.SEED).choices(ids, k=DRAWINGS + WARM_UP)
    rows = {row.id: row for row in connection.execute(_SAMPLE, {"ids": chosen})}
    return [rows[number] for number in chosen]


def _judged(row) -> None:
    rubric(orjson.loads(row.geometry), row.theme, VISITOR, "ro")


def _measured_and_scored(row) -> None:
    with transaction(SYSTEM) as connection:
        criteria = in_force(connection)
        wkb = shapely.to_wkb(shapely.from_geojson(row.geometry))
        score_measured(measure_one(connection, Candidate(wkb, row.theme), [criteria]), criteria)


def _geopandas(ids: list[int]) -> list[float]:
    with transaction(SYSTEM) as connection:
        known = frames.Frames(connection, in_force(connection))
        every = frames.subjects(connection, sorted(set(ids)))
    return _times(lambda number: known.facts(every.loc[[number]]), ids)


_ALL_BUT_ONE = """
    DELETE FROM masterplan.proposal WHERE id <> (SELECT min(id) FROM masterplan.proposal);
    ANALYZE masterplan.proposal;
"""


def _by_hand(count: int) -> float:
    """Milliseconds of the script over one proposal, the median."""
    script = Path(__file__).with_name("hand_written.sql").read_text(encoding="utf-8")
    with worlds.copy_of(count):
        engine = create_engine(admin_url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            driver.execute(_ALL_BUT_ONE)
            times = []
            for _ in range(HAND_RUNS):
                began = time.perf_counter()
                driver.execute("BEGIN; " + script + " COMMIT;")
                times.append(1000 * (time.perf_counter() - began))
                driver.execute("DROP TABLE hand_written")
                driver.execute("DISCARD TEMP")
        engine.dispose()
    return statistics.median(times)


def _times(act: Callable, items: list) -> list[float]:
    """Milliseconds of each, the warm-up left out."""
    times = []
    for item in items:
        began = time.perf_counter()
        act(item)
        times.append(1000 * (time.perf_counter() - began))
    return times[WARM_UP:]


# -- in the browser ------------------------------------------------------------------------

LINE = ((27.56, 47.15), (27.58, 47.16), (27.60, 47.15))
_GUARD_MS = 90
#: Nearer to where it was taken Leaflet does not move a point (its click tolerance is 3 px).
_AWAY_PX = 12
#: From the editor's event to the next answer that was asked for after it: `data-shown` counts questions.
_CLOCK = """() => {
    const panel = () => document.querySelector('.rubric');
    window.benchTimes = [];
    let began = null, answered = 0;
    window.drawnItems.eachLayer(layer => layer.on('editdrag', () => {
        if (began === null) { began = performance.now(); answered = Number(panel().dataset.shown); }
    }));
    new MutationObserver(() => {
        if (began === null || Number(panel().dataset.shown) <= answered) return;
        window.benchTimes.push(performance.now() - began);
        began = null;
    }).observe(panel(), { attributes: true, attributeFilter: ['data-shown'] });
}"""


def _in_the_browser() -> list[float]:
    with serving.browser() as browser, serving.server("app.py") as address:
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(address)
        frame = page.frame_locator("iframe[title*='st_folium']")
        frame.locator(".leaflet-container[data-plan=idle]").wait_for()
        _draw(page, frame)
        frame.locator(".leaflet-draw-edit-edit").click()
        box = frame.locator(".leaflet-editing-icon").last.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        frame.locator(".leaflet-container").evaluate(_CLOCK)
        page.mouse.move(x, y)
        page.mouse.down()
        for number in range(1, DRAGS + WARM_UP + 1):
            page.mouse.move(x, y - _AWAY_PX - (12 if number % 2 else 0) - number)
            frame.locator(".leaflet-container").evaluate(
                "(_, number) => new Promise(done => { const look = () =>"
                " window.benchTimes.length >= number ? done() : setTimeout(look, 20); look(); })", number,
            )  # fmt: skip
        return frame.locator(".leaflet-container").evaluate("() => window.benchTimes")[WARM_UP:]


def _draw(page: Page, frame: FrameLocator) -> None:
    container = frame.locator(".leaflet-container")
    frame.locator(".leaflet-draw-draw-polyline").click()
    for lon, lat in (*LINE, LINE[-1]):
        page.wait_for_timeout(_GUARD_MS)
        at = container.evaluate(
            "(_, [lat, lon]) => { const p = window.map.latLngToContainerPoint([lat, lon]); return [p.x, p.y]; }",
            [lat, lon],
        )
        box = container.bounding_box()
        page.mouse.click(box["x"] + at[0], box["y"] + at[1])
    frame.locator(".rubric[data-shown]:not([aria-busy])").wait_for()

"""Hostile text from files and people, in a real browser: shown as text, run nowhere."""

import json
import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from layers.loading import Options, load_file
from masterplan.actors import SYSTEM
from masterplan.database import transaction
from masterplan.pages.plain import WORD_JOINER
from proposals import receipts
from tests.browser.conftest import Server, choose_role, map_of

HOSTILE = (
    '<img src=x onerror="window.top.hacked=1">{{7*7}}${window.top.hacked=2}'
    "[x](javascript:alert(1))![](//h.example/i)"
)
PLACE = (27.70, 47.10)
CODE = receipts.code(1)


@pytest.fixture(scope="module")
def hostile_data(database_name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A zone, an observation and a proposal whose every text is hostile."""
    lon, lat = PLACE
    square = [[lon - 0.03, lat - 0.03], [lon + 0.03, lat - 0.03], [lon + 0.03, lat + 0.03], [lon - 0.03, lat + 0.03],
              [lon - 0.03, lat - 0.03]]  # fmt: skip
    zone = {"type": "Feature", "id": HOSTILE[:40], "geometry": {"type": "Polygon", "coordinates": [square]},
            "properties": {"name_ro": HOSTILE, "name_en": HOSTILE, "status": "proposed", "zone": HOSTILE,
                           "uses": ["green"], "mix_ro": HOSTILE, "mix_en": HOSTILE, "source": HOSTILE}}  # fmt: skip
    path = tmp_path_factory.mktemp("hostile") / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    load_file(path, "strategic_zones", Options(source=HOSTILE))
    insert = text(
        "INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, source_event, author_kind,"
        " theme, title, description, geom, criteria_set, edition)"
        " SELECT :code, :key, 'observation', 'published', 'meeting', :text, 'citizen', 'water', :text, :text,"
        " ST_Transform(ST_SetSRID(ST_MakePoint(:lon, :lat), 4326), 3844), version, 1 FROM masterplan.criteria_set"
    )
    with transaction(SYSTEM) as connection:
        connection.execute(insert, {"code": CODE, "key": uuid4(), "text": HOSTILE, "lon": lon, "lat": lat})


def assert_shown_as_text(page: Page) -> None:
    title = page.get_by_role("heading", name=re.compile("onerror"))
    expect(title).to_be_visible()
    assert title.inner_text().replace(WORD_JOINER, "") == HOSTILE


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def assert_nothing_ran(page: Page) -> None:
    assert page.evaluate("window.top.hacked") is None
    for inside in page.frames:
        assert inside.locator("img[src=x], img[src*='h.example'], a[href^='javascript']").count() == 0


def test_every_sink_shows_the_text_and_runs_nothing(hostile_data, page: Page, server: Server):
    page.goto(server.address)
    frame = map_of(page)
    container = frame.locator(".leaflet-container")
    container.evaluate("(_, [lat, lon]) => window.map.setView([lat, lon], 14, {animate: false})", [PLACE[1], PLACE[0]])
    expect(frame.locator(".leaflet-container[data-plan=idle]")).to_be_visible()
    box = container.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    page.mouse.move(middle[0] + 1, middle[1] + 1)
    page.mouse.move(*middle)
    expect(frame.locator(".plan-tooltip")).to_contain_text('<img src=x onerror="window.top.hacked=1">{{7*7}}')

    page.mouse.click(*middle)
    expect(page.get_by_text("Ce este aici")).to_be_visible()
    name = page.locator("strong", has_text="onerror")
    expect(name).to_be_visible()
    assert name.inner_text().replace(WORD_JOINER, "") == HOSTILE

    assert_nothing_ran(page)

    page.goto(f"{server.address}/registru?cod={CODE}")
    assert_shown_as_text(page)
    assert_nothing_ran(page)

    choose_role(page, "planificator")
    settled(page)
    page.get_by_role("link", name="Analiză și decizie").click()
    expect(page).to_have_url(re.compile("analiza"))
    map_of(page)
    search = page.get_by_role("textbox", name="Caută în titlu, descriere și cod")
    search.fill(CODE)
    search.press("Enter")
    expect(page.get_by_text("Găsite: 1")).to_be_visible()
    assert_nothing_ran(page)
    page.goto(f"{server.address}/analiza?cod={CODE}")
    settled(page)
    choose_role(page, "planificator")
    assert_shown_as_text(page)
    map_of(page)
    assert_nothing_ran(page)
    for address in ("/map/style.json", "/map/panel.json", "/ogc/collections/strategic_zones/items?f=geojson"):
        answer = page.request.get(server.address + address)
        assert answer.ok
        assert "html" not in answer.headers["content-type"]

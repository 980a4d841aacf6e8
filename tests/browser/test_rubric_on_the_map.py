"""While somebody draws: the result follows the hand, the map stays mounted, late answers are dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import FrameLocator, Page, Route, expect
from sqlalchemy import text

from masterplan.database import owner_transaction
from tests.browser.conftest import Server, Watched, choose, click_at, map_of

#: Within 50 ms of a click the editor takes another for the same one.
DOUBLE_CLICK_GUARD_MS = 80
LINE = [(27.55, 47.15), (27.57, 47.16), (27.59, 47.15)]
HOSTILE = "<img src=x onerror=alert(1)> „Bahlui” {{7*7}}"
ANSWER = {"first": "", "gates_words": "", "outcome": "", "repairs": [], "gates": [], "criteria": []}
NUMBER = re.compile(r"^[0-9]+,[0-9] din 100 de puncte$")


@pytest.fixture(scope="module", autouse=True)
def _a_hostile_name(database_name: str) -> Iterator[None]:
    """What the line touches is called by hostile words."""
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.feature SET name_ro = :name WHERE layer_id = 'strategic_zones'"),
                           {"name": HOSTILE})  # fmt: skip
    yield


def opened(page: Page, server: Server) -> FrameLocator:
    page.goto(server.address)
    frame = map_of(page)
    frame.locator(".leaflet-container").evaluate("map => { map.dataset.mounted = 'once'; }")
    return frame


def draw_line(page: Page, frame: FrameLocator) -> None:
    frame.get_by_title("Desenează o linie").click()
    for position, (lon, lat) in enumerate([*LINE, LINE[-1]], start=1):
        page.wait_for_timeout(DOUBLE_CLICK_GUARD_MS)
        click_at(page, lon, lat)
        if position <= len(LINE):
            expect(frame.locator(".leaflet-editing-icon")).to_have_count(position)


def total(frame: FrameLocator) -> str:
    return frame.locator(".rubric-total").inner_text()


def test_a_line_is_judged_while_it_is_drawn_and_while_a_point_is_dragged(page: Page, server: Server):
    frame = opened(page, server)
    frame.get_by_title("Desenează o linie").click()
    expect(frame.locator(".rubric-first")).to_have_text("Adăugați cel puțin două puncte.")
    for position, (lon, lat) in enumerate(LINE, start=1):
        page.wait_for_timeout(DOUBLE_CLICK_GUARD_MS)
        click_at(page, lon, lat)
        expect(frame.locator(".leaflet-editing-icon")).to_have_count(position)
    # Three points are set and the line is not ended.
    expect(frame.locator(".rubric-total")).to_have_text(NUMBER)
    page.wait_for_timeout(DOUBLE_CLICK_GUARD_MS)
    click_at(page, *LINE[-1])
    expect(page.get_by_role("heading", name="Linia desenată 1")).to_be_visible()
    before, drawn = total(frame), frame.locator(".rubric").get_attribute("data-shown")

    frame.locator(".leaflet-draw-edit-edit").click()
    point = frame.locator(".leaflet-editing-icon").last.bounding_box()
    x, y = point["x"] + point["width"] / 2, point["y"] + point["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 60, steps=6)
    # The button is still down: nothing is ended, kept or submitted.
    expect(frame.locator(f'.rubric[data-shown]:not([data-shown="{drawn}"])')).to_have_count(1)
    page.wait_for_function(
        "before => { const frame = document.querySelector(\"iframe[title*='st_folium']\").contentDocument;"
        " return frame.querySelector('.rubric-total').textContent !== before; }", arg=before,
    )  # fmt: skip
    page.mouse.up()
    expect(frame.locator(".leaflet-container")).to_have_attribute("data-mounted", "once")

    # What is taken back counts no more.
    frame.get_by_title("Renunță").last.click()
    expect(frame.locator(".rubric-total")).to_have_text(before)


def test_the_panel_says_what_the_server_says_after_submitting_and_shows_what_was_measured(page: Page, server: Server):
    frame = opened(page, server)
    draw_line(page, frame)
    expect(frame.locator(".rubric-total")).to_have_text(NUMBER)
    frame.locator(".rubric-toggle").click()
    expect(frame.get_by_role("combobox", name="Temă")).to_have_value("mobility")
    said = total(frame).partition(" ")[0]
    # Words out of the database stay words.
    expect(frame.locator(".rubric-results")).to_contain_text(HOSTILE)
    expect(frame.locator(".rubric img")).to_have_count(0)
    frame.get_by_role("button", name="Arată pe hartă: Este într-o zonă strategică").click()
    expect(frame.locator(".evidence-label").first).to_contain_text(HOSTILE)
    expect(frame.locator(".leaflet-evidence-pane path[stroke-dasharray='5 3']").first).to_be_attached()

    page.get_by_role("button", name="Adaugă o observație aici").click()
    choose(page, "Temă", "Mobilitate")
    page.get_by_role("textbox", name="Titlu").fill("Pistă pe mal")
    page.get_by_role("button", name="Trimite și vezi rezultatul").click()
    expect(page.get_by_test_id("stMetricValue")).to_have_text(said)
    # What is submitted is judged no more; its evidence is there on the same map.
    expect(frame.locator(".rubric")).to_have_count(0)
    choose(page, "Arată pe hartă ce s-a măsurat", "Se leagă la ambele capete de rețea?")
    expect(frame.locator(".evidence-caption")).to_have_text("Se leagă la ambele capete de rețea?")
    expect(frame.locator(".leaflet-container[data-evidence]")).to_have_attribute("data-mounted", "once")


def test_an_answer_to_an_older_question_is_dropped_and_a_refusal_is_said(page: Page, server: Server, watched: Watched):
    watched.expected.append("/rubric?")
    held: list[Route] = []
    refusing: list[bool] = []

    def answer(route: Route) -> None:
        held.append(route)
        if refusing:
            route.fulfill(status=429, json={"error": "Prea repede <b>acum</b>."}, headers={"Retry-After": "30"})
        elif len(held) > 1:
            route.fulfill(json=ANSWER | {"total_words": "nou"})

    page.route(re.compile(r"/rubric\?"), answer)
    frame = opened(page, server)
    click_at(page, 27.60, 47.18)
    expect(frame.locator(".rubric[aria-busy]")).to_be_visible()
    click_at(page, 27.57, 47.18)
    expect(frame.locator(".rubric-total")).to_have_text("nou")
    # The first answer comes at last: it was given up, or else it must change nothing.
    with suppress(PlaywrightError):
        held[0].fulfill(json=ANSWER | {"total_words": "vechi"})
    page.wait_for_timeout(300)
    expect(frame.locator(".rubric-total")).to_have_text("nou")
    refusing.append(True)
    click_at(page, 27.63, 47.18)
    expect(frame.locator(".rubric-first")).to_have_text("Prea repede <b>acum</b>.")

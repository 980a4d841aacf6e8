"""Drawing on the map: what is drawn is what the form holds, and nothing of it stays once it is sent."""

import re

from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import Server, choose, click_at, map_of

#: Within 50 ms of a click the editor takes another for the same one; nobody clicks that fast.
DOUBLE_CLICK_GUARD_MS = 80
LINE = [(27.55, 47.15), (27.57, 47.16), (27.59, 47.15)]


def test_a_finished_line_takes_the_place_of_the_clicked_point(page: Page, shared_server: Server):
    page.goto(shared_server.address)
    frame = map_of(page)
    click_at(page, 27.60, 47.18)
    expect(page.get_by_text("Ce este aici")).to_be_visible()
    expect(frame.locator(".plan-mark")).to_be_visible()
    draw_line(page, frame)
    expect(page.get_by_role("heading", name="Linia desenată 1")).to_be_visible()
    expect(frame.locator(".plan-mark")).to_have_count(0)

    page.get_by_role("button", name="Adaugă o observație aici").click()
    choose(page, "Temă", "Mobilitate")
    expect(page.get_by_text(re.compile("Punctul ales"))).to_have_count(0)
    expect(page.get_by_role("combobox", name="Loc", exact=True)).to_have_count(0)
    page.get_by_role("textbox", name="Titlu").fill("Pistă pe mal")
    page.get_by_role("textbox", name="Descriere").fill("Două capete care nu se leagă.")
    page.get_by_role("button", name="Trimite și vezi rezultatul").click()
    expect(page.get_by_text("Se leagă la ambele capete de rețea?", exact=True)).to_be_visible()

    page.get_by_role("button", name="Înapoi la hartă").click()
    expect(page.get_by_text("Alegeți un loc")).to_be_visible()
    expect(frame.locator(".leaflet-overlay-pane path.leaflet-interactive")).to_have_count(0)


def draw_line(page: Page, frame: FrameLocator) -> None:
    frame.get_by_title("Desenează o linie").click()
    for position, (lon, lat) in enumerate([*LINE, LINE[-1]], start=1):
        page.wait_for_timeout(DOUBLE_CLICK_GUARD_MS)
        click_at(page, lon, lat)
        if position <= len(LINE):
            expect(frame.locator(".leaflet-editing-icon")).to_have_count(position)

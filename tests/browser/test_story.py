"""The whole story, with the network closed: the map draws; click → form → score → planner → file."""

import json
import re

from playwright.sync_api import FrameLocator, Page, expect
from sqlalchemy import text

from masterplan.actors import SYSTEM
from masterplan.database import transaction
from tests.browser.conftest import Server, choose, choose_role, click_at, map_of

#: A hostile title, so that every sink on the way is tried.
TITLE = "Trotuar <img src=x onerror=alert(1)> {{7*7}} la Podu Roș"


def test_from_a_click_to_a_file_that_equals_the_database(page: Page, server: Server):
    page.goto(server.address)
    frame = map_of(page)
    open_layers(frame)
    expect(frame.get_by_role("checkbox", name="Radiale de perspectivă")).to_be_checked()
    frame.get_by_role("button", name="Straturi").click()

    click_at(page, 27.587, 47.151)
    expect(page.get_by_text("Ce este aici")).to_be_visible()
    expect(page.get_by_text(re.compile("SIRUTA: 95060"))).to_be_visible()

    page.get_by_role("button", name="Adaugă o observație aici").click()
    choose(page, "Temă", "Spațiu public")
    page.get_by_role("textbox", name="Titlu").fill(TITLE)
    page.get_by_role("textbox", name="Descriere").fill("Trotuarul este îngust; căruciorul nu trece.")
    page.get_by_role("textbox", name=re.compile("^E-mail")).fill("canar@example.org")
    page.get_by_role("button", name="Trimite și vezi rezultatul").dblclick()

    expect(page.get_by_text("Cum stă locul față de criterii")).to_be_visible()
    receipt = page.get_by_text(re.compile(r"^IS-[0-9A-Z-]+$")).first.inner_text()
    stored = _stored(receipt)
    assert stored["title"] == TITLE
    assert stored["count"] == 1, "a double click makes one row"
    assert (stored["lon"], stored["lat"]) == (
        _near(27.587), _near(47.151)), "the place that was clicked"  # fmt: skip

    page.reload()
    map_of(page)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    assert _stored(receipt)["count"] == 1, "loading the page again sends nothing again"

    choose_role(page, "planificator")
    page.get_by_role("link", name="Analiză și decizie").click()
    expect(page.get_by_role("heading", name="Analiză și decizie")).to_be_visible()
    search = page.get_by_role("textbox", name="Caută în titlu, descriere și cod")
    search.fill("Podu Ros")
    search.press("Enter")
    expect(page.get_by_text("Găsite: 1")).to_be_visible()
    download_link = page.get_by_role("link", name=re.compile("GeoJSON"))
    expect(download_link).to_be_visible()
    with page.expect_download() as download:
        download_link.click()
    exported = json.loads(download.value.path().read_text())
    assert [feature["id"] for feature in exported["features"]] == [receipt]
    feature = exported["features"][0]
    assert feature["properties"]["title"] == TITLE
    assert feature["geometry"]["coordinates"] == [_near(27.587), _near(47.151)]
    assert feature["properties"]["score"] == stored["total"]
    assert "canar@example.org" not in json.dumps(exported)


def open_layers(frame: FrameLocator) -> None:
    button = frame.get_by_role("button", name="Straturi")
    if button.get_attribute("aria-expanded") == "false":
        button.click()


def _stored(receipt: str) -> dict:
    statement = text(
        "SELECT p.title, s.total, ST_X(g) AS lon, ST_Y(g) AS lat,"
        " (SELECT count(*) FROM masterplan.proposal WHERE title = p.title) AS count"
        " FROM masterplan.proposal p JOIN masterplan.score s ON s.proposal_id = p.id,"
        " LATERAL (SELECT ST_Transform(p.geom, 4326) AS g) place WHERE p.receipt = :receipt"
    )
    with transaction(SYSTEM) as connection:
        return dict(connection.execute(statement, {"receipt": receipt}).one()._mapping)


class _near(float):
    """Equal within a pixel of the map (0.001°)."""

    def __eq__(self, other: object) -> bool:
        return abs(float(self) - float(other)) < 0.001

    __hash__ = float.__hash__


def test_the_page_speaks_romanian_first_and_english_by_a_switch(page: Page, server: Server):
    page.goto(server.address)
    expect(page.locator("html")).to_have_attribute("lang", "ro")
    expect(page).to_have_title("MasterPlan Metropolitan Iași")
    container = map_of(page).locator(".leaflet-container")
    container.evaluate("element => { element.dataset.mark = 'same'; }")
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("heading", name="Masterplan map")).to_be_visible()
    expect(page).to_have_title("Iași Metropolitan MasterPlan")
    frame = map_of(page)
    expect(frame.get_by_role("button", name="Layers")).to_be_visible()
    expect(container).to_have_attribute("data-mark", "same")


def test_switching_a_layer_asks_for_its_tiles_and_does_not_reload_the_map(page: Page, server: Server):
    page.goto(server.address)
    frame = map_of(page)
    container = frame.locator(".leaflet-container")
    container.evaluate("element => { element.dataset.mark = 'same'; }")
    open_layers(frame)
    frame.locator("summary", has_text="Mediu").click()
    with page.expect_request(re.compile(r"/tiles/plan/environment/")):
        frame.get_by_role("checkbox", name=re.compile("Abatere termică")).check()
    click_at(page, 27.6, 47.16)
    expect(page.get_by_text("Ce este aici")).to_be_visible()
    expect(container).to_have_attribute("data-mark", "same")


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, server: Server):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(server.address)
    map_of(page)
    for name in ("harta", "propune", "registru", "criterii", "despre"):
        page.goto(f"{server.address}/{'' if name == 'harta' else name}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, name

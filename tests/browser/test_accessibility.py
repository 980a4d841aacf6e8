"""axe finds nothing serious in our pages; fields have names; the map says what it is."""

import re

import pytest
from playwright.sync_api import Frame, Page, expect

from masterplan.settings import PROJECT_ROOT
from tests.browser.conftest import Server, choose_role, map_of

AXE = PROJECT_ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: folium writes this into the map's frame; the page around it can be enlarged.
KNOWN = {"meta-viewport"}
#: In the navigation; a role is played within one visit, so these pages are walked to.
LINKS = {
    "propune": "Propune", "analiza": "Analiză și decizie", "ce-ar-fi-daca": "Criterii: ce ar fi dacă",
    "editii": "Ediții",
}  # fmt: skip


@pytest.mark.parametrize(("address", "role"), [
    ("", ""), ("propune", ""), ("propune", "reprezentant UAT"), ("registru", ""), ("criterii", ""), ("despre", ""),
    ("analiza", "planificator"), ("ce-ar-fi-daca", "planificator"), ("decizii", ""), ("editii", "planificator"),
])  # fmt: skip
def test_axe_finds_nothing_serious(page: Page, shared_server: Server, address: str, role: str):
    if role:
        page.goto(f"{shared_server.address}/criterii")
        choose_role(page, role)
        page.get_by_role("link", name=LINKS[address]).click()
        expect(page).to_have_url(re.compile(address))
    else:
        page.goto(f"{shared_server.address}/{address}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if address in ("", "analiza"):
        map_of(page)
    for frame in page.frames:
        frame.evaluate(AXE.read_text("utf-8"))
        assert _faults_of_the_settled_page(page, frame) == []


def _faults_of_the_settled_page(page: Page, frame: Frame) -> list[list[str]]:
    """What axe still finds once the page has settled: while it runs, Streamlit fades what it may replace."""
    found: list[list[str]] = []
    for _ in range(10):
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        faults = frame.evaluate(
            "rules => axe.run(document, {runOnly: rules, iframes: false})"
            ".then(result => result.violations.map(v => [v.id, v.impact, v.nodes[0].html]))",
            RULES,
        )
        found = [fault for fault in faults if fault[0] not in KNOWN]
        if not found:
            return []
        page.wait_for_timeout(500)
    return found


def test_the_map_is_named_and_its_buttons_speak_romanian(page: Page, shared_server: Server):
    page.goto(shared_server.address)
    frame = map_of(page)
    expect(frame.get_by_role("application", name="Harta masterplanului metropolitan")).to_be_visible()
    for name in ("Mărește", "Micșorează", "Straturi"):
        expect(frame.get_by_role("button", name=name)).to_be_visible()
    expect(frame.get_by_title("Desenează o suprafață")).to_be_visible()

"""The whole story with the keyboard alone: no mouse, no touch, no script that focuses anything."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, map_of

#: Twice around the page: a stop passed while the page was drawn anew is met again.
MOST_STOPS = 150
TITLE = "Trecere fără semafor la Tătărași"
#: What has the focus: its role or element, its accessible name as far as labels give it, and whether it shows.
FOCUSED = """() => {
  const e = document.activeElement;
  const label = e.labels && e.labels.length ? e.labels[0].innerText : "";
  return [e.getAttribute("role") || e.tagName, e.getAttribute("aria-label") || label || e.innerText || "",
          e.matches(":focus-visible")];
}"""


def tab_to(page: Page, name: str, backwards: bool = False) -> None:
    """Walk from stop to stop until the one with this name has the focus, and can be seen to have it."""
    passed = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        role, found, shows = page.evaluate(FOCUSED)
        # An icon is drawn by a word of its own, on a line before the name.
        found = found.strip().rpartition("\n")[2]
        passed.append(f"{role} {found[:40]}")
        if found == name:
            assert shows, f"{name}: focus is not shown"
            return
    raise AssertionError(f"{name!r} was not reached: {passed}")


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def test_the_whole_story_without_a_mouse(page: Page, shared_server: Server):
    page.goto(shared_server.address)
    map_of(page)
    settled(page)
    tab_to(page, "Coordonate")
    page.keyboard.type("47.1713, 27.6197")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ce este aici")).to_be_visible()

    tab_to(page, "Adaugă o observație aici")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Titlu")).to_be_visible()
    settled(page)
    choose_by_typing(page, "Temă", "Mobil")
    settled(page)
    tab_to(page, "Titlu")
    page.keyboard.type(TITLE)
    settled(page)
    tab_to(page, "Descriere")
    page.keyboard.type("Copiii traversează în fugă.")
    tab_to(page, "Trimite și vezi rezultatul")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Cum stă locul față de criterii")).to_be_visible()
    receipt = page.get_by_text(re.compile(r"^IS-[0-9A-Z-]+$")).first.inner_text()

    tab_to(page, "Analiză și decizie", backwards=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Analiză și decizie")).to_be_visible()
    settled(page)
    tab_to(page, "Rol")
    page.keyboard.type("planif")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Caută în titlu, descriere și cod")).to_be_visible()
    map_of(page)
    settled(page)
    tab_to(page, "Caută în titlu, descriere și cod")
    link = page.get_by_role("link", name="Descarcă GeoJSON")
    everything = link.get_attribute("href")
    page.keyboard.type("semafor la Tătărași")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Găsite: 1")).to_be_visible()
    # What has the focus is put anew with another address: only then walk to it.
    expect(link).not_to_have_attribute("href", everything)
    map_of(page)
    settled(page)
    with page.expect_download() as download:
        tab_to(page, "Descarcă GeoJSON")
        page.keyboard.press("Enter")
    exported = json.loads(download.value.path().read_text("utf-8"))
    assert [(f["id"], f["properties"]["title"]) for f in exported["features"]] == [(receipt, TITLE)]


def choose_by_typing(page: Page, label: str, beginning: str) -> None:
    tab_to(page, label)
    page.keyboard.type(beginning)
    page.keyboard.press("Enter")

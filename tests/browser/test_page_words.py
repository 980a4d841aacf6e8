"""Streamlit's own words speak the language of the page, and follow it when it changes."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, choose_role


def test_what_streamlit_says_itself_is_romanian_too(page: Page, shared_server: Server):
    page.goto(f"{shared_server.address}/analiza")
    choose_role(page, "planificator")
    themes = page.get_by_role("combobox", name="Temă").first
    themes.click()
    themes.fill("zzzz")
    expect(page.get_by_text("Niciun rezultat")).to_be_visible()
    expect(page.get_by_text("No results")).to_have_count(0)
    themes.fill("")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(page.get_by_role("navigation", name="Paginile aplicației")).to_be_attached()
    page.get_by_role("radio", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("navigation", name="App pages")).to_be_attached()


def test_what_people_wrote_is_left_alone(page: Page, shared_server: Server):
    page.goto(f"{shared_server.address}/propune")
    field = page.get_by_role("textbox", name="Unde? Coordonate, câte un punct pe rând")
    field.fill("Search")
    field.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Aceste coordonate nu au fost înțelese")
    expect(page.get_by_role("alert")).to_contain_text("„Search”")
    expect(page.get_by_role("link", name="Sari la conținut")).to_be_attached()

"""Take the pictures of the README from a running application: `make run`, then `make screenshots`.

Add demonstration rows first (`.venv/bin/masterplan demo seed 300`), so that there is something to see.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import FrameLocator, Page, expect, sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
ARGUMENTS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking",
]  # fmt: skip
_WIDE = {"width": 1440, "height": 900}
_PHONE = {"width": 390, "height": 844}


def drawn(page: Page) -> FrameLocator:
    frame = page.frame_locator("iframe[title*='st_folium']")
    expect(frame.locator(".leaflet-container[data-plan=idle]")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1500)
    return frame


def take(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"docs/images/{name}.png")


def map_with_layers(page: Page, address: str) -> None:
    page.goto(address)
    drawn(page).get_by_role("button", name="Straturi").click()
    page.wait_for_timeout(800)
    take(page, "harta")


def observation(page: Page, address: str) -> None:
    page.goto(f"{address}/propune")
    page.get_by_role("textbox", name="Unde?").fill("47.1510, 27.5870")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("button", name="Trimite și vezi rezultatul")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(800)
    take(page, "propune")


def criteria(page: Page, address: str) -> None:
    page.goto(f"{address}/criterii")
    expect(page.get_by_text("Regula de decizie")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(2500)
    take(page, "criterii")


def desk(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("combobox", name="Rol").click()
    page.get_by_role("option", name="planificator").click()
    page.wait_for_timeout(2000)
    page.get_by_role("link", name="Analiză și decizie").click()
    expect(page.get_by_role("heading", name="Analiză și decizie")).to_be_visible(timeout=30_000)
    drawn(page)
    page.wait_for_timeout(2500)
    take(page, "analiza")


def phone(page: Page, address: str) -> None:
    page.set_viewport_size(_PHONE)
    page.goto(address)
    drawn(page)
    take(page, "telefon")


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else f"http://127.0.0.1:{os.environ.get('PORT', '8501')}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for picture in (map_with_layers, observation, criteria, desk, phone):
            page = browser.new_context(viewport=_WIDE, device_scale_factor=1).new_page()
            picture(page, address)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()

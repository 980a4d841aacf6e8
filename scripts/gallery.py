"""Draw every preset at three zooms, and on every ground, into docs/gallery: `make run`, then `make gallery`.

The application draws; this script only looks. No photograph may be shipped, so the ground “aerial” is a made-up
pattern of fields, woods and roofs with the colours and the unrest of one: harder on names and lines than most photos.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, FrameLocator, Route, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "gallery"
sys.path.insert(0, str(ROOT))

from layers.presets import presets  # noqa: E402
from scripts.screenshots import ARGUMENTS  # noqa: E402

#: (zoom, latitude, longitude): the zone, the city, a quarter of it.
VIEWS = {"zona": (10, 47.135, 27.60), "oras": (12, 47.160, 27.585), "cartier": (14, 47.152, 27.585)}
GROUNDS = ("white", "dark", "aerial")
SIZE = {"width": 760, "height": 720}
#: A picture is made smaller until it is no larger than this.
MOST_BYTES = 110_000
QUALITIES = (72, 60, 48, 36)
#: Until another ground's colours have come.
SETTLES_MS = 1800
AERIAL = "aerial-stand-in"


@dataclass(frozen=True)
class Picture:
    """What to look at: a name for the file, and what the map's address says."""

    name: str
    said: str
    aerial: bool = False


def pictures() -> Iterator[Picture]:
    """Every preset at every view on paper; every preset over the city on the other grounds; a chosen UAT."""
    for preset in presets():
        for view, place in VIEWS.items():
            yield Picture(f"{preset.id}-{view}", _said(preset.id, place))
        for ground in GROUNDS:
            aerial = ground == "aerial"
            said = _said(preset.id, VIEWS["oras"]) + ("" if aerial else f"&ground={ground}")
            yield Picture(f"{preset.id}-{ground}", said, aerial)
    yield Picture("radials-movileni", _said("radials", VIEWS["zona"]) + "&uat=98257")


def _said(preset: str, place: tuple[int, float, float]) -> str:
    zoom, lat, lon = place
    return f"map={zoom}/{lat}/{lon}&preset={preset}&hidden=proposals"


def opened(browser: Browser, address: str) -> FrameLocator:
    """The map over the whole page, of one size, its tools put away."""
    page = browser.new_page(viewport={"width": SIZE["width"], "height": SIZE["height"] + 40})
    page.route(f"**/{AERIAL}/**", _answer_aerial)
    page.goto(f"{address}/#hidden=proposals")
    frame = page.frame_locator("iframe[title*='st_folium']")
    expect(frame.locator("[data-panel=ready]")).to_be_attached(timeout=60_000)
    page.add_style_tag(content=(
        "[data-testid=stSidebar], [data-testid=stHeader], [data-testid=stHeading] { display: none !important; }"
        "[data-testid=stColumn]:not(:has(iframe)), [data-testid=stCaptionContainer] { display: none !important; }"
        ".stMainBlockContainer { padding: 0 !important; } .st-key-map_frame { isolation: auto; }"
        "iframe[title*='st_folium'] { position: fixed !important; inset: 0; z-index: 9;"
        f" width: {SIZE['width']}px !important; height: {SIZE['height']}px !important; }}"
    ))  # fmt: skip
    frame.locator(".leaflet-container").evaluate(
        "(box, size) => { const style = document.createElement('style');"
        " style.textContent = '.leaflet-top, .plan-coordinates { display: none !important }"
        " #map_div, .folium-map { width: ' + size.width + 'px !important; height: ' + size.height + 'px !important }';"
        " document.head.append(style); window.map.invalidateSize({ animate: false }); }",
        SIZE,
    )
    return frame


def draw(frame: FrameLocator, picture: Picture) -> bytes:
    """What the map's address says, as PNG. The map is the same one from the first picture to the last."""
    container = frame.locator(".leaflet-container")
    page = container.page
    container.evaluate(
        "(box, [aerial, name]) => { plan.showBackdrop({ id: name, attribution: '',"
        " tiles: location.origin + '/' + name + '/{z}/{x}/{y}.png' }, aerial); }",
        [picture.aerial, AERIAL],
    )
    page.evaluate("said => { location.hash = said; }", picture.said)
    page.wait_for_timeout(SETTLES_MS)
    container.evaluate("box => { delete box.dataset.plan; plan.gl.triggerRepaint(); }")
    expect(frame.locator(".leaflet-container[data-plan=idle]")).to_be_visible(timeout=60_000)
    return container.screenshot()


def _answer_aerial(route: Route) -> None:
    *_, x, y = route.request.url.removesuffix(".png").split("/")
    route.fulfill(body=aerial_tile(int(x), int(y)), content_type="image/png")


def aerial_tile(x: int, y: int) -> bytes:
    """256 × 256 pixels of fields, woods and roofs; made up, the same for the same tile."""
    dice = np.random.default_rng(x * 100_003 + y)
    palette = np.array([[92, 104, 60], [122, 118, 74], [58, 74, 44], [150, 138, 100], [84, 92, 70], [168, 160, 140]])
    corners = dice.uniform(0, 256, (14, 2))
    rows, columns = np.mgrid[0:256, 0:256]
    nearest = np.argmin([(rows - r) ** 2 + (columns - c) ** 2 for r, c in corners], axis=0)
    ground = palette[dice.integers(0, len(palette), 14)][nearest].astype(float)
    grain = dice.normal(0, 13, (256, 256, 1)) + dice.normal(0, 18, (64, 64, 1)).repeat(4, 0).repeat(4, 1)
    image = Image.fromarray(np.clip(ground + grain, 0, 255).astype(np.uint8))
    for _ in range(30):
        left, top = (int(v) for v in dice.integers(0, 246, 2))
        image.paste(tuple(int(v) for v in dice.integers(120, 215, 3)), (left, top, left + 7, top + 5))
    packed = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(0.6)).save(packed, "PNG")
    return packed.getvalue()


def keep(name: str, shot: bytes) -> int:
    """Write the picture as WebP, no larger than `MOST_BYTES`; how many bytes it has."""
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    for quality in QUALITIES:
        packed = io.BytesIO()
        image.save(packed, "WEBP", quality=quality, method=6)
        if len(packed.getvalue()) <= MOST_BYTES:
            break
    (FOLDER / f"{name}.webp").write_bytes(packed.getvalue())
    return len(packed.getvalue())


def main() -> None:
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8501')}"
    wanted = sys.argv[1:]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        frame = opened(browser, address)
        for picture in pictures():
            if not wanted or picture.name in wanted:
                size = keep(picture.name, draw(frame, picture))
                print(f"docs/gallery/{picture.name}.webp {size // 1000} kB")
        browser.close()


if __name__ == "__main__":
    main()

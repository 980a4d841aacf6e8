"""The map as a reader uses it: what is chosen stays through everything, and what is told is right."""

import re

import pytest
from playwright.sync_api import FrameLocator, Page, expect
from pyproj import Geod, Transformer

from tests.browser.conftest import Server, click_at, map_of
from tests.browser.test_accessibility import AXE, KNOWN, RULES

#: Counts, in the page around it, how often a map is started.
COUNT_MOUNTS = """
if (window !== window.top) {
  let known;
  Object.defineProperty(window, "masterplan", { get: () => known, set(made) {
    const start = made.start;
    made.start = (...given) => { window.top.mounts = (window.top.mounts || 0) + 1; return start(...given); };
    known = made;
  } });
}
"""
TO_METRES = Transformer.from_crs(4326, 3844, always_xy=True).transform


def opened(page: Page, address: str) -> FrameLocator:
    page.add_init_script(COUNT_MOUNTS)
    page.goto(address)
    frame = map_of(page)
    expect(frame.locator("[data-panel=ready]")).to_be_visible()
    button = frame.get_by_role("button", name="Straturi")
    if button.get_attribute("aria-expanded") == "false":
        button.click()
    return frame


def drawn(frame: FrameLocator, expression: str) -> object:
    """What the map itself says, not its panel."""
    return frame.locator(".leaflet-container").evaluate(f"() => {expression}")


def shown(frame: FrameLocator, entry: str) -> bool:
    return drawn(frame, f"plan.gl.getLayoutProperty('{entry}', 'visibility')") == "visible"


def test_what_was_chosen_stays_and_the_map_is_mounted_once(page: Page, server: Server):
    frame = opened(page, f"{server.address}/#preset=water&map=12/47.16/27.59")
    expect(frame.get_by_role("button", name="Apă", exact=True)).to_have_attribute("aria-pressed", "true")
    assert shown(frame, "flood_bands-fill") and not shown(frame, "rings-line-existing")

    frame.get_by_role("checkbox", name=re.compile("Abatere termică")).check()
    frame.locator("[data-part=about-heat] > summary").click()
    slider = frame.get_by_role("slider", name=re.compile("Abatere termică"))
    for _ in range(5):
        slider.press("ArrowLeft")
    frame.locator("[data-part=order] > summary").click()
    for _ in range(2):
        frame.get_by_role("button", name=re.compile("Mută în sus: Abatere")).press("Enter")
    expect(frame.locator(".plan-mark")).to_have_count(0)
    click_at(page, 27.6, 47.15)
    expect(page.get_by_text("Cât de departe este")).to_be_visible()
    frame.locator("[data-part=ground] > summary").click()
    frame.get_by_role("radio", name="întunecat").check()
    page.get_by_role("textbox", name="Coordonate").fill("47.17, 27.58")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("^47.17000, 27.58000 "))).to_be_visible()
    page.get_by_role("radio", name="English").click()
    expect(frame.get_by_role("button", name="Layers")).to_be_visible()
    expect(frame.get_by_role("checkbox", name="Heat anomaly (against rural ground)")).to_be_checked()
    assert page.evaluate("window.mounts") == 1

    def settled() -> None:
        expect(page).to_have_url(re.compile("ground=dark"))
        assert re.search(r"layers=[\w,]+,flood_bands,heat:50,unstable_slopes,uat&", page.url), page.url
        assert "map=12/47.16" in page.url and "lang=en" in page.url
        assert drawn(frame, "plan.gl.getPaintProperty('heat-fill', 'fill-opacity')") == pytest.approx(0.6 * 0.5)
        order = drawn(frame, "plan.gl.getLayersOrder()")
        assert order.index("unstable_slopes-fill") < order.index("heat-fill") < order.index("flood_bands-fill")
        assert order.index("proposals-one") < order.index("uat-label")
        assert drawn(frame, "plan.gl.getPaintProperty('background', 'background-color')") == "#171c20"

    settled()
    assert faults(page) == []
    page.reload()
    map_of(page)
    frame.get_by_role("button", name="Layers").click()
    expect(frame.get_by_role("checkbox", name=re.compile("Heat anomaly"))).to_be_checked()
    settled()
    assert page.evaluate("window.mounts") == 1


def faults(page: Page) -> list[str]:
    """What axe finds in the map's frame, all its parts open."""
    inside = next(frame for frame in page.frames if "st_folium" in frame.url)
    inside.evaluate(AXE.read_text("utf-8"))
    found = inside.evaluate(
        "rules => axe.run(document, {runOnly: rules}).then(r => r.violations.map(v => v.id + ': ' + v.nodes[0].html))",
        RULES,
    )
    return [fault for fault in found if fault.partition(":")[0] not in KNOWN]


def test_a_reader_finds_measures_and_is_told_where_it_is(page: Page, server: Server):
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"longitude": 27.6197, "latitude": 47.1713, "accuracy": 30})
    frame = opened(page, f"{server.address}/#preset=radials&hidden=proposals")

    # Coordinates: the transformation is our own; pyproj knows better.
    for lon, lat in ((27.15, 46.82), (28.06, 47.45), (27.585, 47.16), (25.0, 46.0), (21.3, 45.8)):
        ours = drawn(frame, f"plan.stereo70({lon}, {lat})")
        assert ours == pytest.approx(TO_METRES(lon, lat), abs=0.02)

    # A chosen UAT lights its radial up, in the list as on the map.
    frame.get_by_label("UAT de proveniență").select_option(label="Movileni")
    expect(frame.get_by_text("Movileni: traversează Rediu; se leagă de Radiala Șoseaua Rediu")).to_be_visible()
    assert lit(frame) == ["98257"]
    click_at(page, 27.49, 47.05)
    expect(frame.get_by_label("UAT de proveniență")).to_have_value("98113")
    expect(page).to_have_url(re.compile("uat=98113"))

    # Search, with the keyboard alone and without diacritics.
    field = frame.get_by_role("combobox", name="Caută pe hartă")
    field.fill("sorogari aron")
    expect(frame.get_by_text("Nu s-a găsit nimic.")).to_be_visible()
    field.fill("sorogari")
    expect(frame.locator("#plan-found [role=option]").first).to_contain_text("localitate, Aroneanu")
    field.press("ArrowDown")
    field.press("Enter")
    expect(page.get_by_text("În Aroneanu")).to_be_visible()

    # My place.
    frame.get_by_role("button", name="Mergi la locul meu").click()
    expect(page.get_by_text(re.compile("^47.17130, 27.61970 "))).to_be_visible()

    # Measuring, on the ellipsoid; a click that measures asks nothing of the page.
    frame.get_by_role("button", name="Măsoară o lungime sau o suprafață").click()
    corners = [(27.612, 47.168), (27.618, 47.169), (27.615, 47.174)]
    for lon, lat in corners:
        click_at(page, lon, lat)
    told = frame.locator(".plan-measured")
    expect(told).to_contain_text("ha")
    points = drawn(frame, "plan.measure.points().map(p => [p.lng, p.lat])")
    assert points == [pytest.approx(corner, abs=0.0005) for corner in corners]
    geod = Geod(ellps="WGS84")
    lons, lats = zip(*points, strict=True)
    assert float(told.get_attribute("data-length-m")) == pytest.approx(geod.line_length(lons, lats), abs=0.01)
    area, _ = geod.polygon_area_perimeter(lons, lats)
    assert float(told.get_attribute("data-area-m2")) == pytest.approx(abs(area), abs=0.5)
    expect(page.get_by_text(re.compile("^47.17130, 27.61970 "))).to_be_visible()
    page.keyboard.press("Escape")


def lit(frame: FrameLocator) -> list[str]:
    """Origins of the radials that are lit up, as drawn."""
    expect(frame.locator(".leaflet-container[data-plan=idle]")).to_be_visible()
    return drawn(frame, "new Promise(done => plan.gl.once('idle', () => done([...new Set(plan.gl.queryRenderedFeatures("
                        "{layers: ['prospective_radials-lit']}).map(f => f.properties.origin_uat))]))"
                        " && plan.gl.triggerRepaint())")  # fmt: skip

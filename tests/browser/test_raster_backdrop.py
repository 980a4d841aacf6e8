"""The raster that a layer was derived from, switched on in the map's list of backdrops."""

from __future__ import annotations

from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import shapely
from PIL import Image
from playwright.sync_api import Page, expect

from layers import derived, gdal_lock
from layers.grids import Grid
from masterplan.place import place
from tests.browser.conftest import Server, map_of

gdal_lock.lock()
from rasterio import CRS  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402

#: The colour in `data/symbology.toml` of slopes from 15 to 25 %.
RESTRICTIVE = (0xC0, 0x9A, 0x63)


def test_the_raster_of_a_derived_layer_is_drawn_on_the_map(page: Page, server: Server, tmp_path: Path):
    lon, lat = place().center
    grid = Grid(CRS.from_epsg(4326), from_origin(lon - 0.1, lat + 0.1, 0.002, 0.002), 100, 100)
    origin = derived.Provenance("invented", {}, [("slopes.tif", "0" * 64)])
    classes = tmp_path / "relief.classes.tif"
    derived.write_classes(classes, np.full(grid.shape, 1, np.uint8), grid, [derived.RasterClass(1, 15.0)], origin)
    said = {"slope_percent": 20.0, "landform": "luncă", "altitude_m": 90}
    whole = derived.DerivedFeature("one", shapely.box(*grid.bounds), "pantă", "slope", said, 15, 25, "%")
    derived.publish(derived.Derivation("relief", [whole], origin, 150, date(2026, 1, 1), classes=classes))
    try:
        page.goto(server.address)
        switch = map_of(page).locator("#layer-raster-relief")
        expect(switch).to_be_attached()
        with page.expect_response(lambda answer: "/rasters/relief/" in answer.url) as tile:
            # The list of layers is folded away until someone opens it.
            switch.evaluate("box => box.click()")
        assert tile.value.status == 200
        picture = Image.open(BytesIO(tile.value.body())).convert("RGBA")
        drawn = {pixel[:3] for _, pixel in picture.getcolors(65536) if pixel[3]}
        assert drawn == {RESTRICTIVE}
        expect(switch).to_be_checked()
    finally:
        for left in derived._folder().glob("relief-*.tif"):
            left.unlink()

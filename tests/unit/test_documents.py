"""The consultation's documents: catalogue, PDF, and GeoTIFF tiles in the right place."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from layers import document_tiles, documents_routes, gdal_lock
from layers.tiles import TileAddress
from masterplan import documents
from masterplan.errors import InputError, NotFound

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.transform import from_bounds  # noqa: E402

#: Around Iași in Stereo 70 (EPSG:3844), metres.
BOX = (690_000, 625_000, 700_000, 635_000)


def write(path: Path, bands: np.ndarray, crs: str | None = "EPSG:3844", **more) -> Path:
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", crs=crs, transform=from_bounds(*BOX, width, height), **profile | more) as file:
        file.write(bands)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(documents, "folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def client(folder: Path) -> TestClient:
    return TestClient(Starlette(routes=documents_routes.routes()))


def pixels(png: bytes) -> np.ndarray:
    return np.array(Image.open(BytesIO(png)))


def address_of(bounds: tuple[float, float, float, float], zoom: int) -> TileAddress:
    lon, lat = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    x = int((lon + 180) / 360 * 2**zoom)
    y = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**zoom)
    return TileAddress(zoom, x, y)


def test_catalogue_names_every_document_of_the_consultation():
    names = [known.name_ro for known in documents.documents()]
    assert len(names) == 9
    assert names[0] == "Ghidul masterplanului"
    with pytest.raises(NotFound):
        documents.document("../place")


def test_tile_shows_the_raster_where_it_lies_and_nothing_elsewhere(folder: Path):
    path = write(folder / "guide.tif", np.full((3, 100, 100), 200, dtype=np.uint8))
    west, south, east, north = document_tiles.bounds(path)
    assert 27.4 < west < east < 27.8
    assert 47.0 < south < north < 47.3
    address = address_of((west, south, east, north), 13)
    inside = pixels(document_tiles.tile(path, address))
    assert inside.shape == (256, 256, 4)
    assert (inside == [200, 200, 200, 255]).all()
    outside = pixels(document_tiles.tile(path, TileAddress(13, 0, 0)))
    assert (outside[..., 3] == 0).all()


def test_palette_and_grey(folder: Path):
    palette = write(folder / "a.tif", np.full((1, 50, 50), 7, dtype=np.uint8), photometric="palette")
    with rasterio.open(palette, "r+", driver="GTiff") as file:
        file.write_colormap(1, {7: (10, 20, 30, 255)})
    grey = write(folder / "b.tif", np.full((1, 50, 50), 90, dtype=np.uint8))
    address = address_of(document_tiles.bounds(grey), 13)
    assert (pixels(document_tiles.tile(palette, address)) == [10, 20, 30, 255]).all()
    assert (pixels(document_tiles.tile(grey, address)) == [90, 90, 90, 255]).all()


def test_what_cannot_be_shown_is_refused_in_words(folder: Path, monkeypatch: pytest.MonkeyPatch):
    small = np.zeros((3, 10, 10), dtype=np.uint8)
    without_crs = write(folder / "a.tif", small, crs=None)
    deep = write(folder / "b.tif", small.astype(np.uint16))
    large = write(folder / "c.tif", small)
    disguised = folder / "d.tif"
    disguised.write_text('<VRTDataset rasterXSize="10" rasterYSize="10"/>')
    truncated = folder / "e.tif"
    truncated.write_bytes(b"II*\0\x08\0\0\0")
    for path, word in ((without_crs, "coordinate system"), (deep, "8 bits"), (disguised, "not a GeoTIFF"),
                       (truncated, "cannot be read")):  # fmt: skip
        with pytest.raises(InputError, match=word):
            document_tiles.bounds(path)
    monkeypatch.setattr(document_tiles, "MAX_PIXELS_WITHOUT_OVERVIEWS", 99)
    with pytest.raises(InputError, match="overviews"):
        document_tiles.bounds(large)
    monkeypatch.setattr(document_tiles, "MAX_PIXELS", 99)
    with pytest.raises(InputError, match="million pixels"):
        document_tiles.bounds(large)


def test_addresses(folder: Path, client: TestClient):
    assert client.get("/documents/overlays.json").json() == []
    assert client.get("/documents/guide.pdf").status_code == 404
    assert client.get("/documents/nothing.pdf").status_code == 404
    (folder / "guide.pdf").write_bytes(b"%PDF-1.7 ...")
    answer = client.get("/documents/guide.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (folder / "guide.pdf").write_bytes(b"<script>alert(1)</script>")
    assert client.get("/documents/guide.pdf").status_code == 404


def test_overlay_leads_to_its_tiles(folder: Path, client: TestClient):
    write(folder / "mobility.tif", np.full((3, 100, 100), 200, dtype=np.uint8))
    write(folder / "guide.tif", np.zeros((3, 10, 10), dtype=np.uint8), crs=None)
    (overlay,) = client.get("/documents/overlays.json?lang=ro").json()
    assert overlay["name"] == "Mobilitate durabilă: inele și radiale"
    address = address_of(overlay["bounds"], 13)
    tiles = overlay["tiles"].format(z=address.z, x=address.x, y=address.y)
    answer = client.get(tiles)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert client.get(tiles, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert client.get("/documents/mobility/3/9/9.png").status_code == 404
    assert "fault" in next(each for each in documents_routes.overlays("ro") if each["id"] == "guide")

"""The layer green_reach: residents as points and as a raster say the same, and what is neither is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import shapely

from layers import gdal_lock, green_access, green_reach, rasters
from layers.green_reach import EVERYWHERE, Area, Options, Residents
from layers.vector_inputs import moved
from masterplan.errors import InputError

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402

WEST, NORTH = 690_000, 635_000
PLACE = from_origin(WEST, NORTH, 100, 100)
NEWEST = date(2026, 3, 1)
PARK = shapely.box(WEST + 1_000, NORTH - 1_100, WEST + 1_100, NORTH - 1_000)
MEADOW = shapely.box(WEST + 3_000, NORTH - 1_100, WEST + 3_200, NORTH - 1_000)


def geojson(path: Path, *features: tuple[shapely.Geometry, dict]) -> Path:
    """Shapes in Stereo 70 as a GeoJSON file in degrees."""
    shapes = moved([shape for shape, _ in features], 4326, 3844)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": f"g{index}", "geometry": shapely.geometry.mapping(shape), "properties": properties}
        for index, (shape, (_, properties)) in enumerate(zip(shapes, features, strict=True))
    ]}))  # fmt: skip
    return path


def raster(path: Path, number: np.ndarray, transform: Affine = PLACE, crs: str = "EPSG:3844") -> Path:
    shape = {"height": number.shape[0], "width": number.shape[1], "count": 1, "dtype": number.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape) as file:
        file.write(number, 1)
    return path


@pytest.fixture
def spaces(tmp_path: Path) -> list[green_access.GreenSpace]:
    return green_reach.spaces_of(geojson(
        tmp_path / "green.geojson", (PARK, {"status": "existing", "name": "Parc"}),
        (MEADOW, {"status": "proposed", "name": "Luncă"}),
    ))  # fmt: skip


def answer(spaces, residents: Residents, **more) -> green_reach.Answer:
    return green_reach.derive(spaces, residents, [("green.geojson", "g")], Options(), newest=NEWEST, **more)


def test_points_and_cells_say_the_same_in_any_window(spaces, tmp_path: Path, monkeypatch) -> None:
    number = np.random.default_rng(5).integers(0, 40, (30, 50)).astype(np.int32)
    cells = green_reach.residents_of(raster(tmp_path / "people.tif", number), 300)
    row, column = np.mgrid[:30, :50]
    middles = np.column_stack([WEST + 100 * column.ravel() + 50, NORTH - 100 * row.ravel() - 50])
    points = Residents("points", "p", middles, number.ravel())
    told: list[float] = []
    monkeypatch.setattr(rasters, "WINDOW", 16)
    from_cells, from_points = answer(spaces, cells, progress=told.append), answer(spaces, points)
    assert from_cells.tallies == from_points.tallies
    tally = from_points.tallies["300 m", EVERYWHERE]
    # The same, cell by cell: middles within 300 m of a square.
    near = {name: shapely.distance(green, shapely.points(middles)) <= 300 for name, green in
            (("park", PARK), ("meadow", MEADOW))}  # fmt: skip
    assert tally.residents == number.sum()
    assert tally.existing == number.ravel()[near["park"]].sum()
    assert tally.gained == number.ravel()[near["meadow"]].sum() > 0
    assert told == sorted(told) and told[-1] == 1
    features = {f.attributes["status"]: f for f in from_cells.derivation.features}
    assert features["existing"].attributes["residents"] == tally.existing
    assert features["proposed"].attributes["residents"] == tally.gained


def test_the_layer_is_the_ground_that_is_near_and_the_ground_that_gains(spaces) -> None:
    people = Residents("people.csv", "p" * 64, np.array([[WEST + 1_050.0, NORTH - 800.0]]), np.array([12.0]))
    made = answer(spaces, people).derivation
    existing, gained = made.features
    # A rectangle of a × b with 300 m around it: a·b + 600·(a + b) + π·300².
    for feature, (a, b) in ((existing, (100, 100)), (gained, (200, 100))):
        area = moved([feature.geometry], 3844)[0].area
        assert area == pytest.approx(a * b + 600 * (a + b) + np.pi * 300**2, rel=2e-3)
        assert (feature.least, feature.most, feature.unit) == (0, 300, "m")
    assert (existing.name_en, gained.name_ro) == ("Within 300 m of green space", "Câștigă acces: Luncă")
    assert (existing.id, gained.id) == ("green-reach-existing-1", "green-reach-g1")
    said = made.provenance.attributes()
    assert said["input_sha256"] == f"green.geojson g; people.csv {'p' * 64}"
    assert json.loads(said["parameters"])["results"]["300 m"] == {"residents": 12, "existing": 12, "with_proposed": 12}


def test_who_has_green_space_already_does_not_gain(tmp_path: Path) -> None:
    beside = shapely.box(WEST + 1_300, NORTH - 1_100, WEST + 1_400, NORTH - 1_000)
    spaces = green_reach.spaces_of(geojson(
        tmp_path / "green.geojson", (PARK, {"status": "existing"}), (beside, {"status": "proposed"})
    ))  # fmt: skip
    points = np.array([[WEST + 1_200.0, NORTH - 1_050], [WEST + 1_600.0, NORTH - 1_050]])
    _, gained = answer(spaces, Residents("p", "p", points, np.array([50.0, 8]))).derivation.features
    assert gained.attributes == {"status": "proposed", "residents": 8}
    assert gained.name_en == "Gains access"


def test_on_foot_and_by_area(spaces) -> None:
    # One street from the park westwards; people live on it at 299, 500 and 900 m from the park's edge, less the gate.
    y = NORTH - 1_050
    streets = green_access.network([shapely.linestrings([(WEST, y), (WEST + 1_000, y)])])
    points = np.array([[WEST + 701.0, y], [WEST + 500.0, y], [WEST + 100.0, y]])
    areas = [Area("east", shapely.box(WEST + 600, y - 10, WEST + 2_000, y + 10)),
             Area("west", shapely.box(WEST, y - 10, WEST + 600, y + 10))]  # fmt: skip
    found = answer(spaces, Residents("p", "p", points, np.array([1.0, 10, 100])), streets=streets, areas=areas).tallies
    existing = {key: (tally.residents, tally.existing) for key, tally in found.items()}
    assert existing == {
        ("300 m", ""): (111, 1), ("300 m", "east"): (1, 1), ("300 m", "west"): (110, 0),
        ("5 min", ""): (111, 1), ("5 min", "east"): (1, 1), ("5 min", "west"): (110, 0),
        ("10 min", ""): (111, 11), ("10 min", "east"): (1, 1), ("10 min", "west"): (110, 10),
    }  # fmt: skip


def test_a_raster_in_degrees_is_put_where_it_lies(spaces, tmp_path: Path) -> None:
    lon, lat = shapely.get_coordinates(moved([shapely.Point(WEST + 1_050, NORTH - 1_050)], 4326, 3844))[0]
    number = np.zeros((9, 9), dtype=np.float32)
    number[4, 4] = 7
    place = from_origin(lon - 0.0045, lat + 0.0045, 0.001, 0.001)
    people = green_reach.residents_of(raster(tmp_path / "p.tif", number, place, "EPSG:4326"), 300)
    ((points, found),) = (piece for piece in people.pieces() if piece[1].size)
    np.testing.assert_allclose(points, [[WEST + 1_050, NORTH - 1_050]], atol=1)
    assert found.tolist() == [7]


@pytest.mark.parametrize(
    ("number", "place", "sentence"),
    [
        (np.full((3, 3), -200.0, np.float32), PLACE, "ranges from -200 to -200: residents a cell"),
        (np.zeros((3, 3), np.float32), PLACE, "Nobody lives in people.tif"),
        (np.ones((3, 3), np.float32), from_origin(WEST, NORTH, 1_000, 1_000), "1000 m wide: who lives within 300 m"),
    ],
)
def test_rasters_that_do_not_say_who_lives_there(tmp_path: Path, number, place, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        list(green_reach.residents_of(raster(tmp_path / "people.tif", number, place), 300).pieces())


POINT = shapely.Point(WEST + 500, NORTH - 500)


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ([(POINT, {"residents": "many"})], "people.geojson, feature 1: it says no number of residents"),
        ([(POINT, {"residents": 4}), (POINT, {})], "feature 2: it says no number"),
        ([(POINT, {"residents": -4})], "feature 1: it says no number"),
        ([(POINT, {"residents": True})], "feature 1: it says no number"),
        ([(POINT, {"residents": 0})], "Nobody lives in people.geojson"),
        ([(PARK, {"residents": 4})], "holds Polygon; Point are needed"),
    ],
)
def test_points_that_do_not_say_who_lives_there(tmp_path: Path, features: list, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        green_reach.residents_of(geojson(tmp_path / "people.geojson", *features), 300)


def test_green_spaces_must_say_whether_they_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="green.geojson, feature 1: its status is “prospective”"):
        green_reach.spaces_of(geojson(tmp_path / "green.geojson", (PARK, {"status": "prospective"})))
    with pytest.raises(InputError, match="no file gone.geojson"):
        green_reach.spaces_of(tmp_path / "gone.geojson")
    broken = tmp_path / "broken.geojson"
    broken.write_text('{"type":"FeatureCollection","features":[{"type":"Feature"}]}')
    with pytest.raises(InputError) as refused:
        green_reach.spaces_of(broken)
    assert refused.value.faults[0][0].startswith("broken.geojson")

"""Terrain on surfaces whose answer is known: planes, cones, bowls, and grids small enough to work out otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import Geod, Transformer

from layers import derived, gdal_lock, grids, rasters
from layers.reading import REFUSED, read_features
from layers.terrain import relief, routing, runoff, slopes, stormwater
from layers.terrain.accumulation import downstream, upstream_cells
from masterplan.errors import InputError

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402

WEST, NORTH = 690_000, 635_000


def grid(rows: int, columns: int, cell: float = 10.0) -> grids.Grid:
    """Cells in Stereo 70 (EPSG:3844) around Iași."""
    return grids.Grid(rasterio.CRS.from_epsg(3844), from_origin(WEST, NORTH, cell, cell), columns, rows)


def centres(on: grids.Grid) -> tuple[np.ndarray, np.ndarray]:
    """Metres east and north of the middle of the grid, for each cell centre."""
    a, e = on.transform.a, on.transform.e
    columns, rows = np.meshgrid(np.arange(on.width), np.arange(on.height))
    return (columns + 0.5 - on.width / 2) * a, (rows + 0.5 - on.height / 2) * e


def write(path: Path, heights: np.ndarray, on: grids.Grid, **more) -> Path:
    profile = {"driver": "GTiff", "width": on.width, "height": on.height, "count": 1, "dtype": heights.dtype}
    with rasterio.open(path, "w", crs=on.crs, transform=on.transform, **profile | more) as file:
        file.write(heights, 1)
    return path


def routed(heights: np.ndarray, on: grids.Grid, how: str = "fill") -> tuple[routing.Conditioned, np.ndarray]:
    ground = routing.condition(heights.astype(np.float32), how)
    return ground, routing.flow_directions(ground, on)


# -- slopes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("east", "north", "facing"),
    [(0.1, 0, 270), (-0.1, 0, 90), (0, 0.1, 180), (0, -0.1, 0), (0.3, 0.3, 225), (-0.03, -0.04, 36.8699)],
)
def test_a_plane_has_its_slope_and_aspect_in_every_cell(east: float, north: float, facing: float) -> None:
    on = grid(7, 9, cell=12.5)
    x, y = centres(on)
    heights = 100 + east * x + north * y
    heights[3, 4] = np.nan
    along, up = slopes.gradient(heights, on)
    there = np.isfinite(heights)
    np.testing.assert_allclose(slopes.slope_percent(along, up)[there], 100 * np.hypot(east, north), rtol=1e-9)
    turned = (slopes.aspect_degrees(along, up)[there] - facing + 180) % 360 - 180
    np.testing.assert_allclose(turned, 0, atol=1e-4)
    assert np.isnan(slopes.slope_percent(along, up)[3, 4])


def test_a_bowl_has_the_slope_of_its_paraboloid() -> None:
    on = grid(41, 41, cell=5)
    x, y = centres(on)
    along, up = slopes.gradient(0.002 * (x**2 + y**2), on)
    inner = np.s_[1:-1, 1:-1]
    # Horn's differences are exact on a quadratic surface.
    np.testing.assert_allclose(slopes.slope_percent(along, up)[inner], 100 * 0.004 * np.hypot(x, y)[inner], atol=1e-6)


def test_a_cone_is_equally_steep_all_round_and_faces_outwards() -> None:
    on = grid(201, 201, cell=2)
    x, y = centres(on)
    radius = np.hypot(x, y)
    along, up = slopes.gradient(300 - 0.4 * radius, on)
    ring = (radius > 40) & (radius < 190)
    np.testing.assert_allclose(slopes.slope_percent(along, up)[ring], 40, rtol=1e-3)
    outwards = np.rad2deg(np.arctan2(x, y)) % 360
    turned = (slopes.aspect_degrees(along, up) - outwards + 180) % 360 - 180
    assert np.abs(turned[ring]).max() < 0.05


def test_light_falls_as_it_should() -> None:
    level = np.zeros((1, 1))
    assert slopes.hillshade(level, level)[0, 0] == pytest.approx(255 * np.sin(np.pi / 4))
    # A slope of 45° that faces the sun in the north-west takes all of it; one that turns its back, none.
    rise = np.full((1, 1), np.sqrt(0.5))
    assert slopes.hillshade(rise, -rise)[0, 0] == pytest.approx(255)
    assert slopes.hillshade(-rise, rise)[0, 0] == pytest.approx(0, abs=1e-9)


def test_level_ground_has_no_aspect() -> None:
    assert np.isnan(slopes.aspect_degrees(*slopes.gradient(np.full((3, 3), 7.0), grid(3, 3)))).all()


# -- conditioning and routing --------------------------------------------------------------

small_surfaces = arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)),
                        elements=st.one_of(st.integers(0, 6).map(float), st.just(np.nan)))  # fmt: skip


def filled_by_relaxation(heights: np.ndarray) -> np.ndarray:
    """Planchon & Darboux: water everywhere, let off round by round until nothing changes."""
    wide = np.pad(heights, 1, constant_values=np.nan)
    level = np.where(np.isnan(wide), -np.inf, np.inf)
    while True:
        around = np.min([np.roll(level, (r, c), (0, 1)) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c], axis=0)
        lower = np.where(np.isnan(wide), -np.inf, np.maximum(wide, np.minimum(level, around)))
        if (lower == level).all():
            return np.where(np.isnan(heights), np.nan, level[1:-1, 1:-1])
        level = lower


@settings(deadline=None, max_examples=150)
@given(small_surfaces)
def test_filling_is_what_letting_water_off_leaves(heights: np.ndarray) -> None:
    ground = routing.condition(heights)
    np.testing.assert_array_equal(ground.filled, filled_by_relaxation(heights))


@settings(deadline=None, max_examples=150)
@given(small_surfaces, st.sampled_from(["fill", "breach"]))
def test_every_cell_drains_off_and_no_area_is_lost(heights: np.ndarray, how: str) -> None:
    on = grid(*heights.shape)
    ground, d8 = routed(heights, on, how)
    there = np.isfinite(heights)
    total = there.sum() * 100.0
    ends = there & (downstream(d8) < 0).reshape(heights.shape)
    assert (d8[ends] == routing.OUTLET).all()
    assert upstream_cells(d8)[ends].sum() == there.sum()
    assert routing.upstream_area(d8, on)[ends].sum() == pytest.approx(total)
    spread = routing.spread_area(ground, on)
    assert spread[ends].sum() == pytest.approx(total)
    assert (spread[there] >= 100 - 1e-9).all() and np.isnan(spread[~there]).all()


@settings(deadline=None, max_examples=100)
@given(small_surfaces)
def test_breaching_only_lowers_and_leaves_nothing_standing(heights: np.ndarray) -> None:
    ground = routing.condition(heights, "breach")
    there = np.isfinite(heights)
    assert (ground.surface[there] <= heights[there]).all()
    np.testing.assert_array_equal(filled_by_relaxation(ground.surface), ground.surface)


def test_a_plane_sheds_water_straight_down() -> None:
    on = grid(40, 60)
    _, y = centres(on)
    ground, d8 = routed(100 + 0.05 * y, on)
    assert (d8[:-1] == 4).all() and (d8[-1] == routing.OUTLET).all()
    rows = np.arange(1, 41)[:, np.newaxis]
    np.testing.assert_array_equal(upstream_cells(d8), np.broadcast_to(rows, d8.shape))
    # Far from the sides, where as much comes from the neighbours as goes to them.
    middle = routing.spread_area(ground, on)[:, 30:31]
    np.testing.assert_allclose(middle[:20], rows[:20] * 100, rtol=1e-9)


def test_the_steepest_way_counts_the_longer_diagonal() -> None:
    # South falls 10 in 10 m, south-east 12 in 14.1 m: south is steeper though south-east is lower.
    heights = np.array([[20, 30, 30], [30, 20, 30], [30, 10, 8]], dtype=np.float32)
    assert routed(heights, grid(3, 3))[1][1, 1] == 4
    # With cells 10 m wide and 30 m high it is south-east no more than before, but east wins over both.
    heights[1, 2] = 15
    flat = grids.Grid(rasterio.CRS.from_epsg(3844), from_origin(WEST, NORTH, 10, 30), 3, 3)
    assert routed(heights, flat)[1][1, 1] == 1


def test_shares_follow_the_slope_to_the_power_of_the_exponent() -> None:
    heights = np.full((3, 3), 50, np.float32)
    heights[1, 1], heights[1, 2], heights[2, 1], heights[2, 2] = 20, 18, 16, 14
    on = grid(3, 3)
    ground, _ = routed(heights, on)
    # The middle gets the five cells around it that are higher, each by its own steepest shares; it gives on by hand.
    for exponent in (1.1, 4.0):
        spread = routing.spread_area(ground, on, exponent)
        parts = np.array([0.2, 0.4, 6 / (10 * np.sqrt(2))]) ** exponent
        parts /= parts.sum()
        # South-west (2, 0) and north-east (0, 2) also give to the middle's lower neighbours, not to the corner.
        gain = spread[2, 2] - 100
        from_east = spread[1, 2] * _share(18 - 14, 10, exponent, [(18 - 14, 10), (18 - 16, 14.142135623730951)])
        from_south = spread[2, 1] * _share(16 - 14, 10, exponent, [(16 - 14, 10)])
        assert gain == pytest.approx(spread[1, 1] * parts[2] + from_east + from_south)


def _share(drop: float, reach: float, exponent: float, all_: list[tuple[float, float]]) -> float:
    return (drop / reach) ** exponent / sum((d / r) ** exponent for d, r in all_)


def test_water_spreads_evenly_off_a_cone_where_d8_makes_rays() -> None:
    on = grid(121, 121, cell=5)
    x, y = centres(on)
    radius = np.hypot(x, y)
    ground, d8 = routed(200 - 0.3 * radius, on)
    ring = (radius > 200) & (radius < 210)
    spread, single = routing.spread_area(ground, on)[ring], routing.upstream_area(d8, on)[ring]
    # A cone's area upslope of one metre of contour is half the radius, and a cell has 5 to 7 m of contour.
    assert 0.9 * 5 * 205 / 2 < spread.mean() < 1.1 * 5 * np.sqrt(2) * 205 / 2
    assert spread.std() / spread.mean() < 0.15 < 0.5 < single.std() / single.mean()


def test_a_bowl_holds_what_its_paraboloid_holds() -> None:
    on = grid(121, 121, cell=5)
    x, y = centres(on)
    rim, steep = 200.0, 0.0005
    heights = np.minimum(steep * (x**2 + y**2), steep * rim**2)
    ground, _ = routed(heights, on)
    found = routing.depressions(ground, on)
    assert found.depth_m == pytest.approx([steep * rim**2], rel=1e-6)
    assert found.spill_level_m == pytest.approx([steep * rim**2], rel=1e-6)
    assert found.volume_m3 == pytest.approx([np.pi * steep * rim**4 / 2], rel=2e-3)
    assert found.area_m2 == pytest.approx([np.pi * rim**2], rel=0.01)
    # Cut open instead, it holds nothing and lets everything out by one channel.
    cut, d8 = routed(heights, on, "breach")
    assert cut.surface.min() == heights.astype(np.float32).min()
    assert upstream_cells(d8)[[0, -1], :].max() > 4_000 or upstream_cells(d8)[:, [0, -1]].max() > 4_000


def test_two_hollows_are_told_apart_by_their_level() -> None:
    heights = np.full((5, 9), 9, np.float32)
    heights[2, 1:4] = [5, 4, 5]
    heights[2, 4] = 7
    heights[2, 5:8] = [6, 2, 6]
    heights[2, 0] = 8
    found = routing.depressions(routed(heights, grid(5, 9))[0], grid(5, 9))
    # Both fill to the lip at 8, over which water leaves; the bar at 7 is under water then.
    assert found.spill_level_m == pytest.approx([8]) and found.depth_m == pytest.approx([6])
    assert found.volume_m3 == pytest.approx([100 * (3 + 4 + 3 + 1 + 2 + 6 + 2)])
    heights[0:2, 6] = 3
    found = routing.depressions(routed(heights, grid(5, 9))[0], grid(5, 9))
    assert sorted(found.spill_level_m) == pytest.approx([3, 7])


def test_the_way_off_a_real_grid_loses_nothing(shared_data: Path) -> None:
    dem = rasters.read(shared_data / "dem" / "fortworth_dem_3s.tif")
    ground, d8 = routed(dem.values, dem.grid)
    area = np.broadcast_to(dem.grid.cell_area_m2[:, np.newaxis], dem.grid.shape)
    ends = d8 == routing.OUTLET
    assert routing.upstream_area(d8, dem.grid)[ends].sum() == pytest.approx(area.sum(), rel=1e-12)
    assert routing.spread_area(ground, dem.grid)[ends].sum() == pytest.approx(area.sum(), rel=1e-9)
    assert upstream_cells(d8)[ends].sum() == d8.size


# -- areas on the ellipsoid, and other coordinate systems ----------------------------------


def test_upstream_area_in_degrees_is_that_of_the_ellipsoid(shared_data: Path) -> None:
    with rasterio.open(shared_data / "dem" / "fortworth_d8_hydrosheds.tif", driver="GTiff") as file:
        d8, on = file.read(1), grids.grid_of(file)
    with rasterio.open(shared_data / "dem" / "fortworth_catchment_ref.tif", driver="GTiff") as file:
        inside = file.read(1)
    from rasterio.features import shapes

    outlines = [shapely.geometry.shape(s) for s, value in shapes(inside, transform=on.transform) if value == 1]
    catchment = shapely.segmentize(shapely.union_all(outlines), 0.0001)
    expected = abs(Geod(ellps="WGS84").geometry_area_perimeter(catchment)[0])
    assert routing.upstream_area(d8, on)[101, 229] == pytest.approx(expected, rel=1e-6)


def hills(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A valley between hills that falls to the south; x and y in Stereo 70."""
    u, v = (x - 693_000) / 1000, (y - 632_000) / 1000
    return 150 + 40 * u**2 + 12 * v + 8 * np.sin(2 * u) * np.cos(1.5 * v)


@pytest.fixture(scope="module")
def both() -> tuple[tuple[np.ndarray, grids.Grid], tuple[np.ndarray, grids.Grid]]:
    """The same ground twice: on a grid in Stereo 70, and on one in degrees of about the same cells."""
    metric = grids.Grid(rasterio.CRS.from_epsg(3844), from_origin(690_000, 635_000, 15, 15), 400, 400)
    x, y = centres(metric)
    flat = hills(x + 693_000, y + 632_000)
    back = Transformer.from_crs(3844, 4326, always_xy=True)
    west, south, east, north = back.transform_bounds(690_000, 629_000, 696_000, 635_000)
    columns, rows = 405, 415
    degrees = grids.Grid(
        rasterio.CRS.from_epsg(4326), from_origin(west, north, (east - west) / columns, (north - south) / rows),
        columns, rows,
    )  # fmt: skip
    a, e = degrees.transform.a, degrees.transform.e
    lon, lat = np.meshgrid(west + a * (np.arange(columns) + 0.5), north + e * (np.arange(rows) + 0.5))
    there = Transformer.from_crs(4326, 3844, always_xy=True).transform(lon, lat)
    curved = np.where((np.abs(there[0] - 693_000) < 3000) & (np.abs(there[1] - 632_000) < 3000), hills(*there), np.nan)
    return (flat, metric), (curved, degrees)


def sampled(values: np.ndarray, on: grids.Grid, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values at places in Stereo 70."""
    if on.in_degrees:
        x, y = Transformer.from_crs(3844, 4326, always_xy=True).transform(x, y)
    columns, rows = ~on.transform @ (x, y)
    return values[rows.astype(int), columns.astype(int)]


def test_slope_is_the_same_in_both_coordinate_systems_within_half_a_percent_point(both) -> None:
    x, y = np.random.default_rng(7).uniform(-2500, 2500, (2, 4000)) + np.array([[693_000], [632_000]])
    found = [sampled(slopes.slope_percent(*slopes.gradient(h, on)), on, x, y) for h, on in both]
    # The stated error: sampled at the nearest cell, which lies up to 11 m away on ground that bends.
    assert np.abs(found[0] - found[1]).max() < 0.5
    assert np.abs(np.mean(found[0] - found[1])) < 0.01


def test_aspect_differs_by_the_convergence_of_the_meridians(both) -> None:
    x, y = np.random.default_rng(7).uniform(-2500, 2500, (2, 4000)) + np.array([[693_000], [632_000]])
    found = [sampled(slopes.aspect_degrees(*slopes.gradient(h, on)), on, x, y) for h, on in both]
    turned = (found[1] - found[0] + 180) % 360 - 180
    # Grid north in Stereo 70 is (λ − 25°) sin φ east of true north: 1.87° at 27.55° E, 47.16° N.
    assert np.median(turned) == pytest.approx(1.87, abs=0.1)


def test_the_valley_drains_the_same_area_in_both_within_two_percent(both) -> None:
    found = []
    for heights, on in both:
        _, d8 = routed(heights, on)
        found.append(np.nanmax(routing.upstream_area(d8, on)))
    assert found[0] == pytest.approx(found[1], rel=0.02)
    assert found[0] > 15e6


# -- wetness, classes, runoff --------------------------------------------------------------


def test_wetness_of_a_plane() -> None:
    on = grid(4, 4)
    _, y = centres(on)
    area = np.full((4, 4), 5_000.0)
    # 5,000 m² above 10 m of contour, on a slope of 5 %.
    np.testing.assert_allclose(stormwater.wetness_index(area, 0.05 * y, on), np.log(500 / 0.05))
    np.testing.assert_allclose(stormwater.wetness_index(area, 0 * y, on), np.log(500 / 0.001))


def test_classes_follow_the_stated_thresholds() -> None:
    spread = np.array([[0.049, 0.05, 0.499, 0.5, 4.99, 5.0, 900, np.nan]]) * 1e6
    none = routing.Depressions(np.zeros((1, 8), np.int32), *[np.zeros(0)] * 4)
    found = stormwater.classify(spread, none, stormwater.Options())
    np.testing.assert_array_equal(found, [[0, 1, 1, 2, 2, 3, 3, 0]])


def test_a_hollow_counts_by_what_it_holds() -> None:
    number = np.array([[0, 1, 2, 3, 4]], dtype=np.int32)
    depth, volume = np.array([0.4, 0.5, 0.5, 3]), np.array([9e4, 999, 1000, 1e4])
    hollows = routing.Depressions(number, depth, volume, volume, depth)
    found = stormwater.classify(np.zeros((1, 5)), hollows, stormwater.Options())
    np.testing.assert_array_equal(found, [[0, 0, 0, 2, 3]])


@pytest.mark.parametrize(
    ("rain", "number", "expected"),
    # Inches, from table 2-1 of TR-55 (1986).
    [(4.0, 75, 1.67), (4.0, 60, 0.76), (5.0, 80, 2.89), (5.0, 90, 3.88), (5.0, 70, 2.04), (1.0, 80, 0.08), (1, 60, 0)],
)
def test_runoff_is_that_of_the_published_table(rain: float, number: int, expected: float) -> None:
    inch = 25.4
    assert runoff.runoff_mm(rain * inch, np.array([float(number)]))[0] / inch == pytest.approx(expected, abs=0.006)


def test_on_water_all_rain_runs_off() -> None:
    assert runoff.runoff_mm(60, np.array([100.0]))[0] == pytest.approx(60)


def test_a_storm_reaches_the_outlet_with_its_whole_volume(tmp_path: Path) -> None:
    on = grid(30, 30)
    x, y = centres(on)
    dem = write(tmp_path / "dem.tif", (100 + 0.05 * y + 0.001 * np.abs(x)).astype(np.float32), on)
    cover = write(tmp_path / "cover.tif", np.where(x < 0, 50, 10).astype(np.uint8), on)
    options = stormwater.Options(storm_mm=60, land_cover=cover, soil_group="B")
    water = stormwater.analyse(dem, options)
    # TR-55: built-up on soil B is 85, woods are 55; half of 9 ha each. Q by hand from the formula in the handbook.
    depths = [(60 - 0.2 * s) ** 2 / (60 + 0.8 * s) for s in (25_400 / 85 - 254, 25_400 / 55 - 254)]
    ends = water.d8 == routing.OUTLET
    assert water.runoff_m3[ends].sum() == pytest.approx(45_000 * sum(depths) / 1000, rel=1e-9)
    assert [name for name, _ in water.inputs] == ["dem.tif", "cover.tif"]


@pytest.mark.parametrize("missing", ["east of it", "no data"])
def test_land_cover_that_leaves_ground_out_is_refused(tmp_path: Path, missing: str) -> None:
    on = grid(30, 30)
    x, y = centres(on)
    dem = write(tmp_path / "dem.tif", (100 + 0.05 * y).astype(np.float32), on)
    half = {"east of it": np.full((30, 30), 50), "no data": np.where(x < 0, 50, 0)}[missing].astype(np.uint8)
    if missing == "east of it":
        cover = write(tmp_path / "cover.tif", half[:, :15], grid(30, 15))
    else:
        cover = write(tmp_path / "cover.tif", half, on, nodata=0)
    with pytest.raises(InputError, match=r"says nothing of \d+\.\d\d % of the ground"):
        stormwater.analyse(dem, stormwater.Options(storm_mm=60, land_cover=cover, soil_group="B"))


def test_land_cover_without_a_curve_number_is_refused(tmp_path: Path) -> None:
    on = grid(4, 4)
    cover = write(tmp_path / "cover.tif", np.full((4, 4), 77, np.uint8), on)
    with pytest.raises(InputError, match="without a curve number: 77"):
        runoff.curve_numbers(cover, on, "B")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"thresholds_km2": (1, 1, 2)}, "rising"), ({"thresholds_km2": (0, 1, 2)}, "rising"),
     ({"storm_mm": 60.0}, "land cover"), ({"land_cover": Path("a.tif")}, "millimetres")],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(wrong: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        stormwater.Options(**wrong)


# -- landforms -----------------------------------------------------------------------------


def test_landforms_of_a_ridge_between_a_plain_and_a_cliff() -> None:
    on = grid(60, 300)
    x, _ = centres(on)
    profile = np.interp(x, [-1500, -600, 0, 600, 640, 1500], [40, 40, 100, 100, 60, 60])
    heights = profile + 8 * np.exp(-((x - 300) / 60) ** 2) - 8 * np.exp(-((x + 900) / 60) ** 2)
    steepness = slopes.slope_percent(*slopes.gradient(heights, on))
    found = relief.landforms(heights, steepness, (20, 20), middle_m=50)

    def at(metres: float) -> str:
        return relief.LANDFORMS[found[30, int((metres + 1500) / 10)] - 1]

    assert at(300) == "culme și platou înalt"
    assert at(620) == "coastă și versant abrupt"
    assert at(-300) == "deal și colină"
    assert at(-895) == "terasă și vale"
    assert (at(-1300), at(1300)) == ("luncă", "culme și platou înalt")
    heights[30, 30] = np.nan
    assert relief.landforms(heights, steepness, (20, 20), middle_m=50)[30, 30] == 0


# -- whole derivations ---------------------------------------------------------------------


@pytest.fixture
def dem(tmp_path: Path) -> Path:
    on = grid(200, 220, cell=20)
    x, y = centres(on)
    hollow = -6 * np.exp(-((x**2 + (y - 900) ** 2) / 150**2))
    heights = 120 + 0.01 * y + 0.00006 * x**2 + 4 * np.sin(y / 400) * (np.abs(x) > 300) + hollow
    return write(tmp_path / "dem.tif", heights.astype(np.float32), on)


def test_stormwater_comes_out_as_layers_that_the_door_takes(dem: Path, tmp_path: Path) -> None:
    told: list[float] = []
    made = stormwater.derive(dem, stormwater.Options(), tmp_path, progress=told.append)
    assert [each.layer for each in made] == ["stormwater", "flow_paths", "depressions"]
    assert told == sorted(told) and told[-1] == 1
    for each in made:
        file = derived.write_files(each, tmp_path / "out" / f"{each.layer}.geojson")[0]
        read = read_features(file)
        assert [issue for issue in read.issues if issue.outcome == REFUSED] == []
        assert len(read.features) == len(each.features) > 0
        for feature in read.features:
            said = feature.properties
            assert said["input_sha256"] == f"dem.tif {rasters.sha256_of(dem)}"
            assert "Freeman 1991" in said["method"] and json.loads(said["parameters"])["conditioning"] == "fill"
            assert said["value_unit"] in ("km²", "m") and "value_min" in said
    levels = {feature.attributes["accumulation"]: feature for feature in made[0].features}
    assert set(levels) == {"low", "medium", "high"}
    assert (levels["medium"].least, levels["medium"].most, levels["high"].most) == (0.5, 5.0, None)
    (hollow,) = made[2].features
    assert hollow.attributes["depth_m"] > 1


def test_classed_areas_cover_what_the_raster_of_classes_says(dem: Path, tmp_path: Path) -> None:
    made = relief.derive(dem, relief.Options(smallest_cells=1), tmp_path)[0]
    with rasterio.open(made.classes, driver="GTiff") as file:
        codes = file.read(1)
        known = json.loads(file.tags()[derived.CLASSES_TAG])
        assert (file.crs.to_epsg(), known) == (3844, {"1": 0.0, "2": 5.0, "3": 15.0, "4": 25.0})
    metres = Transformer.from_crs(4326, 3844, always_xy=True)
    for code, (least, *_) in enumerate(relief.SLOPE_CLASSES, 1):
        areas = [f.geometry for f in made.features if f.least == least]
        moved = shapely.transform(np.array(areas, dtype=object), lambda c: np.column_stack(metres.transform(*c.T)))
        cells = np.count_nonzero(codes == code) * 400
        assert shapely.area(moved).sum() == pytest.approx(cells, rel=0.02, abs=4_000), code
    shapes = shapely.union_all([f.geometry for f in made.features])
    assert shapely.area(shapes) == pytest.approx(sum(f.geometry.area for f in made.features), rel=1e-5)


def test_relief_features_say_what_lies_in_them(dem: Path, tmp_path: Path) -> None:
    made = relief.derive(dem, relief.Options(), tmp_path)[0]
    limits = [*(least for least, *_ in relief.SLOPE_CLASSES), None]
    for feature in made.features:
        assert feature.attributes["landform"] in relief.LANDFORMS
        assert feature.most == limits[limits.index(feature.least) + 1]
        # Small areas of another class were given to their neighbour, so the mean may lie a little outside.
        assert feature.least - 1 <= feature.attributes["slope_percent"] <= (feature.most or 1e3) + 1
    with rasterio.open(made.values, driver="GTiff") as file:
        assert file.descriptions == ("slope_percent", "aspect", "hillshade", "landform", "altitude_m")
        assert file.units == ("%", "°", "1", "1", "m")


def test_relief_is_the_same_in_small_windows(dem: Path, tmp_path: Path, monkeypatch) -> None:
    whole, parts = tmp_path / "whole.tif", tmp_path / "parts.tif"
    relief.surface(dem, whole, relief.Options(surroundings_m=200))
    monkeypatch.setattr(rasters, "WINDOW", 64)
    relief.surface(dem, parts, relief.Options(surroundings_m=200))
    with rasterio.open(whole, driver="GTiff") as one, rasterio.open(parts, driver="GTiff") as other:
        np.testing.assert_allclose(one.read(), other.read(), rtol=1e-5, atol=1e-4)


def test_flow_paths_join_and_end_at_the_edge(dem: Path, tmp_path: Path) -> None:
    water = stormwater.analyse(dem, stormwater.Options())
    stream = np.nan_to_num(water.upstream_m2) >= 50_000
    links = list(stormwater._links(water.d8, stream))
    starts, ends = [link[0] for link in links], [link[-1] for link in links]
    into = downstream(water.d8)
    assert len(set(starts)) == len(starts)
    assert all(into[end] < 0 or end in starts for end in ends)
    steps = {(a, b) for link in links for a, b in zip(link, link[1:], strict=False)}
    cells = np.flatnonzero(stream)
    assert steps == {(cell, into[cell]) for cell in cells if into[cell] >= 0}


def test_what_is_no_dem_is_refused(tmp_path: Path) -> None:
    on = grid(3, 3)
    feet = write(tmp_path / "dn.tif", np.full((3, 3), 31_000, np.float32), on)
    for derive, options in ((stormwater.derive, stormwater.Options()), (relief.derive, relief.Options())):
        with pytest.raises(InputError, match="no heights in metres"):
            derive(feet, options, tmp_path)
    fine = write(tmp_path / "dem.tif", np.zeros((3, 3), np.float32), on)
    with pytest.raises(InputError, match="narrower than one cell"):
        relief.derive(fine, relief.Options(surroundings_m=5), tmp_path)
    with pytest.raises(InputError, match="lowest class"):
        derived.write_files(stormwater.derive(fine, stormwater.Options(), tmp_path)[0], tmp_path / "a.geojson")


def test_memory_is_asked_for_before_anything_is_read(dem: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(rasters, "free_memory", lambda: 1_000_000)
    monkeypatch.setattr(rasters, "read_window", lambda *_: pytest.fail("read too early"))
    with pytest.raises(InputError, match=r"coarser.*split the raster by river basin"):
        stormwater.derive(dem, stormwater.Options(), tmp_path)

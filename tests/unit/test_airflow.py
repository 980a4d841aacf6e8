"""The wind and ventilation layers: a real station counted by pandas, and a town drawn street by street."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas
import pytest
import shapely
from pyproj import Proj
from shapely import Point

from layers import airflow, gdal_lock, grids, rasters, wind
from layers.airflow import CorridorOptions, Obstacles, Station
from layers.vector_inputs import moved
from masterplan.errors import InputError

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402

PLACE = from_origin(690_000, 635_000, 10, 10)
STATION = Station("Aeroport Iași", 27.62, 47.18, "station.csv", "s" * 64)


def town(path: Path, streets: list[tuple], closed: float = 12.0, transform: Affine = PLACE, **more) -> Path:
    """Heights of 12 m everywhere but on the streets."""
    heights = np.full((180, 200), closed, dtype=np.float32)
    for street in streets:
        heights[street] = 0
    return write(path, heights, transform, **more)


def write(path: Path, values: np.ndarray, transform: Affine = PLACE, crs: str = "EPSG:3844", **more) -> Path:
    shape = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape | more) as file:
        file.write(values, 1)
    return path


#: The direction of true west to east on the grid, so that a street along the grid's rows is found by a west wind.
TURN = airflow.grid_azimuth_of_north(grids.Grid(rasterio.CRS.from_epsg(3844), PLACE, 200, 180))
ALONG_ROWS, ALONG_COLUMNS = 270 - TURN, 0 - TURN
AVENUE = np.s_[60:66, 20:160]
LANE = np.s_[100:104, 20:160]
SHORT = np.s_[130:140, 20:110]


# -- the wind layer ------------------------------------------------------------------------


def test_a_real_station_blows_from_where_pandas_counts_it(shared_data: Path) -> None:
    file = shared_data / "heat" / "wind_greensboro_tmy3.csv"
    made = airflow.derive_wind(wind.read_record(file.read_bytes(), file.name), STATION)
    hours = pandas.read_csv(file)
    hours = hours[hours.wind_speed_ms >= 0.5]
    month = pandas.to_datetime(hours.date).dt.month
    sector = ((hours.wind_from_deg + 11.25) % 360 // 22.5).astype(int)
    for season, months in wind.SEASONS.items():
        counts = sector[month.isin(months)].value_counts()
        (arrow,) = [f for f in made.features if f.id == f"wind-aeroport-iași-{season}"]
        # In one season two sectors have 252 hours each: the first one clockwise from north is taken.
        fullest = counts[counts == counts.max()].index.min()
        assert arrow.attributes["direction_deg"] == int(fullest * 22.5 + 0.5)
        speeds = hours.wind_speed_ms[month.isin(months) & (sector == fullest)]
        assert arrow.attributes["speed_ms"] == pytest.approx(speeds.mean(), abs=0.05)
        assert arrow.attributes["season"] == season and arrow.geometry == Point(27.62, 47.18)
    assert (made.source_date, made.layer) == (date(2003, 9, 30), "wind")
    told = json.loads(made.provenance.attributes()["parameters"])
    assert told["hours"] == 8760 == np.sum(told["hours_by_speed_class_and_sector"]) + told["calm_hours"]
    assert {f.name_ro for f in made.features} >= {"Aeroport Iași, iarna", "Aeroport Iași, vara"}


# -- ventilation corridors -----------------------------------------------------------------


def corridors(path: Path, directions: list[float], folder: Path, heights: bool = True, **least: float):
    return airflow.derive_corridors(Obstacles(path, heights), directions, CorridorOptions(**least), folder)


def test_only_the_street_that_is_long_and_wide_enough_is_a_corridor(tmp_path: Path) -> None:
    made = corridors(town(tmp_path / "town.tif", [AVENUE, LANE, SHORT]), [ALONG_ROWS, ALONG_COLUMNS], tmp_path)
    (feature,) = made.features
    assert feature.attributes == {"status": "existing", "width_m": 60, "direction_deg": 90.0}, "as the grid runs"
    expected = shapely.box(690_200, 635_000 - 660, 691_600, 635_000 - 600)
    found = moved([feature.geometry], 3844)[0]
    assert found.symmetric_difference(expected).area < 0.01 * expected.area
    with rasterio.open(made.values) as file:
        assert file.descriptions == ("directions with a corridor", "corridor along 1.8°", "corridor along 91.8°")
        count, columns, rows = file.read()
    assert not columns.any() and (rows == count).all() and rows.sum() == 6 * 140 and rows[AVENUE].all()
    with rasterio.open(made.classes) as file:
        np.testing.assert_array_equal(file.read(1), count)
    assert "town.tif " in made.provenance.attributes()["input_sha256"]


def test_a_roughness_raster_says_the_same_and_both_ways_of_an_axis_are_one(tmp_path: Path) -> None:
    rough = town(tmp_path / "rough.tif", [AVENUE], closed=1.2)
    made = corridors(rough, [ALONG_ROWS, ALONG_ROWS - 180], tmp_path, heights=False)
    assert len(made.features) == 1
    with pytest.raises(InputError, match=r"Nowhere in the raster rough.tif is a path open for 1500 m"):
        corridors(rough, [ALONG_ROWS], tmp_path, heights=False, length_m=1_500)
    (wider,) = corridors(rough, [ALONG_ROWS], tmp_path, heights=False, roughness_m=1.2).features
    assert wider.attributes["width_m"] == 1_800


def test_low_buildings_let_the_wind_through(tmp_path: Path) -> None:
    # Roughness lengths of 0.4 and 0.6 m.
    assert corridors(town(tmp_path / "low.tif", [], closed=4), [ALONG_ROWS], tmp_path).features
    with pytest.raises(InputError, match="Nowhere"):
        corridors(town(tmp_path / "high.tif", [], closed=6), [ALONG_ROWS], tmp_path)


def test_windows_make_no_difference(tmp_path: Path, monkeypatch) -> None:
    random = np.random.default_rng(3)
    heights = np.where(random.random((180, 200)) < 0.004, 12, 0).astype(np.float32)
    path = write(tmp_path / "park.tif", heights)
    results = []
    for side in (1024, 64):
        monkeypatch.setattr(rasters, "WINDOW", side)
        made = corridors(path, [300, 30], tmp_path, length_m=300)
        with rasterio.open(made.values) as file:
            results.append(file.read())
    np.testing.assert_array_equal(*results)
    assert 0 < results[0][0].mean() < 2


def test_what_is_unknown_is_closed(tmp_path: Path) -> None:
    heights = np.zeros((180, 200), dtype=np.float32)
    heights[:, [95, 105]] = -1
    path = write(tmp_path / "gap.tif", heights, nodata=-1)
    with pytest.raises(InputError, match="Nowhere"):
        corridors(path, [ALONG_ROWS], tmp_path)


def test_true_north_on_the_grid_is_turned_by_the_meridian_convergence() -> None:
    lon, lat = Proj(3844)(691_000, 634_100, inverse=True)
    # Proj's convergence is the other way round: from true north to the grid's.
    assert pytest.approx(-Proj(3844).get_factors(lon, lat).meridian_convergence, abs=0.01) == TURN
    assert 1.5 < abs(TURN) < 2.2


def test_mean_width_by_hand() -> None:
    strip = shapely.box(0, 0, 1_000, 60)
    assert airflow.mean_width(strip, 90) == pytest.approx(60)
    turned = shapely.affinity.rotate(strip, -30)
    assert airflow.mean_width(turned, 120) == pytest.approx(60, rel=0.06)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"closed": -3.0}, "ranges from -3 to 0: heights of buildings"),
        ({"closed": 9_999.0}, "heights of buildings lie within 0 to 500 m"),
        ({"transform": from_origin(690_000, 635_000, 60, 60)}, "60 m wide: a corridor of 50 m cannot"),
        ({"transform": from_origin(27.5, 47.2, 1e-4, 1e-4), "crs": "EPSG:4326"}, "degrees where metres"),
    ],
)
def test_rasters_of_something_else_are_refused(tmp_path: Path, how: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        corridors(town(tmp_path / "a.tif", [AVENUE], **how), [270], tmp_path)


def test_heights_are_not_taken_for_roughness(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a roughness length lies within 0 to 10 m"):
        corridors(town(tmp_path / "a.tif", [AVENUE]), [270], tmp_path, heights=False)

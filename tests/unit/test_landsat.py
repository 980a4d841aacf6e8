"""Land surface temperature: real metadata, the R package's temperatures, and sums done by hand."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers import gdal_lock, landsat
from masterplan.errors import InputError
from tests.landsat_scenes import ETM

gdal_lock.lock()
import rasterio  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

def etm(**changed: str) -> landsat.Scene:
    """The scene above with some `KEY = VALUE` lines changed."""
    words = ETM
    for key, value in changed.items():
        before = next(line for line in words.splitlines() if line.strip().startswith(f"{key} ="))
        words = words.replace(before, f"    {key} = {value}" if value else "")
    return landsat.parse_mtl(words.encode(), "a_MTL.txt")


# -- the metadata --------------------------------------------------------------------------


def test_the_real_json_of_before_the_collections(shared_data: Path) -> None:
    scene = landsat.parse_mtl((shared_data / "heat" / "lc8_2016177_MTL.json").read_bytes(), "m")
    assert (scene.id, scene.spacecraft, scene.collection) == ("LC80460282016177LGN00", 8, 0)
    assert (scene.acquired.isoformat(), scene.sun_elevation) == ("2016-06-25", 62.58246948)
    assert list(scene.thermal) == ["10", "11"]
    assert scene.thermal["11"].radiance == landsat.Scaling(0.0003342, 0.1)
    assert (scene.thermal["11"].k1, scene.thermal["11"].k2) == (480.8883, 1201.1442)
    assert (scene.red, scene.nir) == (landsat.Scaling(2e-05, -0.1), landsat.Scaling(2e-05, -0.1))
    assert scene.files == {
        "red": "LC80460282016177LGN00_B4.TIF", "nir": "LC80460282016177LGN00_B5.TIF",
        "10": "LC80460282016177LGN00_B10.TIF", "11": "LC80460282016177LGN00_B11.TIF",
        "quality": "LC80460282016177LGN00_BQA.TIF",
    }  # fmt: skip


def test_the_real_text_of_collection_2(shared_data: Path) -> None:
    scene = landsat.parse_mtl((shared_data / "heat" / "lc8_c2_20180824_MTL.txt").read_bytes(), "m")
    assert (scene.id, scene.collection) == ("LC08_L1TP_193024_20180824_20200831_02_T1", 2)
    assert (scene.acquired.isoformat(), scene.sun_elevation) == ("2018-08-24", 47.03107233)
    band = scene.thermal_band()
    assert (band.name, band.k1, band.k2, band.largest_dn) == ("10", 774.8853, 1321.0789, 65535)
    assert scene.files["quality"] == "LC08_L1TP_193024_20180824_20200831_02_T1_QA_PIXEL.TIF"


def test_text_and_json_of_one_scene_say_the_same(shared_data: Path) -> None:
    text = (shared_data / "heat" / "lc8_c2_20180824_MTL.txt").read_text()
    # As the publisher's JSON of Collection 2: the same groups, every value a string.
    root: dict = {}
    stack = [root]
    for key, value in (line.strip().split(" = ") for line in text.splitlines() if " = " in line):
        if key == "GROUP":
            stack.append(stack[-1].setdefault(value, {}))
        elif key == "END_GROUP":
            stack.pop()
        else:
            stack[-1][key] = value.strip('"')
    assert landsat.parse_mtl(json.dumps(root).encode(), "m") == landsat.parse_mtl(text.encode(), "m")


def test_landsat_7_has_two_gains_and_the_low_one_is_taken() -> None:
    scene = etm()
    assert list(scene.thermal) == ["6_VCID_1", "6_VCID_2"]
    assert scene.thermal_band().radiance == landsat.Scaling(0.067087, -0.07)
    assert scene.thermal_band("6_VCID_2").radiance == landsat.Scaling(0.037205, 3.16)
    with pytest.raises(InputError, match="no thermal band 10; it has 6_VCID_1, 6_VCID_2"):
        scene.thermal_band("10")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"SPACECRAFT_ID": '"LANDSAT_3"'}, "is of LANDSAT_3"),
        ({"SPACECRAFT_ID": '"SENTINEL-2"'}, "is of SENTINEL-2"),
        ({"DATA_TYPE": '"L2SP"'}, "a L2SP product.*Level-1"),
        ({"SUN_ELEVATION": "-31.2"}, "sun -31° above"),
        ({"K1_CONSTANT_BAND_6_VCID_1": ""}, "does not say K1_CONSTANT_BAND_6_VCID_1"),
        ({"REFLECTANCE_MULT_BAND_3": ""}, "does not say REFLECTANCE_MULT_BAND_3"),
        ({"K2_CONSTANT_BAND_6_VCID_2": "0"}, "K2_CONSTANT_BAND_6_VCID_2 = 0, which cannot"),
        ({"RADIANCE_MULT_BAND_6_VCID_1": "NaN"}, "RADIANCE_MULT_BAND_6_VCID_1 = NaN, which cannot"),
        ({"DATE_ACQUIRED": "in July"}, "DATE_ACQUIRED = in July"),
        ({"FILE_NAME_BAND_3": '"../../etc/passwd"'}, "not a plain file name"),
        ({"FILE_NAME_BAND_QUALITY": '".."'}, "not a plain file name"),
    ],
)
def test_metadata_that_cannot_be_used_say_why(changed: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        etm(**changed)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "not a Landsat MTL file"),
        (b"\xff\xfe\x00", "not a Landsat MTL file"),
        (b"a line of prose", "not a Landsat MTL file"),
        (b"{" * 100_000, "not a Landsat MTL file"),
        (b'{"type": "FeatureCollection"}', "not a Landsat MTL file"),
        (b'{"L1_METADATA_FILE": 3}', "not a Landsat MTL file"),
        (b"END_GROUP = L1_METADATA_FILE\nEND\n", "not a Landsat MTL file"),
        (b"<LANDSAT_METADATA_FILE>", "XML form"),
        (ETM[:-4].encode(), "cut short"),
        (b" " * 1_000_001, "not a Landsat MTL file"),
    ],
)
def test_what_is_no_metadata_is_refused(raw: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        landsat.parse_mtl(raw, "a_MTL.txt")


def test_a_level_2_product_is_known_by_its_own_level_not_by_that_of_its_source(shared_data: Path) -> None:
    text = (shared_data / "heat" / "lc8_c2_20180824_MTL.txt").read_text()
    level_2 = text.replace('PROCESSING_LEVEL = "L1TP"', 'PROCESSING_LEVEL = "L2SP"', 1)
    with pytest.raises(InputError, match="L2SP product"):
        landsat.parse_mtl(level_2.encode(), "m")


# -- temperatures --------------------------------------------------------------------------


@pytest.mark.parametrize("season", ["july", "nov"])
@pytest.mark.parametrize(("layer", "band"), [(3, "6_VCID_1"), (4, "6_VCID_2")])
def test_brightness_temperatures_are_those_of_the_r_package(
    shared_data: Path, season: str, layer: int, band: str
) -> None:
    folder = shared_data / "heat"
    with rasterio.open(folder / f"etm_{season}_dn.tif") as file:
        dn = file.read(layer)
    with rasterio.open(folder / f"etm_{season}_bt6{band[-1]}_K_ref.tif") as file:
        expected = file.read(1)
    # The constants that R's landsat::thermalband has inside: −0.07 and 3.16 where the MTL files say −0.06709, 3.1628.
    thermal = etm().thermal[band]
    found = landsat.brightness_temperature(thermal.radiance.apply(dn), thermal.k1, thermal.k2)
    assert np.abs(found - expected).max() < 0.01


def test_brightness_is_planck_turned_round() -> None:
    kelvin = np.array([250.0, 300.0, 350.0])
    radiance = 774.8853 / (np.exp(1321.0789 / kelvin) - 1)
    np.testing.assert_allclose(landsat.brightness_temperature(radiance, 774.8853, 1321.0789), kelvin, rtol=1e-12)
    assert np.isnan(landsat.brightness_temperature(np.array([0.0, -1.0]), 774.8853, 1321.0789)).all()


@pytest.mark.parametrize(
    # By hand: λT/c₂ = 10.904e-6·300/0.01438777 = 0.227359; ln 0.99 = −0.0100503, ln 0.97 = −0.0304592.
    ("emissivity", "correction"),
    [(0.99, 300 / (1 - 0.227359 * 0.0100503) - 300), (0.97, 300 / (1 - 0.227359 * 0.0304592) - 300), (1.0, 0.0)],
)
def test_emissivity_corrects_by_kelvins_not_by_millionths(emissivity: float, correction: float) -> None:
    found = landsat.surface_temperature(np.array([300.0]), emissivity, 10.904e-6)[0] - 300
    assert found == pytest.approx(correction, abs=1e-4)
    if emissivity < 1:
        assert 0.6 < found < 2.2


@pytest.mark.parametrize("band", ["6_VCID_1", "6_VCID_2"])
def test_the_correction_of_whole_scenes_is_of_the_order_that_the_literature_has(shared_data: Path, band: str) -> None:
    with rasterio.open(shared_data / "heat" / f"etm_july_bt6{band[-1]}_K_ref.tif") as file:
        brightness = file.read(1).astype(float)
    wavelength = etm().thermal[band].wavelength_m
    for emissivity, least, most in [(0.99, 0.6, 0.8), (0.98, 1.2, 1.6), (0.97, 1.8, 2.4)]:
        correction = landsat.surface_temperature(brightness, emissivity, wavelength) - brightness
        assert least < correction.min() and correction.max() < most


@pytest.mark.parametrize("wavelength", [10.904, 1.0904e-8, 1.0904e-2])
def test_micrometres_are_not_taken_for_metres(wavelength: float) -> None:
    with pytest.raises(ValueError, match="metres"):
        landsat.surface_temperature(np.array([300.0]), 0.98, wavelength)


def test_every_wavelength_of_ours_is_in_metres() -> None:
    for bands in landsat._WAVELENGTHS_M.values():
        for metres in bands.values():
            assert 300 < landsat.surface_temperature(np.array([300.0]), 0.97, metres)[0] < 303


def test_emissivity_follows_ndvi() -> None:
    index = np.array([-0.3, 0.0, 0.1999, 0.2, 0.35, 0.5, 0.51, 1.0, np.nan])
    # At 0.35 half way between bare and full: Pv = 0.25.
    expected = [0.991, 0.97, 0.97, 0.986, 0.987, 0.99, 0.99, 0.99, np.nan]
    np.testing.assert_allclose(landsat.emissivity(index), expected, atol=1e-12)


def test_ndvi_by_hand() -> None:
    red, nir = np.array([0.1, 0.1, 0.0, -0.02, 0.0]), np.array([0.3, 0.1, 0.2, 0.04, 0.0])
    np.testing.assert_allclose(landsat.ndvi(red, nir), [0.5, 0, 1, 1, np.nan])


def test_one_scene_by_hand() -> None:
    scene = etm()
    # Reflectances 0.05 and 0.30 (NDVI 0.7143), then 0.15 and 0.20 (NDVI 0.1429: bare), then what is no temperature.
    red = np.array([[60, 160, 0, 60, 60, 60]], dtype=np.float32)
    nir = np.array([[160, 110, 160, 160, 160, 160]], dtype=np.float32)
    thermal = np.array([[140, 140, 140, 0, 255, 140]], dtype=np.float32)
    quality = np.array([[672, 672, 672, 672, 672, 752]], dtype=np.float32)
    found = landsat.temperatures(scene, scene.thermal_band(), thermal, red, nir, quality)
    kelvin = 1282.71 / math.log(666.09 / (0.067087 * 140 - 0.07) + 1)
    lst = [kelvin / (1 + 11.269e-6 * kelvin / 0.01438777 * math.log(e)) - 273.15 for e in (0.99, 0.97)]
    np.testing.assert_allclose(found.celsius, [[*lst, np.nan, np.nan, np.nan, np.nan]], atol=1e-3)
    np.testing.assert_allclose(found.ndvi[0, :2], [0.25 / 0.35, 0.05 / 0.35], rtol=1e-6)
    without = landsat.temperatures(scene, scene.thermal_band(), thermal, red, nir, None)
    assert without.celsius[0, 5] == pytest.approx(lst[0], abs=1e-3)


# -- clouds --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    # Codes as the publisher's own tables of the quality bands explain them.
    ("collection", "seen", "covered"),
    [
        # Collection 2: clear, water, mid-confidence cloud | fill, dilated, dilated over water, cloud, shadow, shadow
        # over water, mid cloud in shadow, high cloud in shadow, snow, cirrus; then Landsat 5 and 7.
        (2, (21824, 21952, 22080), (1, 21826, 21890, 22280, 23888, 23952, 24088, 24344, 30048, 54596)),
        (2, (5440, 5504, 5696), (1, 5442, 5506, 5896, 7440, 7568, 13664)),
        # Collection 1: clear and low cloud confidence | fill, terrain, cloud, shadow, snow, cirrus; Landsat 5 and 7.
        (1, (2720, 2752), (1, 2722, 2800, 2976, 3744, 6816)),
        (1, (672, 704), (1, 674, 752, 928, 1696)),
        # Before the collections: clear, water | fill, cloud, cirrus.
        (0, (20480, 20512), (1, 53248, 61440, 28672)),
    ],
)
def test_the_quality_band_hides_what_it_says(collection: int, seen: tuple, covered: tuple) -> None:
    codes = np.array([*seen, *covered], dtype=np.uint16)
    expected = [False] * len(seen) + [True] * len(covered)
    assert landsat.hidden(codes, collection).tolist() == expected
    assert landsat.hidden(codes.astype(np.float32), collection).tolist() == expected


def test_an_unknown_collection_is_refused_and_not_taken_as_clear() -> None:
    with pytest.raises(InputError, match="Collection 3"):
        landsat.hidden(np.array([0]), 3, "LC08")


# -- several scenes, and rural ground ------------------------------------------------------


def test_the_mean_of_scenes_is_over_those_that_see_the_cell() -> None:
    nothing = np.nan
    mean, seen = landsat.mean_of([np.array([1.0, 2.0, nothing]), np.array([3.0, nothing, nothing])])
    np.testing.assert_allclose(mean, [2, 2, nothing])
    assert seen.tolist() == [2, 1, 0]


@given(
    st.lists(
        st.lists(st.floats(-80, 120, width=32), min_size=1, max_size=30), min_size=1, max_size=4
    )
)
def test_the_counted_median_is_the_median(pieces: list[list[float]]) -> None:
    median = landsat.Median()
    for piece in pieces:
        median.add(np.array([*piece, np.nan], dtype=np.float32))
    everything = np.array([value for piece in pieces for value in piece], dtype=np.float32).astype(float)
    assert median.count == len(everything)
    assert median.value() == pytest.approx(np.median(everything), abs=0.0011)


def test_the_median_of_nothing_is_nothing() -> None:
    assert np.isnan(landsat.Median().value())


def test_classes_are_those_of_the_map() -> None:
    symbols = tomllib.loads((ROOT / "data" / "symbology.toml").read_text())["heat"]["classes"]
    assert [entry["from"] for entry in symbols][1:] == [least for _, least in landsat.HEAT_ISLAND_CLASSES][1:]
    found = landsat.heat_island_class(np.array([-20, -1.001, -1, 0, 0.5, 2.99, 3, 9, np.nan]))
    assert found.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, -1]

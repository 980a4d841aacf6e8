"""Landsat scenes made up so that every temperature is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from layers import gdal_lock, heat

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402

#: The names and groups of a Collection 1 product of Landsat 7.
ETM = """\
GROUP = L1_METADATA_FILE
  GROUP = METADATA_FILE_INFO
    LANDSAT_SCENE_ID = "LE71820272001200SGS00"
    LANDSAT_PRODUCT_ID = "LE07_L1TP_182027_20010719_20170204_01_T1"
    COLLECTION_NUMBER = 01
  END_GROUP = METADATA_FILE_INFO
  GROUP = PRODUCT_METADATA
    DATA_TYPE = "L1TP"
    SPACECRAFT_ID = "LANDSAT_7"
    DATE_ACQUIRED = 2001-07-19
    FILE_NAME_BAND_3 = "b3.tif"
    FILE_NAME_BAND_4 = "b4.tif"
    FILE_NAME_BAND_6_VCID_1 = "b61.tif"
    FILE_NAME_BAND_6_VCID_2 = "b62.tif"
    FILE_NAME_BAND_QUALITY = "bqa.tif"
  END_GROUP = PRODUCT_METADATA
  GROUP = IMAGE_ATTRIBUTES
    SUN_ELEVATION = 60.0
  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = MIN_MAX_PIXEL_VALUE
    QUANTIZE_CAL_MAX_BAND_6_VCID_1 = 255
    QUANTIZE_CAL_MAX_BAND_6_VCID_2 = 255
  END_GROUP = MIN_MAX_PIXEL_VALUE
  GROUP = RADIOMETRIC_RESCALING
    RADIANCE_MULT_BAND_6_VCID_1 = 6.7087E-02
    RADIANCE_MULT_BAND_6_VCID_2 = 3.7205E-02
    RADIANCE_ADD_BAND_6_VCID_1 = -0.07
    RADIANCE_ADD_BAND_6_VCID_2 = 3.16
    REFLECTANCE_MULT_BAND_3 = 1.0E-03
    REFLECTANCE_MULT_BAND_4 = 2.0E-03
    REFLECTANCE_ADD_BAND_3 = -0.01
    REFLECTANCE_ADD_BAND_4 = -0.02
  END_GROUP = RADIOMETRIC_RESCALING
  GROUP = THERMAL_CONSTANTS
    K1_CONSTANT_BAND_6_VCID_1 = 666.09
    K2_CONSTANT_BAND_6_VCID_1 = 1282.71
    K1_CONSTANT_BAND_6_VCID_2 = 666.09
    K2_CONSTANT_BAND_6_VCID_2 = 1282.71
  END_GROUP = THERMAL_CONSTANTS
END_GROUP = L1_METADATA_FILE
END
"""

UTM = "EPSG:32635"
CORNER = (544_000.0, 5_224_000.0)
PLACE = from_origin(*CORNER, 30, 30)

MTL = """\
GROUP = LANDSAT_METADATA_FILE
  GROUP = PRODUCT_CONTENTS
    LANDSAT_PRODUCT_ID = "{id}"
    PROCESSING_LEVEL = "L1TP"
    COLLECTION_NUMBER = 02
    FILE_NAME_BAND_4 = "B4.TIF"
    FILE_NAME_BAND_5 = "B5.TIF"
    FILE_NAME_BAND_10 = "B10.TIF"
    FILE_NAME_BAND_11 = "B11.TIF"
    FILE_NAME_QUALITY_L1_PIXEL = "QA_PIXEL.TIF"
  END_GROUP = PRODUCT_CONTENTS
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "LANDSAT_9"
    DATE_ACQUIRED = {day}
    SUN_ELEVATION = 58.0
  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = LEVEL1_RADIOMETRIC_RESCALING
    RADIANCE_MULT_BAND_10 = 3.8E-04
    RADIANCE_MULT_BAND_11 = 3.49E-04
    RADIANCE_ADD_BAND_10 = 0.1
    RADIANCE_ADD_BAND_11 = 0.1
    REFLECTANCE_MULT_BAND_4 = 2.0E-05
    REFLECTANCE_MULT_BAND_5 = 2.0E-05
    REFLECTANCE_ADD_BAND_4 = -0.1
    REFLECTANCE_ADD_BAND_5 = -0.1
  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING
  GROUP = LEVEL1_THERMAL_CONSTANTS
    K1_CONSTANT_BAND_10 = 799.0284
    K2_CONSTANT_BAND_10 = 1329.2405
    K1_CONSTANT_BAND_11 = 475.6581
    K2_CONSTANT_BAND_11 = 1198.3494
    QUANTIZE_CAL_MAX_BAND_10 = 65535
    QUANTIZE_CAL_MAX_BAND_11 = 65535
  END_GROUP = LEVEL1_THERMAL_CONSTANTS
END_GROUP = LANDSAT_METADATA_FILE
END
"""
#: Reflectances 0.05 and 0.35 (NDVI 0.75: full vegetation, emissivity 0.99), as DN.
GREEN_RED, GREEN_NIR = 7_500, 22_500
CLEAR, CLOUD = 21_824, 22_280


def thermal_dn(celsius: np.ndarray) -> np.ndarray:
    """The DN of band 10 over vegetation of this surface temperature: the published formulas the other way round."""
    surface = np.asarray(celsius, dtype=float) + 273.15
    # T = B / (1 + a B) with a = λ ln ε / c₂, so B = T / (1 − a T).
    brightness = surface / (1 - 10.904e-6 * math.log(0.99) / 0.01438777 * surface)
    return np.round((799.0284 / (np.exp(1329.2405 / brightness) - 1) - 0.1) / 3.8e-4)


def scene(
    folder: Path, celsius: np.ndarray, *, clouds: np.ndarray | None = None, red: int = GREEN_RED,
    transform: Affine = PLACE, crs: str = UTM, day: str = "2024-07-20",
) -> heat.SceneFile:  # fmt: skip
    folder.mkdir(parents=True)
    bands = {
        "B10": thermal_dn(celsius), "B4": np.full(celsius.shape, red), "B5": np.full(celsius.shape, GREEN_NIR),
        "QA_PIXEL": np.where(np.zeros(celsius.shape, bool) if clouds is None else clouds, CLOUD, CLEAR),
    }  # fmt: skip
    for name, values in bands.items():
        write(folder / f"{name}.TIF", values.astype(np.uint16), transform, crs)
    path = folder / "LC09_MTL.txt"
    path.write_text(MTL.format(id=f"LC09_L1TP_{day}", day=day))
    return heat.read_scene(path)


def write(path: Path, values: np.ndarray, transform: Affine = PLACE, crs: str = UTM) -> None:
    shape = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape) as file:
        file.write(values, 1)

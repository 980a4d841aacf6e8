"""What a raster holds within areas: by exactextract, which counts each cell by the part of it that is covered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely import Geometry

from layers.rasters import check_band, opened
from masterplan.place import place

Statistic = Literal["min", "max", "mean"]


def zonal(
    raster: Path, areas: Sequence[Geometry], statistic: Statistic, band: int = 1, srid: int | None = None
) -> np.ndarray:
    """One statistic of the cells within each polygon; NaN where a polygon holds no value.

    Parameters
    ----------
    areas
        Polygons in EPSG:`srid`; as it stands, in the coordinate system in which this place is stored.
    statistic
        "mean" weighs each cell by the part of it that is covered; "min" and "max" count every cell touched.

    Raises
    ------
    InputError
        When the raster is not what it should be.
    """
    import geopandas
    from exactextract import exact_extract
    from exactextract.raster import RasterioRasterSource

    with opened(raster) as source:
        check_band(source, raster, band)
        move = Transformer.from_crs(srid or place().storage_srid, CRS.from_wkt(source.crs.to_wkt()), always_xy=True)
        moved = shapely.transform(
            np.asarray(areas, dtype=object), lambda c: np.column_stack(move.transform(c[:, 0], c[:, 1]))
        )
        frame = geopandas.GeoDataFrame(geometry=moved, crs=source.crs.to_wkt())
        found = exact_extract(RasterioRasterSource(source, band), frame, [statistic], output="pandas")
    return found[statistic].to_numpy(dtype=np.float64, na_value=np.nan)

"""GeoPackage through pyogrio, with every GDAL driver but GPKG switched off. Runs in the child alone.

The bytes are opened from memory: once the libraries are loaded, the process can open no file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import shapely
from shapely import Geometry

from layers import gdal_lock
from layers.reading_limits import Limits
from layers.reading_report import FeatureRefused, FileRefused

_ID_FIELDS = ("feature_id", "id")


def load_library() -> ModuleType:
    """pyogrio with GPKG alone, and without the large packages that it would load if it could."""
    gdal_lock.lock(frozenset({"GPKG"}))
    for optional in ("pandas", "geopandas", "pyarrow"):
        sys.modules.setdefault(optional, None)  # type: ignore[arg-type]
    import pyogrio
    import pyogrio.raw

    if set(pyogrio.list_drivers()) != {"GPKG"}:
        raise RuntimeError("GDAL offers more than GeoPackage")
    return pyogrio


class Package:
    """One feature layer of a GeoPackage."""

    def __init__(self, pyogrio: ModuleType, data: bytes, layer: str | None, limits: Limits) -> None:
        self._pyogrio, self._data, self._limits = pyogrio, data, limits
        self.layer = self._chosen_layer(layer)
        info = pyogrio.read_info(data, layer=self.layer, force_feature_count=True)
        if info["features"] > limits.features:
            raise FileRefused("too_many_features", count=int(info["features"]), limit=limits.features)
        #: "EPSG:3844", WKT, or None, as GDAL gives it.
        self.crs: str | None = None if _is_undefined(info["crs"]) else info["crs"]

    def _chosen_layer(self, wanted: str | None) -> str:
        names = [str(name) for name, kind in self._pyogrio.list_layers(self._data) if kind is not None]
        if wanted is not None and wanted in names:
            return wanted
        if wanted is None and len(names) == 1:
            return names[0]
        if not names:
            raise FileRefused("gpkg_no_layer")
        raise FileRefused("gpkg_which_layer", names=", ".join(names)[:200])

    def rows(self, id_field: str | None) -> Iterator[tuple[str, bytes | None, dict]]:
        """Feature id, WKB (None for no geometry) and properties of each row."""
        meta, fids, geometries, columns = self._pyogrio.raw.read(
            self._data,
            layer=self.layer,
            max_features=self._limits.features,
            return_fids=True,
            datetime_as_string=True,
        )
        names = [str(name) for name in meta["fields"]]
        wanted = (id_field,) if id_field is not None else _ID_FIELDS
        id_name = next((name for name in wanted if name in names), None)
        if geometries is None:
            raise FileRefused("gpkg_no_layer")
        for row, fid in enumerate(fids):
            properties = {
                name: _plain(column[row], name) for name, column in zip(names, columns, strict=True)
            }
            named = properties.get(id_name) if id_name is not None else None
            yield str(fid if named is None else named), geometries[row], properties


def _is_undefined(crs: str | None) -> bool:
    """Whether a layer says that it has no CRS (srs_id -1, 0 or 99999)."""
    return crs is None or "undefined" in crs[:60].lower()


def _plain(value: object, name: str) -> object:
    """A column's value as JSON can hold it; NaN and NaT are SQL's NULL."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and np.isnan(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item, name) for item in value]
    return f"({type(value).__name__})"


def geometry(wkb: bytes | None, limits: Limits) -> Geometry:
    """The geometry of a row, in the CRS of the layer and not yet checked for validity."""
    if wkb is None:
        raise FeatureRefused("geometry_missing")
    try:
        built = shapely.from_wkb(wkb)
    except shapely.errors.ShapelyError as error:
        raise FeatureRefused("geometry_unreadable") from error
    count = int(shapely.get_num_coordinates(built))
    if count > limits.feature_vertices:
        raise FeatureRefused("feature_too_many_vertices", limit=limits.feature_vertices)
    ordinates = shapely.get_coordinates(built)
    if not np.isfinite(ordinates).all():
        raise FeatureRefused("number_not_finite", "geometry")
    if count and np.abs(ordinates).max() > 1e9:
        raise FeatureRefused("coordinate_absurd")
    return built

"""Shapes that a derivation needs beside its raster: read through the same locked door as any layer's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer
from shapely import Geometry

from layers.reading import REFUSED, Issue, ReadFeature, read_features
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID

_NO_FILE = N_("There is no file {file}.")
_OTHER_SHAPES = N_("The file {file} holds {found}; {expected} are needed.")
_MOST_FAULTS = 20


def shapes_of(path: Path, family: str) -> list[ReadFeature]:
    """The features of a GeoJSON, GeoPackage or CSV file, in EPSG:4326, longitude first.

    Parameters
    ----------
    family
        "Point", "LineString" or "Polygon"; their Multi- forms are taken too.

    Raises
    ------
    InputError
        When the file is not there, anything in it is refused, or it holds other shapes.
    """
    if not path.is_file():
        raise InputError([("file", MasterplanError(_NO_FILE, file=path.name))])
    result = read_features(path)
    refused = [issue for issue in result.issues if issue.outcome == REFUSED]
    if refused:
        raise InputError([_fault(path, issue) for issue in refused[:_MOST_FAULTS]])
    others = {f.geometry.geom_type for f in result.features} - {family, f"Multi{family}"}
    if others or not result.features:
        found = ", ".join(sorted(others)) or "0"
        raise InputError([("file", MasterplanError(_OTHER_SHAPES, file=path.name, found=found, expected=family))])
    return result.features


def _fault(path: Path, issue: Issue) -> tuple[str, MasterplanError]:
    where = path.name if issue.row is None else f"{path.name}, {issue.row}"
    return where, MasterplanError(issue.msgid, **issue.facts)


def moved(geometries: Sequence[Geometry] | np.ndarray, crs: object, from_crs: object = WGS84_SRID) -> np.ndarray:
    """Geometries of EPSG:4326 (or `from_crs`) in another coordinate system: an EPSG code or WKT; easting first."""
    transformer = Transformer.from_crs(from_crs, crs, always_xy=True)
    return shapely.transform(
        np.asarray(geometries, dtype=object), lambda c: np.column_stack(transformer.transform(c[:, 0], c[:, 1]))
    )

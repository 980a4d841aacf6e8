"""Features and files: RFC 7946 GeoJSON, one feature a line, six decimals, valid after rounding."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from data.digitise.geometry import GRID_DEG, degrees, polygons

DATED = "2025-06-13"
TEAM = "digitizat orientativ de echipa proiectului"
REPORT = f"raportul consultării 9–13 iunie 2025; {TEAM}"

Feature = dict[str, Any]


def rounded(geometry: BaseGeometry) -> BaseGeometry:
    """A lon, lat geometry on the six-decimal grid, valid there; polygons counter-clockwise outside (RFC 7946)."""
    snapped = shapely.set_precision(geometry, GRID_DEG)
    if snapped.geom_type in ("Polygon", "MultiPolygon", "GeometryCollection"):
        parts = [orient(p) for p in polygons(snapped)]
        multi = len(parts) > 1 or geometry.geom_type == "MultiPolygon"
        return shapely.MultiPolygon(parts) if multi else parts[0]
    return snapped


def feature(
    id: str, shape: BaseGeometry, name_ro: str, name_en: str | None = None, *, status: str | None = None,
    source: str = REPORT, source_date: str = DATED, in_degrees: bool = False, **attributes: Any,
) -> Feature:
    """One GeoJSON feature; `shape` in Stereo 70 metres unless in_degrees says it is lon, lat already."""
    properties: dict[str, Any] = {"name_ro": name_ro}
    if name_en is not None:
        properties["name_en"] = name_en
    if status is not None:
        properties["status"] = status
    properties |= attributes
    properties |= {"source": source, "source_date": source_date, "indicative": True}
    geometry = rounded(shape if in_degrees else degrees(shape))
    return {"type": "Feature", "id": id, "properties": properties, "geometry": as_json(geometry)}


def as_json(geometry: BaseGeometry) -> dict[str, Any]:
    """GeoJSON geometry with exactly six decimals."""
    return _six_decimals(shapely.geometry.mapping(geometry))


def _six_decimals(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _six_decimals(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_six_decimals(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def layer_text(name: str, features: Iterable[Feature]) -> str:
    """The file of a layer: one feature a line."""
    lines = ",\n".join(json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in features)
    return f'{{"type":"FeatureCollection","name":"{name}","features":[\n{lines}\n]}}\n'


def write_layer(folder: Path, name: str, features: Iterable[Feature]) -> None:
    """Write a layer into the folder."""
    (folder / f"{name}.geojson").write_text(layer_text(name, features), encoding="utf-8")

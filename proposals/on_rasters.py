"""Measures taken on the rasters that layers were derived from, where their current versions came with one.

`proposals.measuring` runs every measure in PostGIS, on the classed polygons; what a raster can tell better is then
taken from it (`layers.zonal`, exactextract), all places at once. An answer says what it was measured `on`:

- "raster", with its `raster`: band or classes, unit, and `cell_m`, the side of its cells;
- "polygons", and `why` where the layer has a raster: it is "missing", was "changed" on disk, or the place lies
  "beyond" it.

An answer without `on` was measured on polygons, as every answer about a layer without rasters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import Geometry
from sqlalchemy import Connection

from layers import symbology
from layers.derived import CLASSES_TAG, KeptRaster, kept_rasters
from layers.grids import grid_of
from layers.rasters import opened
from layers.zonal import BandOf, Meant, shares, zonal
from proposals.criteria import POLYGONS, RASTER, MeasureSpec

BEYOND = "beyond"
_DECIMALS = 3
#: How a filter of a criteria file compares.
_COMPARED = {"below": np.less, "at_most": np.less_equal, "at_least": np.greater_equal, "above": np.greater}

Answer = dict[str, Any]


@dataclass(frozen=True)
class LayerOnRaster:
    """A layer whose current version came with rasters, by what they hold."""

    layer: str
    version: int
    accuracy_m: float
    rasters: Mapping[str, KeptRaster]


def layers_on_rasters(
    connection: Connection, specs: Iterable[MeasureSpec], accuracies: Mapping[str, float]
) -> dict[str, LayerOnRaster]:
    """Of the layers that these measures read, those whose current version came with rasters."""
    read = {spec.layer for spec in specs if spec.may_use_raster} & accuracies.keys()
    return {
        layer: LayerOnRaster(layer, version, accuracies[layer], rasters)
        for layer, (version, rasters) in (kept_rasters(connection, read).items() if read else ())
    }


def answers(spec: MeasureSpec, on: LayerOnRaster, places: Sequence[Geometry]) -> list[Answer]:
    """What the layer's raster says of each place (in the storage CRS): an answer, or why the polygons' one holds.

    Raises
    ------
    InputError
        When a raster that is as it was made cannot be read.
    """
    measured = _measured_by(spec)
    raster = on.rasters.get(measured.holds)
    if raster is None:
        return [{"on": POLYGONS}] * len(places)
    if raster.fault:
        return [{"on": POLYGONS, "why": raster.fault}] * len(places)
    found = measured.measure(spec, raster.path, on.accuracy_m, places)
    return [{"on": POLYGONS}] * len(places) if found is None else found


def replaced(on_polygons: Answer | None, on_raster: Answer) -> Answer:
    """The answer that holds: the raster's, or the polygons' with why."""
    return on_raster if on_raster["on"] == RASTER else (on_polygons or {}) | on_raster


@dataclass(frozen=True)
class _Measured:
    """A way to measure: which raster it takes, and the function that gives an answer for each place, or None when
    that raster does not hold what is asked."""

    holds: str
    measure: Callable[[MeasureSpec, Path, float, Sequence[Geometry]], list[Answer] | None]


def _measured_by(spec: MeasureSpec) -> _Measured:
    if spec.function == "attribute_at":
        return _Measured("values", _numbers)
    (wanted,) = spec.parameters["where"].values()
    return _Measured("values", _compared_shares) if isinstance(wanted, Mapping) else _Measured("classes", _class_shares)


# -- a number over the place ---------------------------------------------------------------


def _numbers(spec: MeasureSpec, raster: Path, accuracy_m: float, places: Sequence[Geometry]) -> list[Answer] | None:
    """Mean or greatest value over each place. With `bounds`, `low` and `high` are what it may be if the place lay up
    to `accuracy_m` elsewhere: of a mean the least and the greatest value there, of a greatest value also what is
    left when the place shrinks by as much."""
    band = _band_named(raster, spec.parameters["attribute"])
    if band is None:
        return None
    statistic = spec.parameters.get("statistic", "mean")
    bounds = bool(spec.parameters.get("bounds"))
    around = list(shapely.buffer(places, accuracy_m)) if bounds else []
    within = list(shapely.buffer(places, -accuracy_m)) if bounds and statistic == "max" else []
    found = zonal(band.place, [*places, *around, *within], ["min", "max", "mean"])
    count = len(places)
    values = found[statistic][:count]
    if not bounds:
        return [_answer(band, value) for value in values.tolist()]
    low, high = found["min"][count : 2 * count], found["max"][count : 2 * count]
    if within:
        least = found["max"][2 * count :]
        low = np.where(np.isnan(least), low, least)
    return [_answer(band, *numbers) for numbers in zip(values.tolist(), low.tolist(), high.tolist(), strict=True)]


# -- a share of the place ------------------------------------------------------------------


def _class_shares(
    spec: MeasureSpec, raster: Path, accuracy_m: float, places: Sequence[Geometry]
) -> list[Answer] | None:
    """The share of each place inside the classes asked for, by the words the layer is drawn by."""
    ((attribute, wanted),) = spec.parameters["where"].items()
    options = wanted if isinstance(wanted, list) else [wanted]
    marks = symbology.symbologies()[spec.layer]
    with opened(raster) as source:
        known = {value: int(code) for code, value in json.loads(source.tags()[CLASSES_TAG]).items()}
        band = _Band(BandOf(raster), "", grid_of(source).coarsest_cell_m, classes=tuple(map(str, options)))
    # A number stands for a range in the raster and for itself in a filter; only words mean the same in both.
    if not marks.categories or marks.attribute != attribute or not known.keys() >= set(options):
        return None
    codes = [known[option] for option in options]
    return _shares(band, lambda values: np.isin(values, codes), accuracy_m, places)


def _compared_shares(
    spec: MeasureSpec, raster: Path, accuracy_m: float, places: Sequence[Geometry]
) -> list[Answer] | None:
    """The share of each place in which the value is above, below, … what the filter says."""
    ((attribute, wanted),) = spec.parameters["where"].items()
    band = _band_named(raster, attribute)
    if band is None:
        return None
    return _shares(
        band,
        lambda values: np.logical_and.reduce([_COMPARED[word](values, edge) for word, edge in wanted.items()]),
        accuracy_m, places,
    )  # fmt: skip


def _shares(band: _Band, meant: Meant, accuracy_m: float, places: Sequence[Geometry]) -> list[Answer]:
    """With `low` and `high` where the edges of what is meant move by `accuracy_m`, in whole cells."""
    found = shares(band.place, places, meant, (0, -accuracy_m, accuracy_m))
    return [_answer(band, *numbers) for numbers in zip(*(each.tolist() for each in found), strict=True)]


# -- answers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Band:
    """The band that answers, as an answer tells it."""

    place: BandOf
    unit: str
    cell_m: float
    name: str = ""
    classes: tuple[str, ...] = ()

    @property
    def told(self) -> Answer:
        told = {"band": self.name, "unit": self.unit, "classes": list(self.classes), "cell_m": round(self.cell_m, 1)}
        return {name: value for name, value in told.items() if value}


def _band_named(raster: Path, name: str) -> _Band | None:
    """The band that is called like an attribute of the layer's features."""
    with opened(raster) as source:
        if name not in source.descriptions:
            return None
        number = source.descriptions.index(name)
        cell_m = grid_of(source).coarsest_cell_m
        return _Band(BandOf(raster, number + 1), source.units[number] or "", cell_m, name)


def _answer(band: _Band, value: float, low: float | None = None, high: float | None = None) -> Answer:
    """As `proposals.measures` answers: rounded, and with bounds only where they differ."""
    if isnan(value):
        return {"on": POLYGONS, "why": BEYOND}
    found = {"value": round(value, _DECIMALS)}
    if low is not None and round(min(low, value), _DECIMALS) != found["value"]:
        found["low"] = round(min(low, value), _DECIMALS)
    if high is not None and round(max(high, value), _DECIMALS) != found["value"]:
        found["high"] = round(max(high, value), _DECIMALS)
    return found | {"on": RASTER, "raster": band.told}

"""The indicative UAT cells: a rippled power diagram, cut by the Prut.

No boundary file is read: cells grow around control seeds until areas and neighbours are as facts.py lists them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from data.digitise import waters
from data.digitise.facts import UATS
from data.digitise.geometry import Raster, as_multi, coverage, ripple, smooth_arcs, xy
from data.digitise.network import has_prospective
from data.digitise.seeds import SEEDS
from data.digitise.writing import TEAM, Feature, feature

CELL_M = 150.0
SIMPLIFY_M = 130.0
RIPPLE_M = 520.0
OUTSIDE = -1


def zone_raster(cell_m: float) -> Raster:
    """A grid over the zone with a margin, Stereo 70."""
    (west, south), (east, north) = xy([(27.20, 46.83), (28.02, 47.45)])
    return Raster(west, south, east, north, cell_m)


def _rippled(places: np.ndarray) -> np.ndarray:
    """Places moved by a smooth ripple, so that straight cell edges become borders that wander."""
    x, y = places[:, 0], places[:, 1]
    return np.column_stack([x + ripple(x, y, 5200, 3) * RIPPLE_M, y + ripple(x, y, 4700, 8) * RIPPLE_M])


@cache
def _seeds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Owner (index in UATS or OUTSIDE), position and weight of every seed."""
    index = {uat.name: i for i, uat in enumerate(UATS)} | {"-": OUTSIDE}
    owners, rows = [], []
    for line in SEEDS.strip().splitlines():
        name, seeds = line.split("|")
        for seed in seeds.split(";"):
            owners.append(index[name])
            rows.append([float(v) for v in seed.split()])
    table = np.array(rows)
    return np.array(owners), table[:, :2], table[:, 2]


def owner_at(places: np.ndarray) -> np.ndarray:
    """Index in UATS of the cell at Stereo 70 places, OUTSIDE beyond the zone (the Prut not looked at)."""
    owners, seeds, weights = _seeds()
    moved = _rippled(places) / 1000
    distances = [((moved - s) ** 2).sum(axis=1) - w for s, w in zip(seeds, weights, strict=True)]
    return owners[np.argmin(np.array(distances), axis=0)]


def _west_of_prut() -> Polygon:
    river = shapely.get_coordinates(waters.course("prut"))
    (west, south), (east, north) = river.min(axis=0) - 120_000, river.max(axis=0) + 120_000
    corner = [(east, river[-1][1]), (east, south), (west, south), (west, north), (river[0][0], north)]
    return Polygon(np.vstack([river, corner]))


@cache
def cells() -> dict[str, BaseGeometry]:
    """The UAT cells in lon, lat by SIRUTA: a coverage, neighbours share their vertices."""
    raster = zone_raster(CELL_M)
    places = np.column_stack([raster.x.ravel(), raster.y.ravel()])
    labels = owner_at(places).reshape(raster.x.shape)
    arcs = smooth_arcs(raster, labels, SIMPLIFY_M, rounds=2)
    west = _west_of_prut()
    joined = coverage([*arcs, raster_edge(raster)], west, lambda p: raster.value_at(labels, p), least_m2=400_000)
    return {UATS[label].siruta: largest_part(shape) for label, shape in joined.items()}


def largest_part(shape: BaseGeometry) -> BaseGeometry:
    """The shape, which must be one piece."""
    parts = as_multi(shape).geoms
    if len(parts) != 1:
        raise ValueError(f"a UAT cell falls into {len(parts)} pieces")
    return parts[0]


def raster_edge(raster: Raster) -> BaseGeometry:
    """The outer frame of the grid."""
    c = raster.cell_m
    return shapely.box(
        raster.west, raster.south, raster.west + raster.columns * c, raster.south + raster.rows * c
    ).boundary


@cache
def zone_all() -> BaseGeometry:
    """All cells together, in lon, lat."""
    return shapely.coverage_union_all(list(cells().values()))


def uat_features() -> list[Feature]:
    return [
        feature(
            u.siruta, shapely.MultiPolygon([cells()[u.siruta]]), u.name, u.name, status="existing",
            siruta=u.siruta, kind=u.kind, population=u.population, area_km2=u.area_km2, lists=u.lists,
            in_zone=bool(u.lists), prospective_radial=has_prospective(u.name), in_degrees=True,
            source="geo-spatial.org (coduri, reședințe), INS Recensământ 2021, zmi.ro și Legea 246/2022 (liste); "
                   f"celulă orientativă, nu limita oficială; {TEAM}",
            source_date="2022-12-31",
        )
        for u in UATS
    ]

"""Curves, ribbons, blobs and coverages.

Control points are WGS 84 lon, lat (EPSG:4326); every computation is in metres of Stereo 70 (EPSG:3844).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import shapely
from pyproj import Transformer
from shapely import LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

LonLat = tuple[float, float]
GRID_DEG = 1e-6

_TO_METRES = Transformer.from_crs(4326, 3844, always_xy=True)
_TO_DEGREES = Transformer.from_crs(3844, 4326, always_xy=True)


def metres(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry in Stereo 70 (EPSG:3844, metres), from WGS 84 lon, lat."""
    return shapely.transform(geometry, lambda xy: np.column_stack(_TO_METRES.transform(xy[:, 0], xy[:, 1])))


def degrees(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry in WGS 84 lon, lat (EPSG:4326), from Stereo 70 metres."""
    return shapely.transform(geometry, lambda xy: np.column_stack(_TO_DEGREES.transform(xy[:, 0], xy[:, 1])))


def point(lonlat: LonLat) -> Point:
    """A place given in lon, lat, as a Stereo 70 point."""
    return Point(*_TO_METRES.transform(*lonlat))


def xy(lonlat: Iterable[LonLat]) -> np.ndarray:
    """Places given in lon, lat as an array of Stereo 70 eastings and northings."""
    lon, lat = np.array(list(lonlat), dtype=float).T
    return np.column_stack(_TO_METRES.transform(lon, lat))


def wave(position: np.ndarray | float, seed: int) -> np.ndarray | float:
    """Smooth repeatable noise within about -1..1; wavelengths from 1 down to about 1/4 of the unit."""
    phase = 1.7 * seed + 0.3
    return (
        0.50 * np.sin(2 * math.pi * position + phase)
        + 0.30 * np.sin(2 * math.pi * 1.618 * position + 2.1 * phase)
        + 0.20 * np.sin(2 * math.pi * 3.147 * position + 3.7 * phase)
    )


def ripple(x: np.ndarray, y: np.ndarray, wavelength_m: float, seed: int) -> np.ndarray:
    """Smooth repeatable noise over the plane, within about -1..1."""
    total = np.zeros(np.broadcast(x, y).shape)
    for k in range(6):
        angle = 2.399 * (k + 1) + seed
        scale = wavelength_m / (1 + 0.45 * k)
        total = total + np.sin(
            2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / scale + 1.3 * seed + 2.2 * k
        ) / (1 + 0.5 * k)
    return total / 2.4


def _catmull_rom(points: np.ndarray, steps: int) -> np.ndarray:
    """Centripetal-looking Catmull-Rom through all points (ends doubled)."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    return _spans(padded, steps, closing=points[-1])


def _spans(padded: np.ndarray, steps: int, closing: np.ndarray) -> np.ndarray:
    pieces = []
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    for i in range(len(padded) - 3):
        p0, p1, p2, p3 = padded[i : i + 4]
        length = np.hypot(*(p2 - p1))
        m1 = (p2 - p0) * length / (length + np.hypot(*(p1 - p0)))
        m2 = (p3 - p1) * length / (length + np.hypot(*(p3 - p2)))
        h1, h2 = 2 * t**3 - 3 * t**2 + 1, -2 * t**3 + 3 * t**2
        h3, h4 = t**3 - 2 * t**2 + t, t**3 - t**2
        pieces.append(h1 * p1 + h2 * p2 + h3 * m1 + h4 * m2)
    return np.vstack([*pieces, closing])


def curve(controls: Sequence[LonLat], steps: int = 6) -> LineString:
    """A smooth Stereo 70 line through lon, lat control points; the controls are vertices of it."""
    points = xy(controls)
    if len(points) == 2:
        return LineString(points)
    return LineString(_catmull_rom(points, steps))


def closed_curve(controls: Sequence[LonLat], steps: int = 6) -> LineString:
    """A smooth closed Stereo 70 line through lon, lat control points (first not repeated)."""
    points = xy(controls)
    padded = np.vstack([points[-1], points, points[0], points[1]])
    return LineString(_spans(padded, steps, closing=points[0]))


def area_within(controls: Sequence[LonLat], steps: int = 5) -> Polygon:
    """The polygon inside a smooth closed curve through lon, lat control points, in Stereo 70."""
    return largest(shapely.make_valid(Polygon(closed_curve(controls, steps))))


def largest(geometry: BaseGeometry) -> Polygon:
    """The largest polygon of a geometry."""
    return max(polygons(geometry), key=lambda p: p.area)


def polygons(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons of a geometry, lines and points left out."""
    found: list[Polygon] = []
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Polygon":
            found.append(part)
        elif part.geom_type in ("MultiPolygon", "GeometryCollection"):
            found.extend(polygons(part))
    return found


def meander(line: LineString, amplitude_m: float, wavelength_m: float, seed: int) -> LineString:
    """The line swinging to both sides as rivers do; both ends stay."""
    step = wavelength_m / 7
    count = max(4, round(line.length / step))
    at = np.linspace(0, line.length, count + 1)
    base = shapely.get_coordinates(shapely.line_interpolate_point(line, at))
    tangent = np.gradient(base, axis=0)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]]) / np.hypot(*tangent.T)[:, None]
    fade = np.minimum(1, np.minimum(at, line.length - at) / wavelength_m)
    swing = amplitude_m * fade * (wave(at / (1.7 * wavelength_m), seed) * 1.2)
    return LineString(base + normal * swing[:, None])


def ribbon(line: LineString, width_m: float, roughness: float, seed: int, swell_m: float = 1500) -> Polygon:
    """A strip along the line whose width swings around width_m by the share `roughness`.

    Strips of one line and seed with growing widths lie inside one another.
    """
    step = max(40.0, min(200.0, width_m / 3))
    count = max(4, round(line.length / step))
    at = np.linspace(0, line.length, count + 1)
    centres = shapely.line_interpolate_point(line, at)
    radius = width_m / 2 * (1 + roughness * wave(at / swell_m, seed))
    discs = shapely.buffer(centres, radius, quad_segs=4)
    hulls = [shapely.convex_hull(shapely.union(a, b)) for a, b in zip(discs[:-1], discs[1:], strict=True)]
    return largest(shapely.simplify(shapely.union_all(hulls), max(5.0, width_m / 40)))


def blob(centre: LonLat, area_ha: float, seed: int, stretch: float = 1.3, angle_deg: float = 0.0) -> Polygon:
    """A rounded irregular patch of the given area (Stereo 70), longer by `stretch` along angle_deg (from east)."""
    x0, y0 = point(centre).coords[0]
    turns = np.linspace(0, 1, 36, endpoint=False)
    radius = 1 + 0.16 * np.sin(2 * math.pi * (2 * turns) + seed) + 0.11 * np.sin(6 * math.pi * turns + 2.3 * seed)
    radius = radius + 0.05 * np.sin(2 * math.pi * 5 * turns + 1.1 * seed)
    x, y = radius * np.cos(2 * math.pi * turns) * stretch, radius * np.sin(2 * math.pi * turns)
    a = math.radians(angle_deg)
    shape = Polygon(np.column_stack([x * math.cos(a) - y * math.sin(a), x * math.sin(a) + y * math.cos(a)]))
    scale = math.sqrt(area_ha * 10_000 / shape.area)
    return shapely.transform(shape, lambda c: c * scale + (x0, y0))


def roughened(shape: Polygon, amplitude_m: float, wavelength_m: float, seed: int) -> Polygon:
    """The polygon (Stereo 70) with a ragged edge, as woods and villages have."""
    dense = shapely.segmentize(shape, wavelength_m / 6)

    def moved(c: np.ndarray) -> np.ndarray:
        x, y = c[:, 0], c[:, 1]
        east, north = ripple(x, y, wavelength_m, seed), ripple(x, y, wavelength_m, seed + 11)
        return c + amplitude_m * np.column_stack([east, north])

    return largest(shapely.simplify(shapely.make_valid(shapely.transform(dense, moved)), amplitude_m / 20))


def plot_of_land(controls: Sequence[LonLat]) -> Polygon:
    """A polygon through lon, lat corners, its corners slightly cut, in Stereo 70."""
    corners = xy(controls)
    return Polygon(chaikin(np.vstack([corners, corners[:1]]), rounds=2))


def chaikin(points: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Corners cut, both ends kept; a closed line stays closed."""
    closed = bool(np.all(points[0] == points[-1])) and len(points) > 3
    for _ in range(rounds):
        a, b = points[:-1], points[1:]
        cut = np.empty((2 * len(a), 2))
        cut[0::2], cut[1::2] = 0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b
        points = np.vstack([cut, cut[:1]]) if closed else np.vstack([points[:1], cut[1:-1], points[-1:]])
    return points


class Raster:
    """A square grid over the zone, Stereo 70; cell centres in `x`, `y` (rows from south to north)."""

    def __init__(self, west: float, south: float, east: float, north: float, cell_m: float) -> None:
        self.cell_m, self.west, self.south = cell_m, west, south
        self.columns = math.ceil((east - west) / cell_m)
        self.rows = math.ceil((north - south) / cell_m)
        xs = west + (np.arange(self.columns) + 0.5) * cell_m
        ys = south + (np.arange(self.rows) + 0.5) * cell_m
        self.x, self.y = np.meshgrid(xs, ys)

    def window(self, shape: BaseGeometry) -> tuple[slice, slice]:
        """Rows and columns of the cells around a Stereo 70 shape."""
        west, south, east, north = shape.bounds
        rows = [int((v - self.south) // self.cell_m) for v in (south, north)]
        columns = [int((v - self.west) // self.cell_m) for v in (west, east)]
        return slice(max(rows[0], 0), rows[1] + 2), slice(max(columns[0], 0), columns[1] + 2)

    def value_at(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        column = np.clip(((places[:, 0] - self.west) / self.cell_m).astype(int), 0, self.columns - 1)
        row = np.clip(((places[:, 1] - self.south) / self.cell_m).astype(int), 0, self.rows - 1)
        return values[row, column]


def _label_edges(raster: Raster, labels: np.ndarray) -> list[LineString]:
    """The cell edges between different labels."""
    c, w, s = raster.cell_m, raster.west, raster.south
    row, col = np.nonzero(labels[:, 1:] != labels[:, :-1])
    x, y = w + (col + 1) * c, s + row * c
    upright = np.stack([np.column_stack([x, y]), np.column_stack([x, y + c])], axis=1)
    row, col = np.nonzero(labels[1:, :] != labels[:-1, :])
    x, y = w + col * c, s + (row + 1) * c
    level = np.stack([np.column_stack([x, y]), np.column_stack([x + c, y])], axis=1)
    return list(shapely.linestrings(np.vstack([upright, level])))


def smooth_arcs(raster: Raster, labels: np.ndarray, tolerance_m: float, rounds: int = 2) -> list[LineString]:
    """The borders between labels as smooth arcs that meet at shared nodes."""
    merged = shapely.line_merge(shapely.multilinestrings(_label_edges(raster, labels)))
    arcs = []
    for arc in shapely.get_parts(merged):
        coordinates = shapely.get_coordinates(_halfway(arc).simplify(tolerance_m))
        arcs.append(LineString(chaikin(coordinates, rounds)))
    return arcs


def _halfway(arc: LineString) -> LineString:
    """The arc through the middles of its cell edges: stairs become slopes before they are simplified."""
    c = shapely.get_coordinates(arc)
    middles = (c[:-1] + c[1:]) / 2
    if arc.is_closed:
        return LineString(np.vstack([middles, middles[:1]]))
    return LineString(np.vstack([c[:1], middles, c[-1:]]))


def faces(arcs: Iterable[BaseGeometry], outline: BaseGeometry | None) -> list[Polygon]:
    """The faces that arcs (Stereo 70) cut out, noded and rounded, in lon, lat.

    With an outline, only what lies within it, cut by it. Neighbours share every vertex.
    """
    lines = list(arcs)
    if outline is not None:
        lines.append(outline.boundary)
    noded = shapely.union_all([degrees(line) for line in lines], grid_size=GRID_DEG)
    cut = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    if outline is None:
        return list(cut)
    limit = degrees(outline)
    shapely.prepare(limit)
    return [f for f in cut if limit.contains(f.representative_point())]


def coverage(
    arcs: Iterable[BaseGeometry], outline: BaseGeometry | None, label_of: Callable[[np.ndarray], np.ndarray],
    least_m2: float = 0.0,
) -> dict[int, BaseGeometry]:
    """Faces joined by label (label < 0 left out), in lon, lat.

    Faces smaller than least_m2 go to the neighbour with the longest shared border.
    """
    cut = faces(arcs, outline)
    inner = np.vstack([metres(f.representative_point()).coords[0] for f in cut])
    labels = [int(v) for v in label_of(inner)]
    _absorb_small(cut, labels, least_m2)
    joined = {}
    for label in sorted(set(labels)):
        if label >= 0:
            joined[label] = shapely.coverage_union_all([f for f, v in zip(cut, labels, strict=True) if v == label])
    return joined


def _absorb_small(cut: list[Polygon], labels: list[int], least_m2: float) -> None:
    """Give each small face the label of its best neighbour, smallest first."""
    tree = shapely.STRtree(cut)
    sizes = [metres(f).area for f in cut]
    for i in sorted(range(len(cut)), key=lambda k: sizes[k]):
        if sizes[i] >= least_m2:
            return
        shared: dict[int, float] = {}
        for j in sorted(tree.query(cut[i], predicate="intersects").tolist()):
            if labels[j] != labels[i]:
                length = shapely.intersection(cut[i].boundary, cut[j].boundary).length
                shared[labels[j]] = shared.get(labels[j], 0.0) + length
        if shared and max(shared.values()) > 0:
            labels[i] = max(sorted(shared), key=lambda v: shared[v])


def as_multi(geometry: BaseGeometry) -> MultiPolygon:
    """The polygons of a geometry as one MultiPolygon."""
    return MultiPolygon(polygons(geometry))

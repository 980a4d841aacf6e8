"""From a derived raster to the plan: classed polygons and lines, through the same door as any layer.

What is derived is first written as a layer file (GeoJSON, EPSG:4326), which says of every feature its value
range, unit, method, parameters and the SHA-256 of the input; `layers.loading` then reads it like any other.
Beside it go two cloud-optimised GeoTIFFs: the values, which criteria measure on, and the classes, which the map
shows as tiles. They count as long as the layer's current version is the file they were made with.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import shapely
from pyproj import Transformer
from shapely import Geometry
from sqlalchemy import Connection, text

from layers.catalogue import DERIVED_ATTRIBUTES, Attribute, catalogue
from layers.grids import Grid
from layers.loading import Options, Report, load_file
from layers.rasters import OutputBand, sha256_of, whole_pieces, write_cog
from layers.reading_limits import DEFAULT_LIMITS
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_, translator
from masterplan.place import WGS84_SRID
from masterplan.settings import settings

#: In a raster of classes: no class.
NO_CLASS = 0
CLASSES_TAG = "MASTERPLAN_CLASSES"
#: Which rasters belong to a feature's layer: so that one that is missing, or was changed since, is known as such.
_RASTERS = Attribute("raster_sha256", "text", "rastere (SHA-256)", "rasters (SHA-256)", filterable=False)
_DECIMALS = 6

_TOO_DETAILED = N_(
    "{features} features with {vertices} vertices would come of it; a layer holds at most {most_features} and"
    " {most_vertices}. Make the cells coarser, or let the smallest area kept be larger."
)
_COMPUTED = N_(
    "Computed from measured data; every feature says by which method, with which parameters and from which files."
)
_NOTHING = N_("Nothing in the raster reaches the lowest class: no feature would come of it.")


@dataclass(frozen=True)
class Provenance:
    """How something was derived: the method with its source, its parameters, name and SHA-256 of each input file."""

    method: str
    parameters: Mapping[str, object]
    inputs: Sequence[tuple[str, str]]

    def attributes(self) -> dict[str, str]:
        return {
            "method": self.method,
            "parameters": json.dumps(dict(self.parameters), ensure_ascii=False, sort_keys=True),
            "input_sha256": "; ".join(f"{name} {sha256}" for name, sha256 in self.inputs),
        }

    def tags(self) -> dict[str, str]:
        """The same, as tags of a GeoTIFF."""
        return {f"MASTERPLAN_{name.upper()}": value for name, value in self.attributes().items()}


@dataclass(frozen=True)
class RasterClass:
    """One class of a raster: its code (from 1), and `value`, by which `data/symbology.toml` colours its layer."""

    code: int
    value: str | float


@dataclass(frozen=True)
class DerivedFeature:
    """One feature; `geometry` in EPSG:4326, longitude first. `least` and `most` are None where a range is open."""

    id: str
    geometry: Geometry
    name_ro: str
    name_en: str
    attributes: Mapping[str, Any]
    least: float | None
    most: float | None
    unit: str


@dataclass(frozen=True)
class Derivation:
    """A layer as derived.

    `values` and `classes` are cloud-optimised GeoTIFFs, where there are any, in a folder that the maker owns.
    """

    layer: str
    features: Sequence[DerivedFeature]
    provenance: Provenance
    accuracy_m: float
    source_date: date
    values: Path | None = None
    classes: Path | None = None

    @property
    def rasters(self) -> dict[str, Path]:
        """The rasters there are, by what they hold."""
        return {holds: path for holds, path in (("values", self.values), ("classes", self.classes)) if path}


# From cells to shapes


@dataclass(frozen=True)
class Regions:
    """Connected cells of one class. `number` is 0 outside; `codes` and `shapes` (in the grid's coordinate system)
    are indexed by number − 1."""

    number: np.ndarray
    codes: np.ndarray
    shapes: np.ndarray

    def greatest(self, values: np.ndarray) -> np.ndarray:
        """The greatest value in each region; NaN where it has none."""
        found = np.full(self.codes.size, -np.inf)
        there = (self.number > 0) & np.isfinite(values)
        np.maximum.at(found, self.number[there] - 1, values[there])
        return np.where(np.isfinite(found), found, np.nan)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of the values in each region; NaN where it has none."""
        there = (self.number > 0) & np.isfinite(values)
        cells = self.number[there] - 1
        count = np.bincount(cells, minlength=self.codes.size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.bincount(cells, values[there], self.codes.size) / count

    def commonest(self, codes: np.ndarray) -> np.ndarray:
        """The code (0 to 255) that most cells of each region have."""
        there = self.number > 0
        counts = np.zeros((self.codes.size, int(codes.max()) + 1), dtype=np.int64)
        np.add.at(counts, (self.number[there] - 1, codes[there]), 1)
        return counts.argmax(axis=1)


def regions(codes: np.ndarray, grid: Grid, smallest_cells: int = 1, smooth_cells: float = 0.75) -> Regions:
    """Cut a raster of classes (uint8, 0 is none) into connected regions, neighbours by an edge.

    Regions of fewer than `smallest_cells` cells are given to their largest neighbour first, if that has as many.
    The steps of their outlines are smoothed together, within `smooth_cells` of a cell, so that neighbours go on
    sharing their edges.
    """
    from rasterio.features import shapes, sieve
    from scipy.ndimage import label

    if smallest_cells > 1:
        # A raster of fewer cells has no neighbour large enough, so that all of its regions stay.
        codes = sieve(codes, min(smallest_cells, codes.size), connectivity=4)
    number = np.zeros(codes.shape, dtype=np.int32)
    kinds: list[np.ndarray] = []
    for code in np.unique(codes[codes != NO_CLASS]):
        labelled, count = label(codes == code)
        number = np.where(labelled > 0, labelled + sum(kind.size for kind in kinds), number).astype(np.int32)
        kinds.append(np.full(count, code))
    found = np.empty(sum(kind.size for kind in kinds), dtype=object)
    for outline, value in shapes(number, mask=number > 0, connectivity=4, transform=grid.transform):
        found[int(value) - 1] = shapely.geometry.shape(outline)
    if found.size and smooth_cells:
        tolerance = smooth_cells * np.sqrt(abs(grid.transform.a * grid.transform.e))
        found = shapely.coverage_simplify(found, tolerance)
    codes_of = np.concatenate(kinds).astype(np.uint8) if kinds else np.zeros(0, np.uint8)
    return Regions(number, codes_of, found)


def to_degrees(geometries: Sequence[Geometry] | np.ndarray, grid: Grid) -> np.ndarray:
    """Geometries of a grid as a layer file has them: EPSG:4326, longitude first, six decimals, valid."""
    transformer = Transformer.from_crs(grid.crs.to_wkt(), WGS84_SRID, always_xy=True)

    def moved(coordinates: np.ndarray) -> np.ndarray:
        return np.round(np.column_stack(transformer.transform(coordinates[:, 0], coordinates[:, 1])), _DECIMALS)

    made = shapely.transform(np.asarray(geometries, dtype=object), moved)
    broken = ~shapely.is_valid(made)
    made[broken] = shapely.make_valid(made[broken])
    return shapely.orient_polygons(made)


def polygons_of(geometry: Geometry) -> list[Geometry]:
    """The polygons in a geometry that came of repairing one."""
    return [part for part in shapely.get_parts(shapely.get_parts(geometry)) if part.geom_type == "Polygon"]


def write_classes(path: Path, codes: np.ndarray, grid: Grid, known: Sequence[RasterClass], origin: Provenance) -> None:
    """The raster of classes as the map shows it: a cloud-optimised GeoTIFF of bytes, 0 for none."""
    tags = origin.tags() | {CLASSES_TAG: json.dumps({each.code: each.value for each in known}, ensure_ascii=False)}
    write_cog(path, grid, [OutputBand("class", "uint8", nodata=NO_CLASS)], whole_pieces(grid, [codes]), tags=tags)


# Writing and loading


def write_layer_file(path: Path, derivation: Derivation) -> str:
    """Write the features as GeoJSON; returns the file's SHA-256.

    Raises
    ------
    InputError
        When there are none, or more than a layer may have.
    """
    _check_size(derivation.features)
    shared = derivation.provenance.attributes()
    if derivation.rasters:
        shared[_RASTERS.name] = "; ".join(f"{holds} {sha256_of(path)}" for holds, path in derivation.rasters.items())
    source = {"source": _source(derivation), "source_date": derivation.source_date.isoformat()}
    content = orjson.dumps({
        "type": "FeatureCollection",
        "name": derivation.layer,
        "features": [_as_json(feature, shared | source) for feature in derivation.features],
    })  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _check_size(features: Sequence[DerivedFeature]) -> None:
    if not features:
        raise InputError([("input", MasterplanError(_NOTHING))])
    vertices = int(shapely.get_num_coordinates([feature.geometry for feature in features]).sum())
    most = DEFAULT_LIMITS
    if len(features) > most.features or vertices > most.vertices:
        raise InputError([("input", MasterplanError(
            _TOO_DETAILED, features=len(features), vertices=vertices,
            most_features=most.features, most_vertices=most.vertices,
        ))])  # fmt: skip


def _source(derivation: Derivation) -> str:
    return ", ".join(name for name, _ in derivation.provenance.inputs)


def _as_json(feature: DerivedFeature, shared: Mapping[str, str]) -> dict[str, Any]:
    properties = {
        "name_ro": feature.name_ro,
        "name_en": feature.name_en,
        **feature.attributes,
        "value_min": feature.least,
        "value_max": feature.most,
        "value_unit": feature.unit,
        **shared,
    }
    return {
        "type": "Feature",
        "id": feature.id,
        "properties": {name: value for name, value in properties.items() if value is not None},
        "geometry": shapely.geometry.mapping(feature.geometry),
    }


def publish(derivation: Derivation, official: bool = False) -> Report:
    """Make what was derived the current version of its layer, and keep its rasters for tiles and criteria.

    Raises
    ------
    NotFound, InputError
        As `layers.loading.load_file`; then nothing is kept.
    """
    catalogue().layer(derivation.layer)
    with TemporaryDirectory(prefix="masterplan-derived-") as folder:
        file = Path(folder) / f"{derivation.layer}.geojson"
        sha256 = write_layer_file(file, derivation)
        before = set(_folder().glob(f"{derivation.layer}-*.tif"))
        kept = _keep(derivation, sha256)
        options = Options(
            source=_source(derivation), source_date=derivation.source_date, official=official,
            accuracy_m=derivation.accuracy_m,
            also=(*DERIVED_ATTRIBUTES, *([_RASTERS] if derivation.rasters else [])),
            **_descriptions(derivation.layer),
        )  # fmt: skip
        try:
            report = load_file(file, derivation.layer, options)
        except BaseException:
            _forget(set(kept) - before)
            raise
    _forget(before - set(kept))
    return report


def _descriptions(layer_id: str) -> dict[str, str]:
    """For what takes the place of a shipped sketch; a layer that ships none describes itself rightly."""
    if not catalogue().layer(layer_id).shipped:
        return {}
    return {f"description_{language}": translator(language)(_COMPUTED) for language in ("ro", "en")}


def write_files(derivation: Derivation, file: Path) -> list[Path]:
    """Write what was derived beside each other: `file` (GeoJSON), its values as .tif, its classes as .classes.tif."""
    write_layer_file(file, derivation)
    written = [file]
    for source, ending in ((derivation.values, ".tif"), (derivation.classes, ".classes.tif")):
        if source is not None:
            target = file.with_name(file.stem + ending)
            shutil.copyfile(source, target)
            written.append(target)
    return written


# Rasters of the current layers


@dataclass(frozen=True)
class LayerRasters:
    """The rasters of a layer's current version; None where it came without."""

    values: Path | None
    classes: Path | None
    version: int


_CURRENT = text("""
SELECT v.file_sha256, l.version FROM masterplan.layer l
JOIN masterplan.layer_version v ON v.layer_id = l.id AND v.version = l.version WHERE l.id = :layer
""")


def rasters_of(connection: Connection, layer_id: str) -> LayerRasters | None:
    """The rasters that the current version of a layer was derived from; None if it was not."""
    row = connection.execute(_CURRENT, {"layer": layer_id}).one_or_none()
    if row is None:
        return None
    values, classes = (path if path.is_file() else None for path in _places(layer_id, row.file_sha256))
    return LayerRasters(values, classes, row.version) if values or classes else None


@dataclass(frozen=True)
class KeptRaster:
    """A raster that a layer's version came with: where it should be, and its SHA-256 when it was made."""

    path: Path
    sha256: str

    @property
    def fault(self) -> str | None:
        """None if it is there as it was made; else "missing" or "changed"."""
        try:
            facts = self.path.stat()
        except OSError:
            return MISSING
        return None if _digest(self.path, facts.st_mtime_ns, facts.st_size) == self.sha256 else CHANGED


MISSING, CHANGED = "missing", "changed"


@lru_cache(maxsize=64)
def _digest(path: Path, changed_ns: int, size: int) -> str:
    return sha256_of(path)


#: Whether a layer `l` says which rasters its current version came with; quick where none does.
SAYS_ITS_RASTERS = f"""l.attributes @> '[{{"name": "{_RASTERS.name}"}}]'"""

_KEPT = text(f"""
SELECT l.id, l.version, v.file_sha256, (
    SELECT f.properties ->> '{_RASTERS.name}' FROM masterplan.current_feature f WHERE f.layer_id = l.id LIMIT 1
) AS rasters
FROM masterplan.layer l JOIN masterplan.layer_version v ON v.layer_id = l.id AND v.version = l.version
WHERE l.id = ANY(:layers) AND {SAYS_ITS_RASTERS}
""")


def kept_rasters(connection: Connection, layers: Iterable[str]) -> dict[str, tuple[int, dict[str, KeptRaster]]]:
    """Of those layers whose current version came with rasters: the version, and the rasters by what they hold
    ("values", "classes")."""
    found = {}
    for row in connection.execute(_KEPT, {"layers": sorted(layers)}):
        places = dict(zip(("values", "classes"), _places(row.id, row.file_sha256), strict=True))
        digests = dict(each.split(" ") for each in (row.rasters or "").split("; ") if each)
        found[row.id] = row.version, {holds: KeptRaster(places[holds], sha) for holds, sha in digests.items()}
    return found


def _folder() -> Path:
    return settings().state_dir / "rasters"


def _places(layer_id: str, sha256: str) -> tuple[Path, Path]:
    name = f"{layer_id}-{sha256[:32]}"
    return _folder() / f"{name}.tif", _folder() / f"{name}.classes.tif"


def _forget(paths: set[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _keep(derivation: Derivation, sha256: str) -> list[Path]:
    """Copy the rasters to where the server looks for them; returns where that is."""
    _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = []
    for source, target in zip(
        (derivation.values, derivation.classes), _places(derivation.layer, sha256), strict=True
    ):
        if source is not None:
            # Under another name until it is whole: the server may look for it at any time.
            draft = target.with_name(f".{target.name}.draft")
            shutil.copyfile(source, draft)
            draft.replace(target)
            kept.append(target)
    return kept

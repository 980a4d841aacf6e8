"""Reading GeoJSON, GeoPackage and CSV files that come from outside: every fault at once, nothing trusted.

The bytes are parsed in a child process without network, files or much memory (`reading_child`). What
comes back is data alone: WKB, JSON values, and codes that are looked up in `reading_messages`.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyproj
import pyproj.exceptions
import shapely
from shapely import Geometry

from layers import gdal_lock
from layers.reading_geojson import known_crs
from layers.reading_geometry import FAMILY
from layers.reading_limits import DEFAULT_LIMITS, Limits
from layers.reading_messages import MESSAGES
from layers.reading_report import REFUSED, REPAIRED, WARNED, FileRefused, Finding, Report
from masterplan.language import translator

__all__ = [
    "DEFAULT_LIMITS", "REFUSED", "REPAIRED", "WARNED",
    "Issue", "Limits", "ReadFeature", "ReadResult", "read_features",
]  # fmt: skip

Bounds = tuple[float, float, float, float]

_ROOT = Path(__file__).resolve().parent.parent
_WGS84 = "OGC:CRS84"
#: The rectangle of Romania in Stereo 70 (EPSG:3844, 31700), metres, generously.
_STEREO70 = (100_000, 200_000, 900_000, 800_000)
_LONGEST_FACT = 300


@dataclass(frozen=True)
class Issue:
    """One fault of a file and what became of it.

    `row` counts features or records from 1 (None: the whole file), `field` is a property or a path
    inside the geometry, `outcome` is "repaired", "refused" (the feature, or the file, was not read) or
    "warned". `msgid` with `facts` is the sentence; `code` is stable, for programs.
    """

    row: int | None
    feature_id: str | None
    field: str | None
    msgid: str
    facts: dict[str, object]
    outcome: str
    code: str

    def message(self, language: str) -> str:
        """The sentence in `language` ("ro" or "en")."""
        return translator(language)(self.msgid).format(**self.facts)


@dataclass(frozen=True)
class ReadFeature:
    """One clean feature: geometry valid, two-dimensional, EPSG:4326, longitude first, right-hand rule."""

    row: int
    feature_id: str | None
    geometry: Geometry
    properties: dict


@dataclass(frozen=True)
class ReadResult:
    """What a file held. `crs` is the CRS it was in ("EPSG:3844", "OGC:CRS84"), "" if it was refused first;
    `format` likewise; `sha256` is of the file's bytes."""

    features: list[ReadFeature]
    issues: list[Issue]
    crs: str
    format: str
    sha256: str
    #: Whether the file as a whole was refused, so that no feature was read.
    refused: bool = False

    @property
    def refused_rows(self) -> set[int]:
        """Rows of which something was refused."""
        return {i.row for i in self.issues if i.outcome == REFUSED and i.row is not None}


@dataclass(frozen=True)
class _Options:
    """What the child is told; everything else it finds in the file."""

    limits: Limits
    json_named: bool
    layer: str | None
    id_field: str | None
    longitude: str | None
    latitude: str | None


@dataclass
class _Answer:
    """What the child said."""

    format: str = ""
    crs: str | None = None
    rows: list[int] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    wkb: list[str] = field(default_factory=list)
    properties: list[dict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_features(
    source: Path | str | bytes,
    *,
    limits: Limits = DEFAULT_LIMITS,
    kind: str | None = None,
    bounds: Bounds | None = None,
    crs: str | None = None,
    layer: str | None = None,
    id_field: str | None = None,
    longitude: str | None = None,
    latitude: str | None = None,
) -> ReadResult:
    """Read a foreign file (a path, or its bytes) and say everything that is wrong with it.

    `kind`: "Point", "LineString", "Polygon" or their Multi- forms; another family is refused.
    `bounds`: west, south, east, north in degrees (EPSG:4326); what lies wholly outside is refused.
    `crs`: as "EPSG:3844", for files that state none. `layer`: of a GeoPackage with several.
    `id_field`, `longitude`, `latitude`: columns, where they have not their usual names.
    A file at fault yields issues and no exception; OSError when the file is not there or not a file.
    ValueError for a `kind` or `crs` that does not exist: those are ours, not the file's.
    """
    if kind is not None and kind not in FAMILY:
        raise ValueError(f"unknown kind of geometry: {kind!r}")
    named = "" if isinstance(source, bytes) else str(source).lower()
    options = _Options(limits, named.endswith(("json", ".jsonl")), layer, id_field, longitude, latitude)
    assumed = _assumed_crs(crs)
    with _opened(source) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        answer, fmt = _Answer(), ""
        try:
            _ask_child(file, options, answer)
            fmt = answer.format
            return _result(answer, assumed, kind, bounds, limits, sha256)
        except FileRefused as refusal:
            finding = Finding(refusal.code, REFUSED, facts=refusal.facts)
            issues = [_issue(found) for found in [finding, *answer.findings]]
            return ReadResult([], issues, "", fmt, sha256, refused=True)


def _assumed_crs(crs: str | None) -> str | None:
    if crs is None:
        return None
    try:
        name = known_crs(crs)
        _check_crs(name)
    except FileRefused as refusal:
        raise ValueError(f"unknown coordinate system: {crs!r}") from refusal
    return name


@contextmanager
def _opened(source: Path | str | bytes) -> Iterator[BinaryIO]:
    """The source as a regular file open for reading."""
    if isinstance(source, bytes):
        with tempfile.TemporaryFile() as file:
            file.write(source)
            file.seek(0)
            yield file
        return
    # Non-blocking, so that a named pipe is refused and not waited for.
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"not a regular file: {source}")
        yield file


def _ask_child(file: BinaryIO, options: _Options, answer: _Answer) -> None:
    """Have the child read the file into `answer`; FileRefused when the file or the child gives up."""
    limits = options.limits
    if os.fstat(file.fileno()).st_size > limits.file_bytes:
        raise FileRefused("file_too_large", limit_mb=round(limits.file_bytes / 1_000_000, 1))
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    child = subprocess.Popen(
        [sys.executable, "-m", "layers.reading_child", json.dumps(asdict(options))],
        cwd=_ROOT,
        env=_child_environment(),
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    overdue = threading.Timer(limits.wall_seconds, child.kill)
    overdue.start()
    try:
        finished = _listen(child.stdout, limits, answer)
    finally:
        overdue.cancel()
        child.kill()
        child.stdout.close()
        child.wait()
    if not finished:
        # Killed by a limit (SIGXCPU, SIGKILL), or fallen over the file.
        raise FileRefused("took_too_long" if child.returncode in (-9, -24) else "unreadable")


def _child_environment() -> dict[str, str]:
    """Nothing of ours: no database address, no secret."""
    return {
        **gdal_lock.environment(frozenset({"GPKG"})),
        "PYTHONUTF8": "1",
        "PYTHONNOUSERSITE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _listen(stdout: BinaryIO, limits: Limits, answer: _Answer) -> bool:
    """Take the child's lines into `answer`; whether it came to its end."""
    left = limits.result_bytes
    while line := stdout.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise FileRefused("result_too_large")
        try:
            said = json.loads(line)
        except ValueError:  # cut off in the middle
            return False
        if "feature" in said:
            _take_feature(said["feature"], answer)
        elif "finding" in said:
            answer.findings.append(_finding(said["finding"]))
        elif "head" in said:
            answer.format, answer.crs = said["head"]["format"], said["head"]["crs"]
        elif "file_refused" in said:
            refused = _finding({**said["file_refused"], "outcome": REFUSED})
            raise FileRefused(refused.code, **refused.facts)
        else:
            return said.get("end", {}).get("features") == len(answer.rows)
    return False


def _take_feature(said: dict, answer: _Answer) -> None:
    answer.rows.append(said["row"])
    answer.ids.append(said["id"])
    answer.wkb.append(said["wkb"])
    answer.properties.append(said["properties"])


def _finding(said: dict) -> Finding:
    """A finding of the child, its code known and its facts short and flat."""
    if said["code"] not in MESSAGES:
        raise FileRefused("unreadable")
    facts = {
        str(name): value if isinstance(value, (int, float)) else str(value)[:_LONGEST_FACT]
        for name, value in said["facts"].items()
    }
    return Finding(**{**said, "facts": facts})


def _issue(finding: Finding) -> Issue:
    return Issue(
        row=finding.row,
        feature_id=finding.feature_id,
        field=finding.field,
        msgid=MESSAGES[finding.code],
        facts=finding.facts,
        outcome=finding.outcome,
        code=finding.code,
    )


def _result(
    answer: _Answer, assumed: str | None, kind: str | None, bounds: Bounds | None, limits: Limits, sha256: str
) -> ReadResult:
    """Put the answer on the map: WGS 84, and everything that can only be seen there."""
    crs = _file_crs(answer, assumed)
    try:
        given = shapely.from_wkb(np.array(answer.wkb, dtype=object))
    except shapely.errors.ShapelyError as error:
        raise FileRefused("unreadable") from error
    located = _in_wgs84(given, crs)
    report = Report(limits.issues_per_kind)
    fit = _Fit(given, located, crs, kind, bounds, answer, report).check()
    features = [
        ReadFeature(answer.rows[i], answer.ids[i], located[i], answer.properties[i])
        for i in np.flatnonzero(fit)
    ]
    _tell_repeated_ids(features, report)
    findings = [*answer.findings, *report.findings()]
    findings.sort(key=lambda found: (found.row is None, found.row or 0))
    return ReadResult(features, [_issue(f) for f in findings], crs, answer.format, sha256)


def _file_crs(answer: _Answer, assumed: str | None) -> str:
    """The CRS the file is in: what it states, else what the caller says, else WGS 84 as RFC 7946 has it."""
    if answer.crs is None and assumed is None:
        if answer.format == "GeoPackage":
            raise FileRefused("crs_missing")
        return _WGS84
    name = known_crs(answer.crs) if answer.crs is not None else assumed
    _check_crs(name)
    return name


def _check_crs(name: str) -> None:
    """Refuse a code that PROJ's own registry does not have, or that is no CRS of a map."""
    authority, code = name.split(":")
    try:
        found = pyproj.CRS.from_authority(authority, code)
    except pyproj.exceptions.CRSError as error:
        raise FileRefused("crs_unknown", name=name) from error
    if not (found.is_geographic or found.is_projected) or len(found.axis_info) != 2 or found.is_bound:
        raise FileRefused("crs_unfit", name=name)


def _in_wgs84(geometries: np.ndarray, crs: str) -> np.ndarray:
    """The geometries in EPSG:4326, longitude first; infinite where the transformation does not reach."""
    if crs in (_WGS84, "EPSG:4326"):
        return geometries
    transformer = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


    def moved(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    return shapely.transform(geometries, moved)


class _Fit:
    """Decides which features lie where features of this file may lie."""

    def __init__(
        self,
        given: np.ndarray,
        located: np.ndarray,
        crs: str,
        kind: str | None,
        bounds: Bounds | None,
        answer: _Answer,
        report: Report,
    ) -> None:
        self._given, self._located, self._crs = given, located, crs
        self._kind, self._bounds, self._answer, self._report = kind, bounds, answer, report
        self._boxes = shapely.bounds(located).reshape(-1, 4)
        self._fit = np.ones(len(located), dtype=bool)

    def check(self) -> np.ndarray:
        """A flag for each feature; the reasons are in the report."""
        west, south, east, north = self._boxes.T
        self._refuse(~np.isfinite(self._boxes).all(axis=1), "not_transformable")
        self._check_range((west < -180) | (east > 180) | (south < -90) | (north > 90))
        self._refuse(east - west > 180, "crosses_antimeridian")
        self._refuse(~shapely.is_valid(self._located), "invalid_after_transform")
        self._check_kind()
        if self._bounds is not None:
            self._check_bounds(self._bounds)
        return self._fit

    def _refuse(self, at_fault: np.ndarray, code: str, **facts: str | int | float) -> None:
        for i in np.flatnonzero(at_fault & self._fit):
            self._add(i, code, REFUSED, facts)

    def _add(self, i: int, code: str, outcome: str, facts: dict[str, str | int | float]) -> None:
        if outcome == REFUSED:
            self._fit[i] = False
        row, identifier = self._answer.rows[i], self._answer.ids[i]
        self._report.add(Finding(code, outcome, row, identifier, "geometry", facts))

    def _check_range(self, beyond: np.ndarray) -> None:
        """Outside longitude and latitude, with the likely reason."""
        for i in np.flatnonzero(beyond & self._fit):
            xy = shapely.get_coordinates(self._located[i])
            x, y = xy[np.argmax((np.abs(xy) > (180, 90)).any(axis=1))]
            code = "out_of_range"
            if _inside(xy, _STEREO70) or _inside(xy[:, ::-1], _STEREO70):
                code = "out_of_range_stereo70"
            elif _inside(xy[:, ::-1], (-180, -90, 180, 90)):
                code = "out_of_range_swapped"
            self._add(i, code, REFUSED, {"x": float(x), "y": float(y)})

    def _check_kind(self) -> None:
        if self._kind is None:
            return
        wanted = FAMILY[self._kind]
        for i in np.flatnonzero(self._fit):
            found = self._located[i].geom_type
            if FAMILY[found] != wanted:
                self._add(i, "wrong_kind", REFUSED, {"found": found, "wanted": self._kind})

    def _check_bounds(self, bounds: Bounds) -> None:
        west, south, east, north = self._boxes.T
        apart = (east < bounds[0]) | (west > bounds[2]) | (north < bounds[1]) | (south > bounds[3])
        partly = (west < bounds[0]) | (east > bounds[2]) | (south < bounds[1]) | (north > bounds[3])
        for i in np.flatnonzero(partly & self._fit):
            if not apart[i]:
                self._add(i, "partly_outside_bounds", WARNED, {})
            elif self._inside_when_swapped(i, bounds):
                self._add(i, "outside_bounds_swapped", REFUSED, {})
            else:
                x, y = (float(round(value, 5)) for value in self._boxes[i, :2])
                self._add(i, "outside_bounds", REFUSED, {"x": x, "y": y})

    def _inside_when_swapped(self, i: int, bounds: Bounds) -> bool:
        swapped = shapely.transform(self._given[i], lambda xy: xy[:, ::-1])
        moved = _in_wgs84(np.array([swapped], dtype=object), self._crs)[0]
        return _inside(shapely.get_coordinates(moved), bounds)


def _inside(xy: np.ndarray, bounds: tuple[float, float, float, float]) -> bool:
    return bool(((xy >= bounds[:2]) & (xy <= bounds[2:])).all())


def _tell_repeated_ids(features: list[ReadFeature], report: Report) -> None:
    first: dict[str, int] = {}
    for feature in features:
        if feature.feature_id is None:
            continue
        seen = first.setdefault(feature.feature_id, feature.row)
        if seen != feature.row:
            report.add(Finding("id_repeated", WARNED, feature.row, feature.feature_id, "id", {"first": seen}))

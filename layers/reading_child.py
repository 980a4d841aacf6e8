"""The process that reads a foreign file: `python -m layers.reading_child OPTIONS < file`.

Locks itself in before it looks at the first byte (no network, no programs, bounded means; no files
either once the libraries are loaded), and answers with lines of JSON on stdout:
`{"head": …}`, then `{"feature": …}` and at the end `{"finding": …}` lines, then `{"end": …}`;
or `{"file_refused": …}`. Codes, never sentences: the parent has the words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import shapely
from shapely import Geometry

from layers import reading_csv, reading_geojson, reading_geopackage
from layers.reading_geometry import normalise
from layers.reading_limits import Limits
from layers.reading_report import REFUSED, WARNED, FeatureRefused, FileRefused, Finding, Report
from layers.reading_sandbox import confine, seal
from layers.reading_sniff import sniffed_format
from layers.reading_text import storable_properties

#: Row, feature id, geometry as found, properties as found.
Row = tuple[int, str | None, Geometry, dict]
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Reader:
    """Reads one file and writes the answer, a line at a time."""

    def __init__(self, options: dict) -> None:
        self.limits = Limits(**options["limits"])
        self.options = options
        self.report = Report(self.limits.issues_per_kind)
        self._vertices = 0
        self._features = 0

    def read(self) -> None:
        """The whole conversation; what goes wrong with the file is part of it."""
        try:
            self._read(sys.stdin.buffer.read(self.limits.file_bytes + 1))
        except FileRefused as refusal:
            _say({"file_refused": {"code": refusal.code, "facts": refusal.facts}})
        except MemoryError:
            _say({"file_refused": {"code": "too_much_memory", "facts": {}}})

    def _read(self, data: bytes) -> None:
        if len(data) > self.limits.file_bytes:
            raise FileRefused("file_too_large", limit_mb=self.limits.file_bytes // 1_000_000)
        kind = sniffed_format(data, self.options["json_named"])
        library = reading_geopackage.load_library() if kind == "GeoPackage" else None
        seal()
        if kind == "GeoPackage":
            package = reading_geopackage.Package(library, data, self.options["layer"], self.limits)
            self._answer(kind, package.crs, self._package_rows(package))
        elif kind == "GeoJSON":
            root = reading_geojson.parse(data, self.limits)
            crs = reading_geojson.stated_crs(root)
            self._answer(kind, crs, self._geojson_rows(root))
        else:
            table = reading_csv.parse_table(data, self.limits)
            columns = reading_csv.coordinate_columns(
                table, self.options["longitude"], self.options["latitude"], self.options["id_field"]
            )
            self._answer(kind, None, self._csv_rows(table, columns))

    def _answer(self, kind: str, crs: str | None, rows: Iterator[Row]) -> None:
        _say({"head": {"format": kind, "crs": crs}})
        for row, identifier, geometry, properties in rows:
            self._feature(row, identifier, geometry, properties)
        for finding in self.report.findings():
            _say({"finding": asdict(finding)})
        _say({"end": {"features": self._features}})

    def _feature(self, row: int, identifier: str | None, geometry: Geometry, properties: dict) -> None:
        """Clean one feature and say it; a FeatureRefused becomes a finding."""

        def told(code: str, outcome: str, where: str) -> None:
            self.report.add(Finding(code, outcome, row, identifier, where))

        faults = []
        try:
            properties = storable_properties(properties, self.limits, told)
        except FeatureRefused as refusal:
            faults.append(refusal)
        try:
            geometry = self._normalised(row, identifier, geometry)
        except FeatureRefused as refusal:
            faults.append(refusal)
        for refusal in faults:
            self._refuse(row, identifier, refusal)
        if not faults:
            self._features += 1
            wkb = shapely.to_wkb(geometry, hex=True, byte_order=1)
            _say({"feature": {"row": row, "id": identifier, "wkb": wkb, "properties": properties}})

    def _normalised(self, row: int, identifier: str | None, geometry: Geometry) -> Geometry:
        self._vertices += int(shapely.get_num_coordinates(geometry))
        if self._vertices > self.limits.vertices:
            raise FileRefused("too_many_vertices", count=self._vertices, limit=self.limits.vertices)
        geometry, notes = normalise(geometry)
        for code, outcome, facts in notes:
            if facts is None:
                self.report.tally(code, outcome, row)
            else:
                self.report.add(Finding(code, outcome, row, identifier, "geometry", facts))
        return geometry

    def _refuse(self, row: int, identifier: str | None, refusal: FeatureRefused) -> None:
        self.report.add(Finding(refusal.code, REFUSED, row, identifier, refusal.field, refusal.facts))

    def _geojson_rows(self, root: dict) -> Iterator[Row]:
        features = reading_geojson.raw_features(root, self.limits)
        collection = root.get("type") == "FeatureCollection"
        if collection and reading_geojson.foreign_members(root, "FeatureCollection"):
            self.report.add(Finding("file_members_ignored", "repaired"))
        if not features:
            self.report.add(Finding("no_features", WARNED))
        stated_bbox = collection and "bbox" in root
        bounds = []
        for raw in features:
            row = self._geojson_row(raw)
            if row is None:
                continue
            if stated_bbox:
                bounds.append(row[2].bounds)
            yield row
        if stated_bbox and not _bbox_fits(root["bbox"], bounds):
            self.report.add(Finding("file_bbox_dropped", "repaired"))

    def _geojson_row(self, raw: reading_geojson.RawFeature) -> Row | None:
        """A feature with its geometry built; None, and findings, when that cannot be done."""
        identifier: str | None = None

        def told(code: str, outcome: str, where: str | None) -> None:
            if where is None:
                self.report.tally(code, outcome, raw.row)
            else:
                self.report.add(Finding(code, outcome, raw.row, identifier, where))

        try:
            members = reading_geojson.checked_feature(raw.members, told)
        except FeatureRefused as refusal:
            self._refuse(raw.row, None, refusal)
            return None
        identifier = reading_geojson.feature_id(members, told)
        refusals, found = [], []
        for step in (
            lambda: reading_geojson.feature_properties(members, told),
            lambda: reading_geojson.build(members.get("geometry"), self.limits, told),
        ):
            try:
                found.append(step())
            except FeatureRefused as refusal:
                refusals.append(refusal)
        for refusal in refusals:
            self._refuse(raw.row, identifier, refusal)
        if refusals:
            return None
        properties, geometry = found
        reading_geojson.check_feature_bbox(members, geometry, told)
        return raw.row, identifier, geometry, properties

    def _csv_rows(self, table: reading_csv.Table, columns: reading_csv.Columns) -> Iterator[Row]:
        if not table.records:
            self.report.add(Finding("no_features", WARNED))
        for row, record in enumerate(table.records, start=1):
            try:
                record = reading_csv.checked_record(record, table)
                point = shapely.Point(reading_csv.coordinates(record, columns, table))
            except FeatureRefused as refusal:
                self._refuse(row, None, refusal)
                continue
            named = record[columns.id].strip() if columns.id is not None else ""
            yield row, named[:200] or None, point, reading_csv.properties(record, columns, table)

    def _package_rows(self, package: reading_geopackage.Package) -> Iterator[Row]:
        empty = True
        for row, (identifier, wkb, properties) in enumerate(package.rows(self.options["id_field"]), start=1):
            empty = False
            try:
                geometry = reading_geopackage.geometry(wkb, self.limits)
            except FeatureRefused as refusal:
                self._refuse(row, identifier, refusal)
                continue
            yield row, identifier, geometry, properties
        if empty:
            self.report.add(Finding("no_features", WARNED))


def _bbox_fits(bbox: object, bounds: list[tuple[float, ...]]) -> bool:
    if not bounds:
        return True
    wests, souths, easts, norths = zip(*bounds, strict=True)
    return reading_geojson.bbox_fits(bbox, (min(wests), min(souths), max(easts), max(norths)))


def _say(line: dict) -> None:
    sys.stdout.write(_ENCODER.encode(line))
    sys.stdout.write("\n")


def main() -> None:
    """Lock in, read stdin, answer."""
    options = json.loads(sys.argv[1])
    confine(options["limits"]["memory_bytes"], options["limits"]["cpu_seconds"])
    Reader(options).read()
    sys.stdout.flush()


if __name__ == "__main__":
    main()

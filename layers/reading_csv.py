"""CSV with a longitude and a latitude column, as spreadsheets write it (RFC 4180, and `;` or tab)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from layers.reading_limits import Limits
from layers.reading_report import FeatureRefused, FileRefused
from layers.reading_text import decoded

_DELIMITERS = (",", ";", "\t")
#: Not x and y: in Romanian surveying x is north, in GIS exports east. They have to be named by the caller.
_LONGITUDE = ("lon", "lng", "long", "longitude", "longitudine", "est", "easting")
_LATITUDE = ("lat", "latitude", "latitudine", "nord", "northing")
_ID = ("id", "feature_id")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
#: Excel's own first line that names the delimiter.
_SEPARATOR_LINE = re.compile(r"sep=([,;\t])\r?\n", re.IGNORECASE)
_SAMPLE_RECORDS = 50


@dataclass(frozen=True)
class Table:
    """A parsed CSV file; `records` are the rows under the header, blank lines left out."""

    delimiter: str
    header: list[str]
    records: list[list[str]]


@dataclass(frozen=True)
class Columns:
    """Where the coordinates and the id are, as positions in a record; `id` may be None."""

    longitude: int
    latitude: int
    id: int | None


def parse_table(data: bytes, limits: Limits) -> Table:
    """The table of a CSV file, every field exactly as written; FileRefused when it is not one."""
    text = decoded(data)
    named = _SEPARATOR_LINE.match(text)
    if named:
        text = text[named.end() :]
    delimiter = named.group(1) if named else _likely_delimiter(text)
    records = list(_records(text, delimiter, limits))
    if not records:
        raise FileRefused("csv_empty")
    header = [name.strip() for name in records[0]]
    if len(header) > limits.properties:
        raise FileRefused("csv_too_many_columns", count=len(header), limit=limits.properties)
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise FileRefused("csv_name_repeated", names=", ".join(repeated)[:200])
    return Table(delimiter, header, records[1:])


def _likely_delimiter(text: str) -> str:
    """The delimiter that finds coordinate columns in the header, else the one with the most columns."""
    first_line = text[:10_000].split("\n", 1)[0]

    def fitness(delimiter: str) -> tuple[bool, int]:
        names = [name.strip().strip('"').lower() for name in first_line.split(delimiter)]
        located = bool({*names} & {*_LONGITUDE}) and bool({*names} & {*_LATITUDE})
        return located, len(names)

    return max(_DELIMITERS, key=fitness)


def _records(text: str, delimiter: str, limits: Limits) -> Iterator[list[str]]:
    csv.field_size_limit(limits.text_chars)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for count, record in enumerate((record for record in reader if record), start=0):
            if count > limits.features:
                raise FileRefused("too_many_features", count=count, limit=limits.features)
            yield record
    except csv.Error as error:
        if "field larger" in str(error):
            raise FileRefused("csv_field_too_long", line=reader.line_num, limit=limits.text_chars) from error
        raise FileRefused("csv_broken", line=reader.line_num) from error


def coordinate_columns(table: Table, longitude: str | None, latitude: str | None, id_: str | None) -> Columns:
    """Which columns hold the coordinates: those named by the caller, else the usual names.

    FileRefused with the names that were found when there are none.
    """
    lower = [name.lower() for name in table.header]

    def position(wanted: str | None, usual: tuple[str, ...]) -> int | None:
        if wanted is not None:
            return table.header.index(wanted) if wanted in table.header else None
        return next((lower.index(name) for name in usual if name in lower), None)

    x, y = position(longitude, _LONGITUDE), position(latitude, _LATITUDE)
    if x is None or y is None:
        raise FileRefused("csv_no_coordinates", names=", ".join(table.header)[:200])
    return Columns(x, y, position(id_, _ID))


def coordinates(record: list[str], columns: Columns, table: Table) -> tuple[float, float]:
    """Longitude and latitude (or x and y) of one record; a decimal comma is understood."""
    x = _number(record[columns.longitude], table.header[columns.longitude])
    y = _number(record[columns.latitude], table.header[columns.latitude])
    return x, y


def _number(text: str, column: str) -> float:
    text = text.strip()
    if not text:
        raise FeatureRefused("csv_coordinate_empty", column)
    if not _NUMBER.fullmatch(text):
        raise FeatureRefused("csv_coordinate_not_number", column, value=text[:60])
    number = float(text.replace(",", "."))
    if abs(number) > 1e9:
        raise FeatureRefused("coordinate_absurd", column)
    return number


def checked_record(record: list[str], table: Table) -> list[str]:
    """The record, once it has as many fields as the header (empty ones too many are dropped)."""
    width = len(table.header)
    if len(record) > width and not any(field.strip() for field in record[width:]):
        return record[:width]
    if len(record) != width:
        raise FeatureRefused("csv_field_count", "row", count=len(record), expected=width)
    return record


def properties(record: list[str], columns: Columns, table: Table) -> dict[str, str]:
    """Every other named column as text, exactly as written."""
    taken = {columns.longitude, columns.latitude}
    return {
        name: value
        for position, (name, value) in enumerate(zip(table.header, record, strict=True))
        if name and position not in taken
    }

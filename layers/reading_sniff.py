"""What a foreign file is, by its first bytes; its name decides nothing but the doubtful case."""

from __future__ import annotations

from layers.reading_report import FileRefused

GEOJSON, GEOPACKAGE, CSV = "GeoJSON", "GeoPackage", "CSV"
_SQLITE = b"SQLite format 3\0"
#: The application id of a GeoPackage in SQLite's header: version 1.2 on, 1.0 and 1.1.
_PACKAGE_IDS = (b"GPKG", b"GP10", b"GP11")
_PACKAGE_ID_OFFSET = 68
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SAMPLE = 4096

#: First bytes of what people send by mistake, or others in disguise, and what to call it.
_REFUSED = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"Rar!", "rar"), (b"II*\x00", "TIFF"), (b"MM\x00*", "TIFF"), (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"), (b"%PDF", "PDF"), (b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"),
    (b"fgb\x03", "FlatGeobuf"), (b"PAR1", "Parquet"), (b"\x89HDF", "HDF5"), (b"CDF", "netCDF"),
    (b"\x00\x00\x27\x0a", "Shapefile"), (b"\xd0\xcf\x11\xe0", "XLS"), (b"AC10", "DWG"),
)  # fmt: skip
_XML = (
    (b"VRTDataset", "VRT"), (b"VRTDataSource", "VRT"), (b"WFS", "WFS"), (b"WMS", "WMS"),
    (b"<kml", "KML"), (b"<gpx", "GPX"), (b"gml", "GML"), (b"<!DOCTYPE html", "HTML"), (b"<html", "HTML"),
)  # fmt: skip


def sniffed_format(data: bytes, json_named: bool) -> str:
    """GEOJSON, GEOPACKAGE or CSV; FileRefused with the name of what it is instead.

    `json_named`: the file's name ends as JSON does; it decides where the first character is neither
    a bracket nor markup.
    """
    if not data.strip():
        raise FileRefused("file_empty")
    if data.startswith(_SQLITE):
        if data[_PACKAGE_ID_OFFSET : _PACKAGE_ID_OFFSET + 4] in _PACKAGE_IDS:
            return GEOPACKAGE
        raise FileRefused("format_refused", format="SQLite")
    for magic, name in _REFUSED:
        if data.startswith(magic):
            raise FileRefused("format_refused", format=name)
    if data.startswith(_BOMS):
        raise FileRefused("not_utf8", position=0)
    sample = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:_SAMPLE]
    if sample.startswith(b"<"):
        name = next((name for sign, name in _XML if sign.lower() in sample.lower()), "XML")
        raise FileRefused("format_refused", format=name)
    if b"\0" in sample:
        raise FileRefused("format_unknown")
    if sample[:1] in (b"{", b"[") or json_named:
        return GEOJSON
    return CSV

"""Foreign files: what is read, what is said about the rest, and that nothing gets out of the child."""

from __future__ import annotations

import io
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layers import gdal_lock
from layers.reading import DEFAULT_LIMITS, ReadResult, read_features
from layers.reading_messages import MESSAGES

ROOT = Path(__file__).resolve().parents[2]
IASI = (27.2, 46.9, 28.1, 47.5)
SQUARE = [[27.58, 47.15], [27.59, 47.15], [27.59, 47.16], [27.58, 47.16], [27.58, 47.15]]


def collection(*geometries: object, **members: object) -> bytes:
    """A FeatureCollection of geometries, as bytes."""
    features = [{"type": "Feature", "properties": {"n": n}, "geometry": g} for n, g in enumerate(geometries)]
    return json.dumps({"type": "FeatureCollection", **members, "features": features}).encode()


def point(x: object, y: object) -> dict:
    return {"type": "Point", "coordinates": [x, y]}


def polygon(*rings: list) -> dict:
    return {"type": "Polygon", "coordinates": list(rings)}


def codes(result: ReadResult, outcome: str | None = None) -> list[str]:
    return [issue.code for issue in result.issues if outcome in (None, issue.outcome)]


def only_code(data: bytes, **options: object) -> str:
    """The one fault for which a file is refused whole."""
    result = read_features(data, **options)
    assert result.refused and result.features == []
    assert [issue.row for issue in result.issues] == [None]
    return result.issues[0].code


# ---- what is read


def test_features_come_with_id_properties_and_geometry() -> None:
    data = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": "a",
                "properties": {"nume": "Iași", "n": 1},
                "geometry": polygon(SQUARE),
            },
            {"type": "Feature", "id": 7, "properties": None, "geometry": point(27.6, 47.1)},
        ],
    }
    result = read_features(json.dumps(data).encode())
    assert result.issues == [] and result.crs == "OGC:CRS84" and result.format == "GeoJSON"
    first, second = result.features
    assert (first.row, first.feature_id, first.properties) == (1, "a", {"nume": "Iași", "n": 1})
    assert shapely.equals_identical(first.geometry, shapely.Polygon(SQUARE))
    assert (second.row, second.feature_id, second.properties) == (2, "7", {})


def test_every_fault_is_told_at_once() -> None:
    result = read_features(
        collection(point("27", 47), point(27, 47), None, polygon(SQUARE[:4]), {"type": "Foo"}, point(270, 99))
    )
    assert [(i.row, i.code, i.outcome) for i in result.issues] == [
        (1, "position_not_numbers", "refused"),
        (3, "geometry_missing", "refused"),
        (4, "ring_closed", "repaired"),
        (5, "geometry_type_unknown", "refused"),
        (6, "out_of_range", "refused"),
    ]
    assert [f.row for f in result.features] == [2, 4]
    assert result.refused_rows == {1, 3, 5, 6}


def test_two_faults_of_one_feature_are_both_told() -> None:
    data = json.dumps({"type": "Feature", "properties": [1], "geometry": point(27, "x")}).encode()
    assert codes(read_features(data)) == ["properties_not_object", "position_not_numbers"]


def test_sentences_are_filled_in() -> None:
    result = read_features(collection(None, {"type": "Foo"}, point(690000, 630000)))
    for issue in result.issues:
        assert "{" not in issue.message("en") and "{" not in issue.message("ro")


@pytest.mark.parametrize(
    "name",
    ["urn:ogc:def:crs:EPSG::3844", "EPSG:3844", "urn:ogc:def:crs:EPSG:9.8:3844",
     "http://www.opengis.net/def/crs/EPSG/0/3844"],
)  # fmt: skip
def test_stereo70_by_name(name: str) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    result = read_features(collection(point(694_000, 632_000), crs=crs), bounds=IASI)
    expected = geopandas.GeoSeries([shapely.Point(694_000, 632_000)], crs=3844).to_crs(4326)[0]
    assert result.issues == [] and result.crs == "EPSG:3844"
    assert result.features[0].geometry.distance(expected) < 1e-9


def test_an_older_stereo70_by_name() -> None:
    crs = {"type": "name", "properties": {"name": "EPSG:31700"}}
    result = read_features(collection(point(694_000, 632_000), crs=crs), bounds=IASI)
    assert result.issues == [] and result.crs == "EPSG:31700" and len(result.features) == 1


@pytest.mark.parametrize(
    ("crs", "code"),
    [
        ({"type": "link", "properties": {"href": "http://127.0.0.1:1/x", "type": "proj4"}}, "crs_link"),
        ({"type": "name", "properties": {"href": "http://127.0.0.1:1/x"}}, "crs_link"),
        ({"type": "name", "properties": {"name": "http://127.0.0.1:1/x"}}, "crs_unknown"),
        ({"type": "name", "properties": {"name": "+proj=stere +nadgrids=@/etc/passwd"}}, "crs_unknown"),
        ({"type": "name", "properties": {"name": "EPSG:999999"}}, "crs_unknown"),
        ({"type": "name", "properties": {"name": "EPSG:5703"}}, "crs_unfit"),
        ({"type": "name", "properties": {"name": "EPSG:4978"}}, "crs_unfit"),
        ({"type": "name", "properties": {"name": ["EPSG:3844"]}}, "crs_unknown"),
        (None, "crs_unreadable"),
        ("EPSG:3844", "crs_unreadable"),
    ],
)
def test_a_crs_that_is_not_a_known_name_refuses_the_file(crs: object, code: str) -> None:
    assert only_code(collection(point(1, 1), crs=crs)) == code


def test_the_caller_can_say_the_crs() -> None:
    result = read_features(b"est,nord\n694000,632000\n", crs="EPSG:3844", bounds=IASI)
    assert result.issues == [] and len(result.features) == 1
    with pytest.raises(ValueError, match="EPSG:1"):
        read_features(b"x", crs="EPSG:1")


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        (point(694_000, 632_000), "out_of_range_stereo70"),
        (point(632_000, 694_000), "out_of_range_stereo70"),
        (point(47.16, 127.58), "out_of_range_swapped"),
        (point(1234, 47.16), "out_of_range"),
        (point(47.16, 27.58), "outside_bounds_swapped"),
        (point(19.46, 51.79), "outside_bounds"),
        (polygon([[170, 1], [-170, 1], [-170, 2], [170, 2], [170, 1]]), "crosses_antimeridian"),
    ],
)
def test_a_feature_in_the_wrong_place_is_refused_with_the_likely_reason(geometry: dict, code: str) -> None:
    assert codes(read_features(collection(geometry), bounds=IASI), "refused") == [code]


def test_exchanged_stereo70_axes_are_seen() -> None:
    crs = {"type": "name", "properties": {"name": "EPSG:3844"}}
    data = collection(point(632_000, 694_000), crs=crs)
    assert codes(read_features(data, bounds=IASI)) == ["outside_bounds_swapped"]


def test_what_lies_partly_outside_is_kept_and_told() -> None:
    data = collection({"type": "LineString", "coordinates": [[27.58, 47.16], [29, 47.16]]})
    result = read_features(data, bounds=IASI)
    assert codes(result) == ["partly_outside_bounds"] and len(result.features) == 1


def test_the_kind_of_geometry_can_be_asked_for() -> None:
    result = read_features(collection(point(27, 47), polygon(SQUARE)), kind="MultiPolygon")
    assert codes(result) == ["wrong_kind"] and result.features[0].geometry.geom_type == "Polygon"
    with pytest.raises(ValueError, match="Circle"):
        read_features(b"x", kind="Circle")


# ---- repairs


def test_a_clockwise_outline_is_turned() -> None:
    result = read_features(collection(polygon(SQUARE[::-1])))
    assert codes(result, "repaired") == ["winding"]
    assert result.features[0].geometry.exterior.is_ccw


def test_a_crossing_outline_is_repaired_in_its_dimension() -> None:
    ring = [[27, 47], [28, 47], [28, 48], [27.5, 46.99], [27, 48], [27, 47]]
    result = read_features(collection(polygon(ring)))
    assert codes(result) == ["polygon_repaired"]
    geometry = result.features[0].geometry
    assert geometry.is_valid and geometry.geom_type in ("Polygon", "MultiPolygon")
    assert result.issues[0].facts["percent"] > 0


def test_a_spike_is_cut_off_and_leaves_a_polygon() -> None:
    spiked = [[27, 47], [28, 47], [28, 48], [29, 49], [28, 48], [27, 48], [27, 47]]
    result = read_features(collection(polygon(spiked)))
    assert codes(result) == ["polygon_repaired"]
    assert result.features[0].geometry.equals(shapely.box(27, 47, 28, 48))


def test_a_hole_that_reaches_outside_is_cut_out() -> None:
    shell = [[27, 47], [28, 47], [28, 48], [27, 48], [27, 47]]
    hole = [[27.5, 47.5], [27.5, 47.6], [28.1, 47.6], [28.1, 47.5], [27.5, 47.5]]
    result = read_features(collection(polygon(shell, hole)))
    assert codes(result) == ["polygon_repaired"]
    assert result.features[0].geometry.area == pytest.approx(0.95)


@pytest.mark.parametrize(("shift", "area"), [(0.5, 1.5), (0, 1)])
def test_parts_that_overlap_are_joined(shift: float, area: float) -> None:
    parts = [list(shapely.box(x, 47, x + 1, 48).exterior.coords) for x in (27, 27 + shift)]
    result = read_features(collection({"type": "MultiPolygon", "coordinates": [[part] for part in parts]}))
    assert codes(result, "repaired") == ["parts_merged"]
    assert result.features[0].geometry.area == pytest.approx(area)


def test_a_figure_of_eight_is_refused() -> None:
    eight = [[27, 47], [28, 48], [28, 47], [27, 48], [27, 47]]
    assert codes(read_features(collection(polygon(eight))), "refused") == ["polygon_ambiguous"]


def test_an_outline_without_area_is_refused() -> None:
    flat = [[27, 47], [28, 47], [27.5, 47], [27, 47]]
    assert codes(read_features(collection(polygon(flat))), "refused") == ["polygon_collapses"]


def test_heights_are_left_out() -> None:
    result = read_features(collection({"type": "Point", "coordinates": [27, 47, 90]}))
    assert codes(result, "warned") == ["z_dropped"] and not result.features[0].geometry.has_z


@pytest.mark.parametrize(
    ("parts", "kind", "outcome"),
    [
        ([point(27, 47)], "Point", "warned"),
        ([point(27, 47), point(27.1, 47)], "MultiPoint", "repaired"),
        (
            [point(27, 47), {"type": "GeometryCollection", "geometries": [point(28, 47)]}],
            "MultiPoint",
            "repaired",
        ),
        ([polygon(SQUARE), point(27, 47)], None, "refused"),
        ([], None, "refused"),
    ],
)
def test_collections_become_one_kind_or_are_refused(parts: list, kind: str | None, outcome: str) -> None:
    result = read_features(collection({"type": "GeometryCollection", "geometries": parts}))
    assert [i.outcome for i in result.issues] == [outcome]
    assert [f.geometry.geom_type for f in result.features] == ([kind] if kind else [])


def test_a_multi_geometry_of_one_part_is_kept() -> None:
    result = read_features(collection({"type": "MultiPoint", "coordinates": [[27, 47]]}))
    assert result.issues == [] and result.features[0].geometry.geom_type == "MultiPoint"


def test_cosmetic_repairs_are_told_once_for_all_rows() -> None:
    result = read_features(collection(*[polygon(SQUARE[::-1])] * 20))
    assert len(result.issues) == 1
    assert result.issues[0].facts == {"count": 20, "rows": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 …"}


def test_beyond_the_cap_of_a_kind_the_rest_is_counted() -> None:
    limits = replace(DEFAULT_LIMITS, issues_per_kind=3)
    for data in (collection(*[None] * 10), collection(*[point(1, 91)] * 10)):
        result = read_features(data, limits=limits)
        assert len(result.issues) == 4
        assert result.issues[-1].code == "more_of_kind" and result.issues[-1].facts["count"] == 7


def test_repeated_ids_are_told() -> None:
    features = [{"type": "Feature", "id": "a", "properties": {}, "geometry": point(27, 47)}] * 2
    result = read_features(json.dumps({"type": "FeatureCollection", "features": features}).encode())
    assert [(i.row, i.code, i.facts) for i in result.issues] == [(2, "id_repeated", {"first": 1})]


# ---- properties


def test_naughty_strings_are_kept_exactly(shared_data: Path) -> None:
    strings = json.loads((shared_data / "bad_input" / "strings" / "blns.json").read_text("utf-8"))
    assert len(strings) == 485
    features = [
        {"type": "Feature", "properties": {"s": s, s[:200] or "empty": 1}, "geometry": point(27, 47)}
        for s in strings
    ]
    result = read_features(json.dumps({"type": "FeatureCollection", "features": features}).encode())
    assert [f.properties["s"] for f in result.features] == strings
    assert result.issues == []


def test_nul_and_lone_surrogates_are_removed_and_told() -> None:
    data = b'{"type":"Feature","properties":{"a":"x\\u0000y","b":"\\ud800"},"geometry":{"type":"Point",'
    result = read_features(data + b'"coordinates":[27,47]}}')
    assert result.features[0].properties == {"a": "xy", "b": "\N{REPLACEMENT CHARACTER}"}
    assert [(i.code, i.field) for i in result.issues] == [("nul_removed", "a"), ("surrogate_replaced", "b")]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ('{"a":1,"a":2}', "name_repeated"),
        ('{"a":{"b":1,"b":2}}', "name_repeated"),
        ('{"a":1e999}', "number_not_finite"),
        (json.dumps({"a": "x" * 100_001}), "text_too_long"),
        (json.dumps({"x" * 201: 1}), "name_too_long"),
        (json.dumps({f"a{n}": 1 for n in range(501)}), "too_many_properties"),
    ],
)
def test_properties_at_fault_refuse_their_feature(properties: str, code: str) -> None:
    geometry = json.dumps(point(27, 47))
    data = f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'
    result = read_features(data.encode())
    assert codes(result, "refused") == [code] and result.features == [] and not result.refused


# ---- CSV


@pytest.mark.parametrize(
    "text",
    [
        "titlu,lon,lat\nPod „nou”,27.58,47.16\n",
        "titlu;lon;lat\r\nPod „nou”;27,58;47,16\r\n",
        "titlu\tLongitudine\tLatitudine\nPod „nou”\t27,58\t47.16",
        'lat,lon,titlu\n"47,16","27,58",Pod „nou”\n',
        "\ufeffsep=;\r\ntitlu;lon;lat\r\nPod „nou”;27,58;47,16\r\n".replace("sep=;\r\n", ""),
        "sep=;\r\ntitlu;lon;lat\r\nPod „nou”;27,58;47,16\r\n",
        "titlu;lon;lat;;\nPod „nou”;27,58;47,16;;\n",
    ],
)
def test_csv_as_spreadsheets_write_it(text: str) -> None:
    result = read_features(text.encode())
    assert result.issues == [] and result.format == "CSV"
    assert result.features[0].geometry.equals(shapely.Point(27.58, 47.16))
    assert result.features[0].properties == {"titlu": "Pod „nou”"}


def test_csv_rows_at_fault() -> None:
    text = "id,lon,lat\na,27,47\nb,,47\nc,x,47\nd,27\ne,27,47,more\n\nf,47.16,97\ng,28,47\n"
    result = read_features(text.encode())
    assert [f.feature_id for f in result.features] == ["a", "g"]
    assert [(i.row, i.field, i.code) for i in result.issues] == [
        (2, "lon", "csv_coordinate_empty"),
        (3, "lon", "csv_coordinate_not_number"),
        (4, "row", "csv_field_count"),
        (5, "row", "csv_field_count"),
        (6, "geometry", "out_of_range_swapped"),
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a,b\n1,2\n", "csv_no_coordinates"),
        (b"x,y\n1,2\n", "csv_no_coordinates"),
        (b"lon,lat,a,a\n1,2,3,4\n", "csv_name_repeated"),
        (b'lon,lat\n"27"x,47\n', "csv_broken"),
        (b'lon,lat\n"27,47\n', "csv_broken"),
        ("lon,lat,oraş\n27,47,Iaşi".encode("cp1250"), "not_utf8"),
        ("lon,lat\n27,47".encode("utf-16"), "not_utf8"),
        (b"lon,lat," + b",".join(b"a%d" % n for n in range(600)), "csv_too_many_columns"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(data: bytes, code: str) -> None:
    assert only_code(data) == code


def test_columns_can_be_named() -> None:
    result = read_features(b"x,y,cod\n27,47,a\n", longitude="x", latitude="y", id_field="cod")
    assert result.features[0].feature_id == "a" and result.features[0].geometry.x == 27


# ---- GeoPackage


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = geopandas.GeoDataFrame(
        {
            "name": ["Iași", None],
            "n": [1, 2],
            "f": [1.5, np.nan],
            "ok": [True, False],
            "geometry": [shapely.Point(694_000, 632_000), shapely.Point(695_000, 633_000)],
        },
        crs=3844,
    )
    path = tmp_path_factory.mktemp("gpkg") / "puncte.gpkg"
    frame.to_file(path, layer="puncte")
    return path


def test_a_geopackage_in_stereo70(package: Path) -> None:
    result = read_features(package, bounds=IASI)
    assert result.issues == [] and (result.format, result.crs) == ("GeoPackage", "EPSG:3844")
    assert [f.feature_id for f in result.features] == ["1", "2"]
    assert result.features[0].properties == {"name": "Iași", "n": 1, "f": 1.5, "ok": True}
    assert result.features[1].properties == {"name": None, "n": 2, "f": None, "ok": False}
    expected = geopandas.read_file(package).to_crs(4326).geometry
    assert all(
        f.geometry.distance(g) < 1e-9 for f, g in zip(result.features, expected, strict=True)
    )


def test_the_name_of_a_geopackage_does_not_matter(package: Path, tmp_path: Path) -> None:
    disguised = tmp_path / "puncte.geojson"
    disguised.write_bytes(package.read_bytes())
    assert len(read_features(disguised).features) == 2


def test_several_layers_have_to_be_chosen_from(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.gpkg"
    path.write_bytes(package.read_bytes())
    geopandas.read_file(package).head(1).to_file(path, layer="altele")
    refused = read_features(path)
    assert codes(refused) == ["gpkg_which_layer"]
    assert set(refused.issues[0].facts["names"].split(", ")) == {"puncte", "altele"}
    assert len(read_features(path, layer="altele").features) == 1
    assert codes(read_features(path, layer="none")) == ["gpkg_which_layer"]


def test_a_geopackage_without_crs_needs_one_from_the_caller(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.gpkg"
    path.write_bytes(package.read_bytes())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE gpkg_contents SET srs_id = -1")
        database.execute("UPDATE gpkg_geometry_columns SET srs_id = -1")
    assert codes(read_features(path)) == ["crs_missing"]
    assert len(read_features(path, crs="EPSG:3844").features) == 2


def test_a_broken_geopackage_is_refused(package: Path) -> None:
    data = package.read_bytes()
    assert only_code(data[:5000]) in ("unreadable", "gpkg_no_layer")
    assert only_code(data[:100] + b"\xff" * (len(data) - 100)) in ("unreadable", "gpkg_no_layer")


def test_a_database_that_is_no_geopackage_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.gpkg") as database:
        database.execute("CREATE TABLE t (a)")
    assert only_code((tmp_path / "x.gpkg").read_bytes()) == "format_refused"


# ---- hostile files


@pytest.fixture
def listener() -> Iterator[tuple[str, list]]:
    """An address on loopback, and the connections that were made to it."""
    connections: list = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                connections.append(connection.recv(100))
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", connections
        stop.set()
        thread.join()


HOSTILE = {
    "vrt.geojson": "<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>/vsicurl/http://{at}/a.csv"
    "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
    "raster.tif": "<VRTDataset rasterXSize='1' rasterYSize='1'><VRTRasterBand><SimpleSource>"
    "<SourceFilename>/vsicurl/http://{at}/a</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
    "wfs.xml": "<OGRWFSDataSource><URL>http://{at}/wfs</URL></OGRWFSDataSource>",
    "wfs.geojson": "<?xml version='1.0'?><WFS_Capabilities><Get onlineResource='http://{at}/'/>"
    "</WFS_Capabilities>",
    "wms.gpkg": "<GDAL_WMS><Service name='WMS'><ServerUrl>http://{at}/?</ServerUrl></Service></GDAL_WMS>",
    "entity.gml": "<!DOCTYPE x [<!ENTITY e SYSTEM 'http://{at}/e'>]><x>&e;</x>",
    "crs_link.geojson": '{"type":"FeatureCollection","crs":{"type":"link","properties":{"href":'
    '"http://{at}/crs","type":"ogcwkt"}},"features":[]}',
    "crs_url.geojson": '{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":'
    '"http://{at}/def/crs/EPSG/0/3844"}},"features":[]}',
    "esri.json": '{"geometryType":"esriGeometryPoint","exceededTransferLimit":true,"features":[],'
    '"url":"http://{at}/"}',
    "vsicurl.csv": "/vsicurl/http://{at}/a.csv",
    "oapif.json": '{"links":[{"rel":"data","href":"http://{at}/collections"}],"type":"oapif"}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_disguised_files_are_refused_and_connect_nowhere(
    name: str, tmp_path: Path, listener: tuple[str, list]
) -> None:
    address, connections = listener
    path = tmp_path / name
    path.write_text(HOSTILE[name].replace("{at}", address))
    result = read_features(path)
    assert result.refused and result.features == []
    assert "unreadable" not in codes(result)
    assert connections == []


def test_a_hostile_view_in_a_geopackage_connects_nowhere(
    package: Path, tmp_path: Path, listener: tuple[str, list]
) -> None:
    address, connections = listener
    path = tmp_path / "view.gpkg"
    path.write_bytes(package.read_bytes())
    with sqlite3.connect(path) as database:
        database.execute(
            f"""CREATE VIEW v AS SELECT fid, geom,
                ogr_geocode('http://{address}/') AS a, load_extension('http://{address}/') AS b,
                readfile('/etc/hostname') AS c FROM puncte"""
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)"
            " VALUES ('v', 'features', 'v', 3844)"
        )
        database.execute("INSERT INTO gpkg_geometry_columns VALUES ('v', 'geom', 'POINT', 3844, 0, 0)")
    result = read_features(path, layer="v")
    assert all(f.properties.get(name) is None for f in result.features for name in "abc")
    assert connections == []


def zip_of_megabytes(count: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("doc.kml", b"0" * (count * 1_000_000))
    return packed.getvalue()


def many_vertices(count: int) -> bytes:
    return b'{"type":"MultiPoint","coordinates":[' + b"[0,0]," * (count - 1) + b"[0,0]]}"


#: What is built only when its test runs, and the code it is refused with.
EXCESS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip bomb": (lambda: zip_of_megabytes(50), "format_refused"),
    "TIFF": (lambda: b"II*\0" + b"\0" * 100, "format_refused"),
    "10 million vertices": (lambda: many_vertices(10_000_000), "file_too_large"),
    "a vertex too many": (lambda: many_vertices(2_000_001), "too_many_vertices"),
    "a million brackets": (lambda: b"[" * 1_000_000, "nested_too_deep"),
    "a million objects": (lambda: b'{"a":' * 1_000_000, "nested_too_deep"),
    "brackets in a property": (
        lambda: b'{"type":"Feature","properties":{"a":' + b"[" * 99 + b"]" * 99 + b"},",
        "nested_too_deep",
    ),
    "escaped quotes": (lambda: b'{"a":"' + b'\\"' * 5_000_000, "json_broken"),
    "endless number": (
        lambda: b'{"type":"Point","coordinates":[1' + b"0" * 9999 + b",1]}",
        "number_too_long",
    ),
    "NaN": (lambda: b'{"type":"Point","coordinates":[NaN,1]}', "number_not_json"),
    "Infinity": (lambda: b'{"type":"Point","coordinates":[1,-Infinity]}', "number_not_json"),
    "features": (
        lambda: b'{"type":"FeatureCollection","features":[' + b"1," * 200_001 + b"1]}",
        "too_many_features",
    ),
    "rows": (lambda: b"lon,lat\n" + b"27,47\n" * 200_001, "too_many_features"),
    "field": (lambda: b'lon,lat\n"' + b"27,47\n" * 1_000_000, "csv_field_too_long"),
    "same name twice": (
        lambda: b'{"type":"Point","coordinates":[1,1],"coordinates":[2,2]}',
        "file_name_repeated",
    ),
    "nothing": (lambda: b" \n", "file_empty"),
    "binary": (lambda: b"lon,lat\n\0\0\0", "format_unknown"),
}


@pytest.mark.parametrize("name", EXCESS)
def test_excess_is_refused_with_a_reason(name: str) -> None:
    """Before the time of the child is up: that would be `took_too_long`."""
    build, code = EXCESS[name]
    assert only_code(build()) == code


@pytest.mark.parametrize("coordinates", ["[1e999,1]", "[1e300,1]", "[27,-1e10]"])
def test_gigantic_coordinates_refuse_their_feature(coordinates: str) -> None:
    result = read_features(b'{"type":"Point","coordinates":%s}' % coordinates.encode())
    assert codes(result) == ["coordinate_absurd"] and result.features == []


def test_a_feature_has_a_cap_of_its_own() -> None:
    limits = replace(DEFAULT_LIMITS, feature_vertices=3)
    result = read_features(collection(polygon(SQUARE), point(27, 47)), limits=limits)
    assert codes(result) == ["feature_too_many_vertices"] and len(result.features) == 1


def test_the_child_is_stopped_in_time() -> None:
    tangled = [[27 + i * 7919 % 5003 * 1e-5, 47 + i * 104_729 % 4999 * 1e-5] for i in range(5000)]
    limits = replace(DEFAULT_LIMITS, cpu_seconds=1)
    assert only_code(collection(polygon(tangled)), limits=limits) == "took_too_long"
    limits = replace(DEFAULT_LIMITS, wall_seconds=1)
    assert only_code(collection(polygon(tangled)), limits=limits) == "took_too_long"


def test_the_child_has_bounded_memory() -> None:
    data = b'{"type":"Feature","geometry":null,"properties":{"a":[' + b'{"a":1},' * 2_000_000 + b"{}]}}"
    limits = replace(DEFAULT_LIMITS, memory_bytes=400_000_000)
    assert only_code(data, limits=limits) in ("too_much_memory", "unreadable")


def test_what_comes_back_is_capped() -> None:
    limits = replace(DEFAULT_LIMITS, result_bytes=100)
    assert only_code(collection(point(27, 47)), limits=limits) == "result_too_large"


def test_a_folder_or_a_missing_file_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        read_features(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_features(tmp_path / "none.geojson")


# ---- the locks of the child, tried from the inside


def confined(code: str) -> str:
    """What `code` prints in a process that has put on the child's locks."""
    program = (
        "import os, socket, subprocess, threading\n"
        "from layers.reading_sandbox import confine, seal\n"
        "assert confine(2_000_000_000, 10)\n"
        f"{code}"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the filters are Linux's")


@linux_only
@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "socket.create_connection(('127.0.0.1', 9))",
        "subprocess.run(['/bin/true'])",
        "os.execv('/bin/true', ['true'])",
        "seal(); open('/etc/hostname')",
        "seal(); os.open('/etc/hostname', os.O_RDONLY)",
        "seal(); os.fork()",
        "seal(); os.remove('/nowhere')",
    ],
)
def test_the_child_can_do_nothing_outside(attempt: str) -> None:
    code = f"try:\n    {attempt}\n    print('done')\nexcept PermissionError:\n    print('forbidden')"
    assert confined(code) == "forbidden"


@linux_only
def test_the_child_can_write_no_file(tmp_path: Path) -> None:
    target = tmp_path / "out"
    code = (
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"out = open({str(target)!r}, 'w')\n"
        "try:\n    os.write(out.fileno(), b'x')\nexcept OSError:\n    print('forbidden')"
    )
    assert confined(code) == "forbidden"
    assert target.read_text() == ""


@linux_only
def test_the_child_locks_itself_in_before_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    from layers import reading_child

    order = []
    monkeypatch.setattr(reading_child, "confine", lambda *_: order.append("confine"))
    monkeypatch.setattr(reading_child, "seal", lambda: order.append("seal"))
    monkeypatch.setattr(reading_child.reading_geojson, "parse", lambda *_: order.append("parse") or {})
    monkeypatch.setattr(reading_child.Reader, "_answer", lambda *_: None)

    class Input:
        class buffer:
            @staticmethod
            def read(_: int) -> bytes:
                order.append("read")
                return b"{}"

    options = {
        "limits": vars(DEFAULT_LIMITS), "json_named": True, "layer": None,
        "id_field": None, "longitude": None, "latitude": None,
    }  # fmt: skip
    monkeypatch.setattr(sys, "stdin", Input)
    monkeypatch.setattr(sys, "argv", ["reading_child", json.dumps(options)])
    reading_child.main()
    assert order == ["confine", "read", "seal", "parse"]


def test_the_child_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    from layers import reading

    monkeypatch.setenv("MASTERPLAN_DATABASE_URL", "postgresql://user:secret@host/db")
    environment = reading._child_environment()
    assert "MASTERPLAN_DATABASE_URL" not in environment
    assert environment["GDAL_SKIP"] == gdal_lock.environment(frozenset({"GPKG"}))["GDAL_SKIP"]


def test_every_code_has_words() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "layers").glob("reading*.py"))
    used = set(re.findall(r'(?:Refused|Finding|tally|told)\(\s*"([a-z_0-9]+)"', sources))
    used |= set(re.findall(r'notes\.append\(\("([a-z_0-9]+)"', sources))
    assert len(used) > 60 and used <= set(MESSAGES)


# ---- laws

LONGITUDES = st.floats(-179, 179).map(lambda x: x / 2)
LATITUDES = st.floats(-89, 89)
POSITIONS = st.tuples(LONGITUDES, LATITUDES)


@st.composite
def shapes(draw: st.DrawFn) -> shapely.Geometry:
    """Valid geometries of all six kinds, polygons by the right-hand rule."""
    kind = draw(st.sampled_from(["point", "line", "polygon"]))
    built = []
    for _ in range(draw(st.integers(1, 3))):
        x, y = draw(POSITIONS)
        if kind == "point":
            built.append(shapely.Point(x, y))
            continue
        far = [(x, y), (x + draw(st.floats(0.01, 0.4)), y), (x, y + draw(st.floats(0.01, 0.4)))]
        built.append(shapely.LineString(far) if kind == "line" else shapely.Polygon([*far, far[0]]))
    if len(built) == 1:
        return built[0]
    multi = {"point": shapely.MultiPoint, "line": shapely.MultiLineString, "polygon": shapely.MultiPolygon}
    whole = multi[kind](built)
    return whole if whole.is_valid else built[0]


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
#: Longer names are refused (`name_too_long`), which has a test of its own.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
WRITTEN = st.tuples(shapes(), st.dictionaries(st.sampled_from("abc"), JSON_VALUES))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WRITTEN, min_size=1, max_size=20))
def test_what_shapely_writes_reads_back_the_same(written: list[tuple[shapely.Geometry, dict]]) -> None:
    features = [
        {"type": "Feature", "properties": properties, "geometry": json.loads(shapely.to_geojson(geometry))}
        for geometry, properties in written
    ]
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    result = read_features(data)
    assert codes(result, "refused") == []
    assert [f.row for f in result.features] == list(range(1, len(written) + 1))
    for feature, (geometry, properties) in zip(result.features, written, strict=True):
        assert feature.properties == properties
        assert feature.geometry.geom_type == geometry.geom_type
        assert shapely.equals_exact(feature.geometry, geometry, 1e-9, normalize=True)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_yield_an_answer_and_twice_the_same(data: bytes) -> None:
    first, second = read_features(data), read_features(data)
    assert first == second
    assert first.features or first.issues

"""`/ogc` against real PostGIS: what it serves, what it refuses, and what its login may do at all."""

from __future__ import annotations

import asyncio
import csv
import io
import math
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from urllib.parse import quote

import psycopg
import pytest
import shapely
from sqlalchemy import create_engine, text
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from layers import ogc_catalogue, store
from layers.catalogue import Attribute, Catalogue, Layer
from layers.ogc import Collections, ogc_app
from masterplan import database
from masterplan.place import place
from masterplan.provision import DANGEROUS_FUNCTIONS, functions_left_open

pytestmark = pytest.mark.database

LAYER = Layer(
    id="ogc_test",
    group="mobility",
    kind="plan",
    geometry="Point",
    name_ro="Stații de probă",
    name_en="Test stops",
    description_ro="Puncte de probă.",
    description_en="Test points.",
    source="test",
    licence="CC0",
    source_date=date(2026, 1, 1),
    indicative=True,
    accuracy_m=5.0,
    attributes=(
        Attribute("mode", "text", "Mijloc", "Mode"),
        Attribute("lines", "integer", "Linii", "Lines"),
        Attribute("width_m", "number", "Lățime", "Width", unit="m"),
        Attribute("in_zone", "boolean", "În zonă", "In zone"),
        Attribute("served", "list", "Deservite", "Served", filterable=False),
    ),
)
COUNT = 30
WEST, SOUTH, STEP = 27.50, 47.10, 0.005


def _point(i: int) -> shapely.Point:
    return shapely.Point(WEST + STEP * (i % 6), SOUTH + STEP * (i // 6))


def _rows(count: int = COUNT) -> list[store.FeatureRow]:
    return [
        store.FeatureRow(
            feature_id=f"p-{i:02d}",
            name_ro=f"Stația {i} <b>=1+1</b>",
            name_en=f"Stop {i}",
            status="existing" if i % 2 else "proposed",
            properties={"mode": "bus" if i % 3 else "tram", "lines": i, "width_m": i / 4, "in_zone": i > 3,
                        "served": ["a", "b"]},
            source="test",
            source_date=date(2026, 1, 1 + i % 28),
            indicative=True,
            geometry=_point(i),
        )
        for i in range(count)
    ]  # fmt: skip


def _load(count: int = COUNT) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "catalogue", lambda: Catalogue((), (LAYER,)))
        with database.owner_transaction() as connection:
            store.load(connection, LAYER, _rows(count), "0" * 64)


_PROPOSAL = text("""
INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme, title,
    description, geom, criteria_set, edition, session)
VALUES (:receipt, gen_random_uuid(), 'observation', :status, 'online', 'citizen', 'mobility', :title, 'x',
    ST_Transform(ST_SetSRID(ST_MakePoint(27.6, 47.15), 4326), 3844), 'ogc', 1, 'secret-session')
RETURNING id
""")


def _load_proposals() -> None:
    with database.owner_transaction() as connection:
        connection.execute(text(
            "INSERT INTO masterplan.criteria_set (version, status, definition, source_toml, sha256)"
            " VALUES ('ogc', 'published', '{}', '', '')"
        ))  # fmt: skip
    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        for status in ("published", "submitted", "hidden"):
            facts = {"receipt": f"T-{status.upper()}", "status": status, "title": f"Title {status}"}
            number = connection.scalar(_PROPOSAL, facts)
            connection.execute(
                text("INSERT INTO masterplan.contact VALUES (:id, 'ana@example.org', '1')"), {"id": number}
            )
    engine.dispose()


def _served(collections: Collections) -> Starlette:
    """The way that app.py mounts it."""

    @asynccontextmanager
    async def lifespan(_: Starlette):
        watching = asyncio.create_task(collections.watch())
        yield
        watching.cancel()
        await collections.stop()

    return Starlette(routes=[Mount("/ogc", app=ogc_app(collections))], lifespan=lifespan)


@contextmanager
def _client(collections: Collections) -> Iterator[TestClient]:
    with TestClient(_served(collections), raise_server_exceptions=False) as client:
        yield client


def _eventually(condition, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not within the time promised"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def collections() -> Collections:
    return Collections()


@pytest.fixture(scope="module")
def client(database_name: str, collections: Collections) -> Iterator[TestClient]:
    _load()
    _load_proposals()
    with _client(collections) as client:
        _eventually(lambda: collections.ready)
        yield client


ITEMS = "/ogc/collections/ogc_test/items"


def _ids(client: TestClient, query: str, address: str = ITEMS) -> list[str]:
    answer = client.get(f"{address}?limit=1000&{query}")
    assert answer.status_code == 200, answer.text
    return sorted(feature["id"] for feature in answer.json()["features"])


def _expected(keep) -> list[str]:
    return sorted(row.feature_id for row in _rows() if keep(row))


# What it serves


def test_one_collection_a_layer_and_the_proposals(client: TestClient) -> None:
    listed = client.get("/ogc/collections").json()
    with database.owner_transaction() as connection:
        layers = set(connection.scalars(text("SELECT id FROM masterplan.layer")))
    assert {each["id"] for each in listed["collections"]} == layers | {"proposals"}
    own = next(each for each in listed["collections"] if each["id"] == "ogc_test")
    assert own["title"] == "Stații de probă"
    brought = next(each for each in listed["collections"] if each["id"] == "proposals")
    assert brought["title"] == "Propuneri și observații publicate"
    assert "planificatorii" in brought["description"] and "the planners published" in brought["description"]
    assert place().disclaimer_ro in brought["description"] and place().disclaimer_en in brought["description"]
    assert own["extent"]["spatial"]["bbox"][0] == pytest.approx(
        [WEST, SOUTH, WEST + 5 * STEP, SOUTH + 4 * STEP], abs=0.001
    )


def test_items_are_the_features_in_degrees(client: TestClient) -> None:
    answer = client.get(f"{ITEMS}?limit=1000")
    assert answer.headers["content-type"] == "application/geo+json"
    content = answer.json()
    assert (content["type"], content["numberMatched"], content["numberReturned"]) == (
        "FeatureCollection", COUNT, COUNT,
    )  # fmt: skip
    for i, feature in enumerate(content["features"]):
        assert feature["type"] == "Feature"
        assert shapely.geometry.shape(feature["geometry"]).distance(_point(i)) < 1e-6
        assert feature["properties"]["lines"] == i
        assert feature["properties"]["in_zone"] is (i > 3)
        assert feature["properties"]["served"] == "a, b"
        assert feature["properties"]["layer_version"] >= 1


def test_every_layer_gives_all_its_features(client: TestClient) -> None:
    with database.owner_transaction() as connection:
        counts = dict(connection.execute(text(
            "SELECT layer_id, count(*) FROM masterplan.current_feature GROUP BY layer_id"
        )).all())  # fmt: skip
    for layer, count in counts.items():
        content = client.get(f"/ogc/collections/{layer}/items?limit=10000").json()
        assert (content["numberMatched"], len(content["features"])) == (count, count)
        assert all(shapely.geometry.shape(f["geometry"]).is_valid for f in content["features"])
        assert client.get(f"/ogc/collections/{layer}/tiles/WebMercatorQuad/8/147/89").status_code == 200


def test_a_single_item_and_a_missing_one(client: TestClient) -> None:
    assert client.get(f"{ITEMS}/p-07").json()["properties"]["name_en"] == "Stop 7"
    assert client.get(f"{ITEMS}/p-99").status_code == 404


def test_pages_neither_repeat_nor_skip(client: TestClient) -> None:
    seen, address = [], f"{ITEMS}?limit=7&sortby=mode"
    while address:
        page = client.get(address.removeprefix("http://testserver")).json()
        seen += [feature["id"] for feature in page["features"]]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert sorted(seen) == _expected(lambda row: True)
    assert len(seen) == COUNT


@pytest.mark.parametrize(
    ("query", "keep"),
    [
        ("status=existing", lambda row: row.status == "existing"),
        ("mode=tram&status=proposed",
         lambda row: (row.properties["mode"], row.status) == ("tram", "proposed")),
        ("lines=12", lambda row: row.properties["lines"] == 12),
        ("in_zone=false", lambda row: not row.properties["in_zone"]),
        ("ids=p-01,p-02", lambda row: row.feature_id in ("p-01", "p-02")),
        ("datetime=2026-01-10T00:00:00Z/..", lambda row: row.source_date >= date(2026, 1, 10)),
        ("filter=lines>20 AND mode='bus'",
         lambda row: row.properties["lines"] > 20 and row.properties["mode"] == "bus"),
        ("filter=lines<3 OR (mode='tram' AND NOT status='existing')",
         lambda row: row.properties["lines"] < 3
             or (row.properties["mode"], row.status) == ("tram", "proposed")),
        ("filter=width_m BETWEEN 1 AND 2.5", lambda row: 1 <= row.properties["width_m"] <= 2.5),
        ("filter=lines IN (1,2,40)", lambda row: row.properties["lines"] in (1, 2)),
        ("filter=name_en LIKE '%1_'", lambda row: row.name_en[-2:-1] == "1"),
        ("filter=CASEI(mode)=CASEI('TRAM')", lambda row: row.properties["mode"] == "tram"),
        ("filter=in_zone=true", lambda row: row.properties["in_zone"]),
        ("filter=status IS NULL", lambda row: False),
        ("filter=name_ro='Stația 3 <b>=1%2B1</b>'", lambda row: row.feature_id == "p-03"),
        ("filter=name_ro='x'' OR 1=1 --'", lambda row: False),
        ("filter=T_AFTER(source_date,DATE('2026-01-20'))", lambda row: row.source_date > date(2026, 1, 20)),
        ("filter=T_AFTER(source_date,TIMESTAMP('2026-01-20T00:00:00Z'))",
         lambda row: row.source_date > date(2026, 1, 20)),
        ("filter=T_EQUALS(source_date,DATE('2026-01-20'))", lambda row: row.source_date == date(2026, 1, 20)),
        ("filter=T_INTERSECTS(source_date,INTERVAL('2026-01-20','2026-01-22'))",
         lambda row: date(2026, 1, 20) <= row.source_date <= date(2026, 1, 22)),
        ("filter=T_DISJOINT(source_date,INTERVAL('2026-01-20','2026-01-22'))",
         lambda row: not date(2026, 1, 20) <= row.source_date <= date(2026, 1, 22)),
        ("filter=T_DURING(source_date,INTERVAL('2026-01-05','..'))",
         lambda row: row.source_date > date(2026, 1, 5)),
        ("filter=T_BEFORE(source_date,TIMESTAMP('2026-01-05T00:00:00Z'))",
         lambda row: row.source_date < date(2026, 1, 5)),
        ('filter-lang=cql2-json&filter={"op":"=","args":[{"property":"mode"},"tram"]}',
         lambda row: row.properties["mode"] == "tram"),
    ],
)  # fmt: skip
def test_filters_select_what_they_say(client: TestClient, query: str, keep) -> None:
    assert _ids(client, query.replace(" ", "%20")) == _expected(keep)


_BOXES = [
    (27.4999, 47.0999, 27.5101, 47.1101),
    (27.5024, 47.1026, 27.5176, 47.1174),
    (-180, -90, 180, 90),
    (-10.0, 47.1026, 60.0, 47.1124),
    (27.5024, -89, 27.5176, 89),
    (100, 10, 110, 20),
    (-75, -40, -70, -35),
]


@pytest.mark.parametrize("box", _BOXES)
@pytest.mark.parametrize("form", ["bbox={}", "filter=S_INTERSECTS(geom,BBOX({}))"])
def test_a_box_holds_exactly_what_lies_in_it(client: TestClient, box, form: str) -> None:
    area = shapely.box(*box)
    inside = _expected(lambda row: area.intersects(row.geometry))
    if not inside and form.startswith("filter"):
        assert client.get(f"{ITEMS}?{form.format(','.join(map(str, box)))}").status_code == 400
        return
    assert _ids(client, form.format(",".join(map(str, box)))) == inside


def test_a_polygon_selects_what_it_holds(client: TestClient) -> None:
    area = shapely.Polygon([(27.499, 47.099), (27.523, 47.099), (27.499, 47.123)])
    inside = _expected(lambda row: area.contains(row.geometry))
    assert 0 < len(inside) < COUNT
    for op in ("S_WITHIN", "S_INTERSECTS"):
        assert _ids(client, f"filter={op}(geom,{area.wkt})") == inside


def test_csv_json_and_the_header(client: TestClient) -> None:
    answer = client.get(f"{ITEMS}?f=csv&limit=1000")
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(answer.text))] == _expected(lambda row: True)
    assert client.get(ITEMS, headers={"accept": "text/csv"}).headers["content-type"].startswith("text/csv")
    assert isinstance(client.get(f"{ITEMS}?f=json").json(), list)


def test_links_lead_back_here(client: TestClient) -> None:
    """Every link that is no template answers, and none points past the mount or at HTML."""
    waiting, seen = ["http://testserver/ogc/"], set()
    while waiting:
        address = waiting.pop()
        if address in seen or "{" in address or not address.startswith("http://testserver"):
            continue
        seen.add(address)
        assert address.startswith("http://testserver/ogc/"), address
        answer = client.get(address.removeprefix("http://testserver"))
        assert answer.status_code == 200, (address, answer.text)
        assert "html" not in answer.headers["content-type"]
        if "json" in answer.headers["content-type"] and "/items/" not in address:
            waiting += [link["href"] for link in _links(answer.json()) if _is_ours(link["href"])]
            assert not [link for link in _links(answer.json()) if "html" in link.get("type", "")]
    assert len(seen) > 10


def _is_ours(address: str) -> bool:
    """Nothing of the other collections, whose addresses are the same."""
    return "/collections/" not in address or "/collections/ogc_test" in address


def _links(node) -> list[dict]:
    if isinstance(node, list):
        return [link for item in node for link in _links(item)]
    if isinstance(node, dict):
        own = [node] if isinstance(node.get("href"), str) else []
        return own + [link for value in node.values() for link in _links(value)]
    return []


def test_the_definition_names_only_what_is_open(client: TestClient) -> None:
    answer = client.get("/ogc/api")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    assert "text/html" not in str(answer.json()["paths"])
    assert "'html'" not in str(answer.json()["paths"])
    assert answer.json()["servers"] == [{"url": "/ogc"}]
    items = answer.json()["paths"]["/collections/{collectionId}/items"]["get"]
    assert {p["name"] for p in items["parameters"]} >= {"limit", "bbox", "filter"}


# Tiles


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one protobuf message: varints and length-delimited ones, which is what MVT has."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 1:
            yield key >> 3, message[at : at + 8]
            at += 8
        else:
            assert key & 7 == 2
            length = varint()
            yield key >> 3, message[at : at + length]
            at += length


def _tile(content: bytes) -> dict[str, tuple[int, set[str]]]:
    """By layer: how many features, and the texts among their values."""
    layers = {}
    for field, layer in _fields(content):
        assert field == 3
        parts = list(_fields(layer))
        name = next(value for number, value in parts if number == 1).decode()
        values = [dict(_fields(value)) for number, value in parts if number == 4]
        texts = {value[1].decode() for value in values if 1 in value}
        layers[name] = (sum(number == 2 for number, _ in parts), texts)
    return layers


TILE = "/ogc/collections/ogc_test/tiles/WebMercatorQuad"


def _address(lon: float, lat: float, z: int) -> tuple[int, int]:
    x = int((lon + 180) / 360 * 2**z)
    y = int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**z)
    return x, y


@pytest.mark.parametrize("z", [0, 1, 2, 4, 5, 6, 7, 9, 11])
def test_a_tile_at_every_zoom_holds_all(client: TestClient, z: int) -> None:
    x, y = _address(WEST + 0.01, SOUTH + 0.01, z)
    answer = client.get(f"{TILE}/{z}/{x}/{y}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    count, texts = _tile(answer.content)["default"]
    assert count == COUNT
    assert "p-07" in texts


@pytest.mark.parametrize("address", ["3/0/0", "9/0/511", "14/16383/0", "22/0/0", "8/200/100"])
def test_tiles_far_away_are_empty(client: TestClient, address: str) -> None:
    answer = client.get(f"{TILE}/{address}")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_tile_takes_the_same_filter(client: TestClient) -> None:
    x, y = _address(WEST + 0.01, SOUTH + 0.01, 9)
    content = client.get(f"{TILE}/9/{x}/{y}?filter=lines>20&properties=id").content
    count, texts = _tile(content)["default"]
    assert (count, len(texts)) == (9, 9)


def test_a_tile_that_is_too_full_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ogc_catalogue, "MAX_FEATURES_PER_TILE", COUNT - 1)
    answer = client.get(f"{TILE}/0/0/0")
    assert answer.status_code == 400
    assert "none is left out" in answer.json()["detail"]
    monkeypatch.setattr(ogc_catalogue, "MAX_FEATURES_PER_TILE", COUNT)
    assert _tile(client.get(f"{TILE}/0/0/0").content)["default"][0] == COUNT


@pytest.mark.parametrize("address", ["1/2/0", "1/0/2", "23/0/0", "-1/0/0", "a/0/0", "0/0/0.5", "0/0"])
def test_there_are_no_other_tiles(client: TestClient, address: str) -> None:
    assert client.get(f"{TILE}/{address}").status_code == 404


def test_an_unchanged_layer_is_not_sent_again(client: TestClient) -> None:
    for address in (f"{TILE}/0/0/0", f"{ITEMS}?limit=5"):
        first = client.get(address)
        again = client.get(address, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(f"{address}{'&' if '?' in address else '?'}status=existing").headers["etag"] != (
            first.headers["etag"]
        )
    assert "etag" not in client.get("/ogc/collections/proposals/items").headers


# What it keeps to itself


def test_proposals_are_the_public_ones_without_who_sent_them(client: TestClient) -> None:
    content = client.get("/ogc/collections/proposals/items?limit=1000")
    found = [f for f in content.json()["features"] if f["id"].startswith("T-")]
    assert [feature["id"] for feature in found] == ["T-PUBLISHED"]
    for private in ("example.org", "secret-session", "T-SUBMITTED", "T-HIDDEN", "submission_key", "email"):
        assert private not in content.text
    assert client.get("/ogc/collections/proposals/items/T-HIDDEN").status_code == 404
    assert not {"session", "email", "submission_key", "contact"} & set(
        client.get("/ogc/collections/proposals/queryables").json()["properties"]
    )


def test_headers_of_every_answer(client: TestClient) -> None:
    for address in ("/ogc/", ITEMS, f"{TILE}/0/0/0", f"{ITEMS}?x=1", "/ogc/nothing", f"{ITEMS}/p-99"):
        answer = client.get(address, headers={"cookie": "a=b", "origin": "https://elsewhere.example"})
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("address", [
    "/ogc/", "/ogc/conformance", "/ogc/collections", "/ogc/collections/ogc_test",
    "/ogc/collections/ogc_test/queryables", ITEMS, f"{ITEMS}/p-01",
    "/ogc/collections/ogc_test/tiles", TILE, "/ogc/tileMatrixSets",
])  # fmt: skip
def test_html_is_never_sent(client: TestClient, address: str) -> None:
    wish = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=broken"}
    assert "json" in client.get(address, headers=wish).headers["content-type"]
    assert client.get(f"{address}?f=html").status_code == 400


@pytest.mark.parametrize("address", [
    "/docs", "/redoc", "/api.html", "/openapi.json", "/healthz", "/rawcatalog", "/refresh", "/static/x",
    "/collections/ogc_test/tiles/WebMercatorQuad/map.html", "/collections/ogc_test/viewer",
    "/collections/ogc_test/tiles/WorldCRS84Quad/0/0/0", "/tileMatrixSets/WGS1984Quad",
    "/collections/masterplan.contact/items", "/collections/pg_catalog.pg_authid/items",
    "/collections/api.nothing", "/collections/public.spatial_ref_sys/items", "/collections/contact",
    "/collections/pg_temp.tipg_catalog/items", "/collections/ogc_test/items/a/b", "//collections",
    "/collections/", "/collections/ogc_test%00/items", "/collections/ogc_test/items/p-01%00",
])  # fmt: skip
def test_there_is_nothing_else(client: TestClient, address: str) -> None:
    answer = client.get(f"/ogc{address}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    assert client.request(method, ITEMS).status_code == 405


def test_preflight_and_head(client: TestClient) -> None:
    asking = {"origin": "https://q.example", "access-control-request-method": "GET"}
    answer = client.options(ITEMS, headers=asking)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    head = client.head(ITEMS)
    assert (head.status_code, head.content) == (200, b"")


_REFUSED = [
    "limit=0", "limit=-1", "limit=10001", "limit=1e3", "limit=١", "limit=", "limit=5&limit=6",
    "offset=-1", "offset=99999999999", "offset=1;select", "bbox=1,2,3", "bbox=1,2,3,4,5,6", "bbox=a,b,c,d",
    "bbox=nan,0,1,1", "bbox=inf,0,1,1", "bbox=10,0,5,1", "bbox=0,0,181,1", "bbox=", "bbox=0,0,1,1) or true--",
    "bbox-crs=http://www.opengis.net/def/crs/EPSG/0/3844", "crs=3844", "bbox-only=1", "simplify=nan",
    "simplify=-1", "simplify=5", "simplify=0.1);--", "datetime=2026", "datetime=../..", "datetime=yesterday",
    "datetime=2026-01-01T00:00:00Z'--", "datetime=2026-02-30T00:00:00Z", "datetime=a/b/c",
    "datetime=2026-02-01T00:00:00Z/2026-01-01T00:00:00Z", "ids=", "ids=a,,b", "ids=a%00",
    "ids=" + "a," * 300 + "a",
    "properties=contact", "properties=geom", "properties=id,(select 1)", "properties=*",
    "sortby=(select pg_sleep(5))", "sortby=geom", "sortby=id desc", "sortby=1", "sortby=-", "sortby=",
    "sortby=id,id;drop", "x=1", "LIMIT=5", "Filter=1=1", "geom-column=geom", "datetime-column=created_at",
    "type=Function", "token=1", "f=html", "f=geojsonseq", "f=ndjson", "f=GeoJSON", "f=", "filter-lang=sql",
    "lines=many", "lines=1)or(1=1", "lines=1e30", "in_zone=yes", "served=a",
    "source=test", "status=a%00b", "name_ro=%0a", "filter_lang=cql2-text", "a" * 9000,
    *(f"filter={quote(hostile)}" for hostile in (
        "", "true", "1=1", "'a'='a'", "mode", "pg_sleep(5)", "mode=pg_sleep(5)", "pg_sleep(5) IS NULL",
        "query_to_xml('select * from masterplan.contact',true,true,'')='x'",
        "set_config('statement_timeout','0',false)='0'", "mode=current_user", "current_setting('x')='y'",
        "casei(pg_sleep(5))='x'", "casei(casei(mode))='x'", "mode=casei(version())", "lower(mode)='x'",
        "accenti(mode)='x'", "lines+1=2", "lines=1+1", "lines=lines", "lines='1'", "mode=1", "mode=true",
        "in_zone='true'", "contact='x'", "email='x'", "geom='x'", "geom IS NULL AND pg_sleep(1)",
        "a_contains(mode,('a'))", "s_dwithin(geom,POINT(1 2),5)", "s_intersects(geom,geom)",
        "s_intersects(geom,ST_Buffer(geom,1e9))", "s_intersects(mode,POINT(27 47))",
        "s_intersects(geom,POINT(2700 47))", "s_intersects(geom,POINT(-170 -80))",
        "s_intersects(geom,POLYGON((27 47,28 48,28 47,27 48,27 47)))", "s_intersects(geom,BBOX(28,47,27,48))",
        "mode LIKE 'a\\'", "mode LIKE pg_sleep(5)", "lines LIKE '1'", "mode IN ()", "mode IN (pg_sleep(5))",
        "mode IN (mode)", "lines BETWEEN 1 AND lines", "t_after(mode,DATE('2026-01-01'))",
        "t_after(source_date,DATE('x'))", "t_after(source_date,TIMESTAMP('2026-01-01T00:00:00Z'') --'))",
        "t_during(source_date,INTERVAL('..','..'))", "mode='a';select 1", "mode='a'--",
        "mode='a'/**/or/**/1=1", "mode=$1", "mode='unclosed", 'mode="unclosed', "(" * 25 + "mode='a'",
        "(" * 12 + "mode='a'" + ")" * 12,
        "not " * 60 + "mode='a'", "mode='" + "a" * 10_000 + "'", "ｐｇ_sleep(5)", "mode=ｐｇ_ｓｌｅｅｐ(5)",
        "mode\u200b='a'", "mode = ʼ or 1=1", "lines=1e400", "lines=-1e400", "mode='a\x00'", "mode='\x1b'",
        "cast(lines as text)='1'", "lines::text='1'", "exists(select 1)", "(select 1)=1",
        "mode=(select email from masterplan.contact)", "lines ^ 2 = 4", "lines div 2 = 1", "-lines=1",
        " or ".join(["lines=1"] * 300),
        '{"op":"pg_sleep","args":[5]}', '{"op":"=","args":[{"op":"pg_sleep","args":[5]},1]}', "{", "[]", "{}",
        '{"op":"=","args":[{"property":"mode\\" or 1=1 --"},"a"]}',
        '{"op":"=","args":[{"property":"mode"},null]}',
        '{"op":"=","args":[{"property":"mode"},{"timestamp":"x"}]}', '{"op":["="],"args":[]}',
        '{"op":"=","args":[{"property":"lines"},NaN]}', '{"op":"=","args":[{"property":"lines"},1e999]}',
        '{"op":"=","args":[{"property":"mode"},"a\\u0000"]}',
        '{"op":"=","args":[{"property":"mode"},"\\ud800"]}',
        '{"op":"=","args":[{"property":"mode","x":1},"a"]}', '{"op":"and","args":[]}',
        '{"op":"not","args":[' * 40 + '{"op":"=","args":[{"property":"mode"},"a"]}' + "]}" * 40,
        '{"op":"s_intersects","args":[{"property":"geom"},{"type":["Point"],"coordinates":[1,2]}]}',
        '{"op":"s_intersects","args":[{"property":"geom"},{"type":"Point","coordinates":[[]]}]}',
        '{"op":"s_intersects","args":[{"property":"geom"},{"type":"Polygon","coordinates":[[[27,47],[28,47]]]}]}',
        '{"op":"s_intersects","args":[{"property":"geom"},{"type":"Point","coordinates":[27,47],"crs":"x"}]}',
        "[" * 900,
    )),
]  # fmt: skip


@pytest.mark.parametrize("query", _REFUSED)
def test_what_is_not_allowed_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"{ITEMS}?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["detail"]
    for leak in ("postgres", "asyncpg", "ERROR", "SELECT", "Traceback", "masterplan."):
        assert leak not in answer.text.replace(quote(query), "")


@pytest.mark.parametrize("parameter", ["limit=5", "sortby=id", "bbox-only=true", "simplify=0.1", "offset=1"])
def test_a_tile_takes_no_parameter_that_would_leave_something_out(client: TestClient, parameter: str) -> None:
    answer = client.get(f"{TILE}/0/0/0?{parameter}")
    assert answer.status_code == 400
    assert "Allowed here: bbox" in answer.json()["detail"]


# The database underneath


@contextmanager
def _as_ogc() -> Iterator[psycopg.Connection]:
    url = database.ogc_url().set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def reader(client: TestClient) -> Iterator[psycopg.Connection]:
    """The login of `/ogc`, without the guard in front of it."""
    with _as_ogc() as connection:
        yield connection


def test_the_login_reads_the_public_views(reader: psycopg.Connection) -> None:
    assert reader.execute("SELECT count(*) FROM api.ogc_test").fetchone() == (COUNT,)
    assert reader.execute("SELECT id FROM api.proposals WHERE id LIKE 'T-%'").fetchall() == [("T-PUBLISHED",)]


def test_the_login_reads_no_table(reader: psycopg.Connection, client: TestClient) -> None:
    with database.owner_transaction() as connection:
        tables = list(connection.scalars(text(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'masterplan'"
        )))  # fmt: skip
    assert len(tables) >= 10
    for table in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(f"SELECT * FROM {table} LIMIT 1")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT rolpassword FROM pg_authid")


@pytest.mark.parametrize("statement", [
    "CREATE TEMPORARY TABLE t (a int)", "CREATE TABLE api.t (a int)", "CREATE TABLE public.t (a int)",
    "DELETE FROM api.proposals", "UPDATE api.ogc_test SET name_ro = ''", "SELECT lo_from_bytea(0, 'x')",
    "SET ROLE masterplan_app", "SET ROLE masterplan_public", "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('.')", "CREATE EXTENSION dblink",
])  # fmt: skip
def test_the_login_changes_nothing_and_reads_no_file(reader: psycopg.Connection, statement: str) -> None:
    reader.execute("SET default_transaction_read_only = off")
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
        reader.execute(statement)


def test_no_dangerous_function_is_left_to_the_login(reader: psycopg.Connection) -> None:
    with database.owner_transaction() as connection:
        assert functions_left_open(connection) == []
    assert {"pg_sleep", "query_to_xml", "set_config", "ts_stat"} <= set(DANGEROUS_FUNCTIONS)
    for call in ("pg_sleep(0)", "query_to_xml('select 1', true, true, '')", "ts_stat('select 1')",
                 "set_config('statement_timeout', '0', false)", "generate_series(1, 2)", "repeat('x', 9)",
                 "database_to_xml(true, true, '')", "pg_advisory_lock(1)",
                 "pg_export_snapshot()"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(f"SELECT {call}")


def test_the_login_has_five_seconds_a_statement_and_reads_only(reader: psycopg.Connection) -> None:
    """That a statement really ends by then: `test_a_slow_view_is_cut_off_in_words`."""
    assert reader.execute("SHOW statement_timeout").fetchone() == ("5s",)
    assert reader.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


# When things break


@contextmanager
def _view(name: str, definition: str) -> Iterator[None]:
    with database.owner_transaction() as connection:
        connection.execute(text(f"CREATE VIEW api.{name} AS {definition}"))
        connection.execute(text(f"ALTER VIEW api.{name} OWNER TO masterplan_public"))
        connection.execute(text(f"GRANT SELECT ON api.{name} TO masterplan_ogc"))
    try:
        yield
    finally:
        with database.owner_transaction() as connection:
            connection.execute(text(f"DROP VIEW IF EXISTS api.{name}"))


_POINT = (
    "SELECT 'a'::text AS id, {}::integer AS n,"
    " ST_SetSRID(ST_MakePoint(1, 1), 3844)::geometry(Point, 3844) AS geom"
)


def test_a_broken_view_is_named_and_the_others_served(client: TestClient, collections: Collections) -> None:
    with _view("broken_view", _POINT.format("1 / (length(current_user) - length(current_user))")):
        _eventually(lambda: "broken_view" in collections.health())
        assert collections.health() == {"broken_view": "The view api.broken_view cannot be read (22012)."}
        assert client.get("/ogc/collections/broken_view/items").status_code == 503
        assert _ids(client, "") == _expected(lambda row: True)
        listed = [each["id"] for each in client.get("/ogc/collections").json()["collections"]]
        assert "ogc_test" in listed
        assert "broken_view" not in listed
        with database.owner_transaction() as connection:
            connection.execute(text(f"CREATE OR REPLACE VIEW api.broken_view AS {_POINT.format('1')}"))
        _eventually(lambda: not collections.health(), 15)
        assert client.get("/ogc/collections/broken_view/items").json()["numberMatched"] == 1
    _eventually(lambda: "broken_view" not in collections.served)


def test_a_view_that_breaks_while_served_leaks_nothing(client: TestClient, collections: Collections) -> None:
    with _view("breaking", _POINT.format("1")):
        _eventually(lambda: "breaking" in collections.served)
        with database.owner_transaction() as connection:
            connection.execute(text("REVOKE SELECT ON api.breaking FROM masterplan_ogc"))
        answer = client.get("/ogc/collections/breaking/items")
        # 404 where the collections were read again in between.
        assert answer.status_code in (404, 503)
        assert "permission" not in answer.text
        assert "breaking" not in answer.text
        with database.owner_transaction() as connection:
            connection.execute(text("DROP VIEW api.breaking"))
        gone = client.get("/ogc/collections/breaking/items")
        assert gone.status_code in (404, 503)
        assert "does not exist" not in gone.text
        for each in (answer, gone):
            assert each.status_code == 404 or each.headers["retry-after"] == "5"


def test_a_slow_view_is_cut_off_in_words(client: TestClient, collections: Collections) -> None:
    endless = "(WITH RECURSIVE n(i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n)"
    with _view("slow", _POINT.format("1")):
        _eventually(lambda: "slow" in collections.served)
        with database.owner_transaction() as connection:
            connection.execute(text(f"CREATE OR REPLACE VIEW api.slow AS {_POINT.format(endless)}"))
        answer = client.get("/ogc/collections/slow/items")
        assert answer.status_code == 503
        assert "5 seconds" in answer.json()["detail"]
        assert answer.headers["retry-after"]


def test_a_new_version_is_noticed_within_five_seconds(client: TestClient) -> None:
    before = client.get(f"{TILE}/0/0/0").headers["etag"]
    try:
        _load(COUNT + 1)
        _eventually(lambda: client.get(f"{TILE}/0/0/0").headers["etag"] != before)
        assert _tile(client.get(f"{TILE}/0/0/0").content)["default"][0] == COUNT + 1
    finally:
        _load()
        _eventually(lambda: client.get(f"{TILE}/0/0/0").headers["etag"] != before)


def test_it_starts_without_a_database_and_serves_when_it_comes(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, away = database.ogc_url(), database.ogc_url().set(query={"host": "/nowhere", "port": "1"})
    where = {"url": away}
    tries: list[object] = []
    monkeypatch.setattr(ogc_catalogue, "ogc_url", lambda: tries.append(1) or where["url"])
    monkeypatch.setattr(ogc_catalogue, "_POLL_S", 0.05)
    collections = Collections()
    with _client(collections) as late:
        answer = late.get("/ogc/collections")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "nowhere" not in answer.text
        _eventually(lambda: len(tries) > 2)
        assert late.get(ITEMS).status_code == 503
        where["url"] = real
        _eventually(lambda: late.get(ITEMS).status_code == 200)


def test_it_survives_the_loss_of_its_connections(client: TestClient) -> None:
    assert client.get(ITEMS).status_code == 200
    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        connection.execute(text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'masterplan_ogc' AND datname = current_database()"
        ))  # fmt: skip
    engine.dispose()
    _eventually(lambda: client.get(ITEMS).status_code == 200)


def test_many_at_once(client: TestClient) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.get(f"{ITEMS}?limit=1000").status_code))
        for _ in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 24



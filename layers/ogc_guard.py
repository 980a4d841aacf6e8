"""The gate in front of tipg: addresses, parameters and values by allow-list, and quiet answers.

What is not named here is refused with 400 and a sentence that says what is allowed.
Nothing that a browser would run or remember leaves: no cookies, no HTML, no scripts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layers.ogc_catalogue import Collections, Served, window
from layers.ogc_filter import (
    BOOLEAN,
    GEOMETRY,
    LANGUAGES,
    NUMBER,
    UNWRITABLE,
    Refused,
    checked_filter,
    checked_interval,
)

MAX_QUERY_CHARACTERS = 8_000
MAX_ITEMS = 10_000
MAX_OFFSET = 10_000_000
MAX_IDS = 200
#: Coarsest simplification of a geometry, in degrees.
MAX_SIMPLIFY_DEGREES = 1.0
TILE_MATRIX_SET = "WebMercatorQuad"
MAX_ZOOM = 22
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

_SELECTION = frozenset({
    "bbox", "bbox-crs", "datetime", "ids", "filter", "filter-lang", "filter-crs", "properties",
})  # fmt: skip
_SHAPE = frozenset({"bbox-only", "simplify"})
_PAGE = frozenset({"limit", "offset"})


@dataclass(frozen=True)
class Endpoint:
    """One address of tipg that is open, with the parameters and formats that it takes."""

    template: str
    parameters: frozenset[str] = frozenset()
    formats: tuple[str, ...] = ("json",)
    #: Also `?name=value` for the filterable properties of the collection.
    filters: bool = False
    #: Answers features: worth an ETag. The rest is small JSON about them.
    data: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", _named_part, self.template))


_PARTS = {
    "collectionId": r"[A-Za-z][A-Za-z0-9_.]{0,80}",
    "itemId": r"[^/]{1,200}",
    "tileMatrixSetId": TILE_MATRIX_SET,
    "z": "[0-9]{1,2}", "x": "[0-9]{1,7}", "y": "[0-9]{1,7}",
}  # fmt: skip


def _named_part(name: re.Match[str]) -> str:
    return f"(?P<{name[1]}>{_PARTS[name[1]]})"


_COLLECTION = "/collections/{collectionId}"
_TILES = f"{_COLLECTION}/tiles/{{tileMatrixSetId}}"

ENDPOINTS = (
    Endpoint("/"),
    Endpoint("/api"),
    Endpoint("/conformance"),
    Endpoint("/collections", _PAGE | {"bbox"}),
    Endpoint(_COLLECTION),
    Endpoint(f"{_COLLECTION}/queryables", formats=("json", "schemajson")),
    Endpoint(
        f"{_COLLECTION}/items", _SELECTION | _SHAPE | _PAGE | {"sortby", "crs"},
        formats=("geojson", "json", "csv"), filters=True, data=True,
    ),
    Endpoint(
        f"{_COLLECTION}/items/{{itemId}}", _SHAPE | {"properties", "crs"},
        formats=("geojson", "json"), data=True,
    ),
    Endpoint(f"{_COLLECTION}/tiles"),
    Endpoint(_TILES),
    Endpoint(f"{_TILES}/tilejson.json", _SELECTION, filters=True),
    Endpoint(f"{_TILES}/style.json", _SELECTION, filters=True),
    Endpoint(f"{_TILES}/{{z}}/{{x}}/{{y}}", _SELECTION, formats=("mvt",), filters=True, data=True),
    Endpoint("/tileMatrixSets"),
    Endpoint("/tileMatrixSets/{tileMatrixSetId}"),
)  # fmt: skip
_PATTERNS = tuple((endpoint, endpoint.pattern) for endpoint in ENDPOINTS)

_HEADERS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag, Content-Disposition",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
    "vary": "Accept",
}
_PREFLIGHT = {"access-control-allow-methods": "GET, HEAD", "access-control-allow-headers": "*"}
_RETRY = {"retry-after": "5"}

#: Links to formats that are not served.
_UNSERVED_TYPES = ("text/html", "application/geo+json-seq")


class Guard:
    """ASGI middleware: checks a request against the allow-lists before tipg sees any of it."""

    def __init__(self, app: ASGIApp, collections: Collections) -> None:
        self.app = app
        self.collections = collections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = await self._answer(scope)
        if isinstance(answer, Response):
            await answer(scope, receive, _sending(scope, send, None))
            return
        checked, endpoint, etag = answer
        if etag and etag in _etags(Headers(scope=scope).get("if-none-match", "")):
            await Response(status_code=304)(scope, receive, _sending(scope, send, etag))
            return
        outward = _sending(scope, send, etag)
        await self.app(checked, receive, outward if endpoint.data else _Metadata(self.collections, outward))

    async def _answer(self, scope: Scope) -> Response | tuple[Scope, Endpoint, str | None]:
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        if scope["method"] not in ("GET", "HEAD"):
            return JSONResponse({"detail": "Only GET and HEAD."}, 405, {"allow": "GET, HEAD, OPTIONS"})
        found = _find(scope)
        if found is None:
            return JSONResponse({"detail": "There is nothing at this address."}, 404)
        if not self.collections.ready:
            detail = "The database cannot be reached. It is tried again by itself."
            return JSONResponse({"detail": detail}, 503, _RETRY)
        endpoint, parts, path = found
        served = None
        if name := parts.get("collectionId"):
            name = name.removeprefix("api.")
            served = self.collections.served.get(name)
            if name in self.collections.health():
                return JSONResponse({"detail": f"The collection {name} cannot be read now."}, 503, _RETRY)
            if served is None:
                return JSONResponse({"detail": "There is no such collection."}, 404)
        if "z" in parts and not _is_tile(*(int(parts[axis]) for axis in "zxy")):
            return JSONResponse({"detail": "There is no such tile."}, 404)
        try:
            query, state = _checked_query(scope["query_string"], endpoint, served)
        except Refused as refused:
            return JSONResponse({"detail": str(refused)}, 400)
        accept = _accepted(endpoint, Headers(scope=scope).get("accept", ""))
        etag = _etag(scope, query, accept, served) if endpoint.data and served and served.etag else None
        return _clean(scope, path, query, accept, state), endpoint, etag


def _find(scope: Scope) -> tuple[Endpoint, dict[str, str], str] | None:
    path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
    if UNWRITABLE.search(path):
        return None
    for endpoint, pattern in _PATTERNS:
        if match := pattern.fullmatch(path):
            return endpoint, match.groupdict(), path
    return None


def _is_tile(z: int, x: int, y: int) -> bool:
    return z <= MAX_ZOOM and x < 2**z and y < 2**z


def _clean(
    scope: Scope, path: str, query: list[tuple[str, str]], accept: str, state: dict[str, Any]
) -> Scope:
    """A request of our own making: nothing of the caller's but what was checked.

    That includes `app_root_path` and `router`, which a mount leaves pointing at the outer
    application: with them tipg's links would lead past the mount.
    """
    root = scope.get("root_path", "")
    host = [pair for pair in scope["headers"] if pair[0] == b"host"]
    return {
        "type": "http",
        "http_version": scope.get("http_version", "1.1"),
        "method": "GET",
        "scheme": scope.get("scheme", "http"),
        "server": scope.get("server"),
        "client": scope.get("client"),
        "path": root + path,
        "raw_path": (root + path).encode(),
        "root_path": root,
        "query_string": urlencode(query).encode(),
        "headers": [*host, (b"accept", accept.encode())],
        "state": state,
    }


# Parameters


def _checked_query(
    raw: bytes, endpoint: Endpoint, served: Served | None
) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """The parameters for tipg, and the filter as an expression; raises `Refused`."""
    if len(raw) > MAX_QUERY_CHARACTERS:
        raise Refused(f"At most {MAX_QUERY_CHARACTERS} characters of parameters.")
    given = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    names = [name for name, _ in given]
    filters = served.filterable if endpoint.filters and served else frozenset()
    allowed = endpoint.parameters | filters | {"f"}
    for name, value in given:
        if name not in allowed:
            raise Refused(f"Unknown parameter {name[:40]!r}. Allowed here: {', '.join(sorted(allowed))}.")
        if names.count(name) > 1:
            raise Refused(f"{name}: given more than once.")
        if UNWRITABLE.search(value):
            raise Refused(f"{name}: control characters are not allowed.")
        _check(name, value, endpoint, served)
    asked = dict(given)
    state = {"filter": _filter(asked, served)}
    kept = [(n, v) for n, v in given if n not in _ANSWERED_HERE and (n != "f" or endpoint.data)]
    return [(n, v) for n, v in kept if n != "f" or v != "mvt"], state


#: Parameters whose only value is what tipg does anyway.
_ANSWERED_HERE = ("crs", "bbox-crs", "filter-crs")


def _check(name: str, value: str, endpoint: Endpoint, served: Served | None) -> None:
    if name == "f" and value not in endpoint.formats:
        raise Refused(f"f: one of {', '.join(endpoint.formats)}.")
    if name in _CHECKS:
        _CHECKS[name](name, value)
    elif served and name in ("properties", "sortby", "datetime"):
        _COLUMN_CHECKS[name](value, served)
    elif served and name in served.filterable:
        _check_value(name, value, served.kinds[name])


def _filter(asked: dict[str, str], served: Served | None) -> Any:
    if "filter" not in asked or served is None:
        return None
    return checked_filter(asked["filter"], asked.get("filter-lang"), served.kinds, window())


def _one_of(*values: str) -> Callable[[str, str], None]:
    def check(name: str, value: str) -> None:
        if value not in values:
            raise Refused(f"{name}: one of {', '.join(values)}.")

    return check


def _whole_number(lowest: int, highest: int) -> Callable[[str, str], None]:
    def check(name: str, value: str) -> None:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            raise Refused(f"{name}: a whole number from {lowest} to {highest}.")

    return check


_NUMBER = re.compile(r"[+-]?[0-9]{1,17}(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?")


def _number(value: str) -> float:
    return float(value) if _NUMBER.fullmatch(value) else math.nan


def _check_bbox(name: str, value: str) -> None:
    corners = [_number(part) for part in value.split(",")]
    limits = (180, 90, 180, 90)
    sound = len(corners) == 4 and all(
        abs(corner) <= limit for corner, limit in zip(corners, limits, strict=True)
    )
    if not sound or corners[0] > corners[2] or corners[1] > corners[3]:
        raise Refused("bbox: west,south,east,north in degrees (CRS84), west before east, south before north.")


def _check_simplify(name: str, value: str) -> None:
    if not 0 < _number(value) <= MAX_SIMPLIFY_DEGREES:
        raise Refused(f"simplify: degrees, above 0 and at most {MAX_SIMPLIFY_DEGREES:g}.")


def _check_ids(name: str, value: str) -> None:
    ids = value.split(",")
    if not all(ids) or len(ids) > MAX_IDS:
        raise Refused(f"ids: from 1 to {MAX_IDS} ids, with commas between them.")


_CHECKS: dict[str, Callable[[str, str], None]] = {
    "limit": _whole_number(1, MAX_ITEMS),
    "offset": _whole_number(0, MAX_OFFSET),
    "bbox": _check_bbox,
    "bbox-only": _one_of("true", "false"),
    "simplify": _check_simplify,
    "ids": _check_ids,
    "filter-lang": _one_of(*LANGUAGES),
    "crs": _one_of(_CRS84),
    "bbox-crs": _one_of(_CRS84),
    "filter-crs": _one_of(_CRS84),
}


def _check_properties(value: str, served: Served) -> None:
    known = {name for name, kind in served.kinds.items() if kind != GEOMETRY}
    if value and not set(value.split(",")) <= known:
        raise Refused(f"properties: of {', '.join(sorted(known))}, with commas between them.")


def _check_sortby(value: str, served: Served) -> None:
    known = {name for name, kind in served.kinds.items() if kind != GEOMETRY}
    names = [part[1:] if part[:1] in ("+", "-", " ") else part for part in value.split(",")]
    if not set(names) <= known or len(names) > len(known):
        raise Refused(f"sortby: of {', '.join(sorted(known))}, each with - before it for descending.")


def _check_datetime(value: str, served: Served) -> None:
    if served.collection.datetime_column is None:
        raise Refused("datetime: this collection has no time.")
    checked_interval(value)


_COLUMN_CHECKS: dict[str, Callable[[str, Served], None]] = {
    "properties": _check_properties,
    "sortby": _check_sortby,
    "datetime": _check_datetime,
}


def _check_value(name: str, value: str, kind: str) -> None:
    if kind == NUMBER and not (abs(_number(value)) < 1e18):
        raise Refused(f"{name}: a number.")
    if kind == BOOLEAN and value not in ("true", "false"):
        raise Refused(f"{name}: true or false.")


# Answers


def _accepted(endpoint: Endpoint, accept: str) -> str:
    """Only CSV can be had by asking for it in the header; a browser's wish for HTML is passed over."""
    if "csv" in endpoint.formats and accept.split(";")[0].strip() == "text/csv":
        return "text/csv"
    return "application/geo+json" if "geojson" in endpoint.formats else "application/json"


def _etag(scope: Scope, query: list[tuple[str, str]], accept: str, served: Served) -> str:
    host = Headers(scope=scope).get("host", "")
    facts = [host, scope["path"], urlencode(query), accept, served.etag]
    return f'W/"{sha256(repr(facts).encode()).hexdigest()[:24]}"'


def _etags(header: str) -> set[str]:
    return {tag.strip() for tag in header.split(",")}


def _sending(scope: Scope, send: Send, etag: str | None) -> Send:
    """Put our headers on an answer and take cookies off; a HEAD gets no body."""

    async def outward(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            del headers["set-cookie"]
            for name, value in _HEADERS.items():
                headers[name] = value
            if etag and message["status"] in (200, 304):
                headers["etag"] = etag
            message = message | {"headers": headers.raw}
        elif scope["method"] == "HEAD":
            message = message | {"body": b""}
        await send(message)

    return outward


class _Metadata:
    """Holds back a small JSON answer to take out links to what is not served, and to put titles in."""

    def __init__(self, collections: Collections, send: Send) -> None:
        self.collections = collections
        self.send = send
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        headers = MutableHeaders(raw=list(self.start["headers"]))
        if "json" in headers.get("content-type", ""):
            self.body = orjson.dumps(self._served_only(orjson.loads(self.body)))
        headers["content-length"] = str(len(self.body))
        await self.send(self.start | {"headers": headers.raw})
        await self.send({"type": "http.response.body", "body": self.body})

    def _served_only(self, node: Any) -> Any:
        if isinstance(node, dict):
            if "extent" in node and (served := self.collections.served.get(str(node.get("id")))):
                node["title"] = served.collection.title
            return {key: self._served_only(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self._served_only(item) for item in node if not _is_unserved(item)]
        return node


def _is_unserved(item: Any) -> bool:
    return isinstance(item, dict) and "href" in item and item.get("type") in _UNSERVED_TYPES

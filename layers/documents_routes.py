"""Addresses of the consultation's documents: the PDF to read, and tiles of the GeoTIFF to lay over the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from layers import document_tiles, geotiff
from layers.tiles import TileAddress
from masterplan.documents import document, documents
from masterplan.errors import InputError, NotFound
from masterplan.http import answering, language_of

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, no-cache"}
_PDF_START = b"%PDF-"


def overlays(language: str) -> list[dict[str, Any]]:
    """Every GeoTIFF that can be laid over the map: id, name, address of its tiles, bounds in degrees.

    One that cannot be used has `fault`, the reason in words, and neither tiles nor bounds.
    """
    return [_overlay(known, language) for known in documents() if known.raster.is_file()]


def _overlay(known: Any, language: str) -> dict[str, Any]:
    about = {"id": known.id, "name": known.name(language)}
    try:
        bounds = document_tiles.bounds(known.raster)
    except InputError as refused:
        return about | {"fault": refused.message(language)}
    tiles = f"/documents/{known.id}/{{z}}/{{x}}/{{y}}.png?v={_stamp(known.raster)}"
    return about | {"tiles": tiles, "bounds": [round(degree, 6) for degree in bounds]}


def _stamp(path: Path) -> str:
    """Changes whenever the file is replaced."""
    facts = path.stat()
    return f"{facts.st_mtime_ns:x}{facts.st_size:x}"


def list_overlays(request: Request) -> Response:
    usable = [overlay for overlay in overlays(language_of(request)) if "tiles" in overlay]
    return Response(orjson.dumps(usable), media_type="application/json", headers=_HEADERS)


def pdf(request: Request) -> Response:
    path = document(request.path_params["id"]).pdf
    if not path.is_file():
        raise NotFound(document_tiles.NOT_PUBLISHED)
    with path.open("rb") as file:
        if file.read(len(_PDF_START)) != _PDF_START:
            raise NotFound(document_tiles.NOT_PUBLISHED)
    headers = _HEADERS | {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox"}
    return FileResponse(
        path, media_type="application/pdf", headers=headers, filename=path.name, content_disposition_type="inline"
    )


def tile(request: Request) -> Response:
    path = document(request.path_params["id"]).raster
    address = TileAddress(*(request.path_params[axis] for axis in "zxy"))
    if not path.is_file():
        raise NotFound(document_tiles.NOT_PUBLISHED)
    etag = f'"{_stamp(path)}"'
    headers = _HEADERS | {"ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(document_tiles.tile(path, address), media_type=geotiff.MEDIA_TYPE, headers=headers)


def routes() -> list[Route]:
    """Everything under /documents."""
    return [
        Route("/documents/overlays.json", answering(list_overlays)),
        Route("/documents/{id}.pdf", answering(pdf)),
        Route("/documents/{id}/{z:int}/{x:int}/{y:int}.png", answering(tile)),
    ]

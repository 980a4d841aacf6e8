"""The rasters that layers were derived from, as tiles over the map, in the colours of their layers.

Served is the raster of classes of a layer's current version (`layers.derived`). A layer that was replaced
by a file from elsewhere has none. rio-tiler could read these files too, but warps through GDAL's MEM driver and
writes through its PNG driver, and our lock on GDAL (`layers.gdal_lock`) lets neither open anything.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from layers import geotiff, symbology
from layers.catalogue import Layer, catalogue
from layers.derived import CLASSES_TAG, rasters_of
from layers.rasters import opened
from layers.tiles import TileAddress
from masterplan.actors import VISITOR
from masterplan.database import transaction
from masterplan.errors import NotFound
from masterplan.http import answering, language_of
from masterplan.language import N_, translator

_NO_RASTER = N_("The layer “{layer}” was not derived from a raster.")


def overlays(connection: Connection, language: str) -> list[dict[str, Any]]:
    """Every layer with a raster of classes: id, name, address of its tiles, bounds in degrees (EPSG:4326)."""
    translate = translator(language)
    found = []
    for layer in catalogue().layers:
        rasters = rasters_of(connection, layer.id)
        if rasters and rasters.classes:
            name = translate(N_("{layer}, cell by cell")).format(layer=getattr(layer, f"name_{language}"))
            found.append({
                "id": f"raster-{layer.id}", "name": name, "attribution": "", "visible": False,
                "tiles": f"/rasters/{layer.id}/{{z}}/{{x}}/{{y}}.png?v={_stamp(rasters.classes)}",
                "bounds": [round(degree, 6) for degree in _bounds(rasters.classes)],
            })  # fmt: skip
    return found


def _stamp(path: Path) -> str:
    """Changes whenever the layer's raster does: its name holds the digest of the layer file."""
    return path.name.removesuffix(".classes.tif").rpartition("-")[2]


def _bounds(path: Path) -> tuple[float, float, float, float]:
    with opened(path) as source:
        return geotiff.bounds(source)


def tile(path: Path, layer: Layer, address: TileAddress) -> bytes:
    """256 × 256 pixels of Web Mercator as PNG, each class in its colour, transparent elsewhere."""
    with geotiff.drawing, opened(path) as source:
        colors = np.zeros((256, 4), dtype=np.uint8)
        for code, color in colormap(layer, json.loads(source.tags()[CLASSES_TAG])).items():
            colors[code] = color
        with geotiff.warped(source, address) as warped:
            codes = warped.read(1)
    return geotiff.png(colors[codes])


def colormap(layer: Layer, known: dict[str, str | float]) -> dict[int, tuple[int, int, int, int]]:
    """Code → red, green, blue, opacity: as the layer's features with the same value are drawn."""
    marks = symbology.symbologies()[layer.id]
    found = {}
    for code, value in known.items():
        color = symbology.color_of(marks, value)
        found[int(code)] = (*(int(color[i : i + 2], 16) for i in (1, 3, 5)), round(255 * marks.opacity))
    return found


def raster_tile(request: Request) -> Response:
    layer = catalogue().layer(request.path_params["layer"])
    address = TileAddress(*(request.path_params[axis] for axis in "zxy"))
    with transaction(VISITOR) as connection:
        rasters = rasters_of(connection, layer.id)
    if rasters is None or rasters.classes is None:
        raise NotFound(_NO_RASTER, layer=layer.id)
    stamp = _stamp(rasters.classes)
    current = request.query_params.get("v") == stamp
    headers = {
        "ETag": f'"{stamp}"', "X-Content-Type-Options": "nosniff",
        "Cache-Control": "public, max-age=31536000, immutable" if current else "public, no-cache",
    }  # fmt: skip
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(tile(rasters.classes, layer, address), media_type=geotiff.MEDIA_TYPE, headers=headers)


def list_overlays(request: Request) -> Response:
    with transaction(VISITOR) as connection:
        content = overlays(connection, language_of(request))
    return Response(orjson.dumps(content), media_type="application/json", headers={"Cache-Control": "no-cache"})


def routes() -> list[Route]:
    """Everything under /rasters."""
    return [
        Route("/rasters/overlays.json", answering(list_overlays)),
        Route("/rasters/{layer}/{z:int}/{x:int}/{y:int}.png", answering(raster_tile)),
    ]

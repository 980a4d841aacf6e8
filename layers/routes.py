"""The plan's own addresses: tiles, style, layer panel and browser assets."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from layers import editions, mapping, raster_tiles, tiles
from layers.assets import asset_bundle, asset_file
from layers.backdrops import backdrops
from layers.catalogue import catalogue
from layers.symbology import DEFAULT_THEME, THEME_NAMES, THEMES, labelled_layers
from masterplan.actors import VISITOR
from masterplan.database import transaction
from masterplan.errors import NotFound
from masterplan.http import answering, language_of
from masterplan.language import N_, translator
from masterplan.place import place

#: An address that names the version of what it serves may be kept for a year.
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"


def plan_tile(request: Request) -> Response:
    group = request.path_params["group"]
    if group not in {known.id for known in catalogue().groups}:
        raise NotFound(N_("There is no group of layers “{group}”."), group=group[:40])
    address = tiles.TileAddress(*(request.path_params[axis] for axis in "zxy"))
    with transaction(VISITOR) as connection:
        stamp = tiles.plan_stamp(connection)
        etag = f'"{stamp}"'
        current = request.query_params.get("v") == stamp
        headers = {"ETag": etag, "Cache-Control": _FOREVER if current else _ASK_AGAIN}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        content = tiles.plan_tile(connection, group, address, labelled_layers())
    return Response(content, media_type=tiles.MEDIA_TYPE, headers=headers)


def style(request: Request) -> Response:
    with transaction(VISITOR) as connection:
        return _json(mapping.style(connection, language_of(request), _theme(request)))


def panel(request: Request) -> Response:
    language, theme = language_of(request), _theme(request)
    with transaction(VISITOR) as connection:
        content = {
            "indicative": place().text("indicative", language),
            "groups": mapping.panel(connection, language, theme),
            "origins": mapping.origins(connection, language),
            "presets": mapping.preset_choices(language),
            "themes": [[name, translator(language)(words)] for name, words in THEME_NAMES.items()],
            "backdrops": [*backdrops(language), *raster_tiles.overlays(connection, language)],
        }
    return _json(content)


def _theme(request: Request) -> str:
    asked = request.query_params.get("theme", DEFAULT_THEME)
    if asked not in THEMES:
        raise NotFound(N_("There is no ground “{theme}”."), theme=asked[:40])
    return asked


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json", headers={"Cache-Control": "no-cache"})


def asset(request: Request) -> Response:
    name = request.path_params["name"]
    headers = {"Cache-Control": _FOREVER if "v" in request.query_params else "public, max-age=3600"}
    bundle = asset_bundle(name)
    if bundle is not None:
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(bundle, media_type=kind, headers=headers)
    path = asset_file(name)
    if path is None or not path.is_file():
        raise NotFound(N_("There is no file “{name}”."), name=name[:80])
    return FileResponse(path, headers=headers)


def edition_address(number: int) -> str:
    """Where the export of a published edition is."""
    return f"/editions/{number}.geojson"


def edition(request: Request) -> Response:
    number = request.path_params["number"]
    with transaction(VISITOR) as connection:
        content, known = editions.stored_export(connection, number), editions.edition(connection, number)
    etag = f'"{known.sha256}"'
    headers = {"ETag": etag, "Cache-Control": "public, max-age=86400"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{place().id}-{number}.geojson"'
    return Response(content, media_type="application/geo+json", headers=headers)


def routes() -> list[Route]:
    """Everything under /tiles/plan, /map, /editions and /assets."""
    return [
        Route("/tiles/plan/{group}/{z:int}/{x:int}/{y:int}", answering(plan_tile)),
        Route("/map/style.json", answering(style)),
        Route("/map/panel.json", answering(panel)),
        Route("/editions/{number:int}.geojson", answering(edition)),
        Route("/assets/{name:path}", answering(asset)),
    ]

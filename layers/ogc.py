"""`/ogc`: OGC API Features and vector tiles of the public views, by tipg behind a guard.

Reads with the login of its own that sees the public views and nothing else.
Answers JSON, GeoJSON, CSV and Mapbox Vector Tiles; never HTML.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

import asyncpg
from cql2 import Expr
from fastapi import FastAPI, Path
from fastapi.openapi.utils import get_openapi
from morecantile import tms as all_tile_matrix_sets
from morecantile.defaults import TileMatrixSets
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp
from tipg import model
from tipg.dependencies import filter_query
from tipg.errors import DEFAULT_STATUS_CODES, TiPgError
from tipg.factory import COMMON_CONFORMS, Endpoints
from tipg.openapi import _update_openapi
from tipg.resources.enums import MediaType

from layers.ogc_catalogue import AWAY, Collections, LayerCollection
from layers.ogc_filter import Refused
from layers.ogc_guard import ENDPOINTS, TILE_MATRIX_SET, Guard
from masterplan.place import place

__all__ = ["Collections", "ogc_app"]

log = logging.getLogger(__name__)


def ogc_app(collections: Collections) -> ASGIApp:
    """The application to mount at `/ogc`; it answers 503 until `collections.watch()` has read the views."""
    title = place().plan_name_ro
    app = FastAPI(title=title, version="1", openapi_url="/api", docs_url=None, redoc_url=None)
    _update_openapi(app)
    app.state.pool = collections
    app.state.collection_catalog = collections.catalog
    app.dependency_overrides[filter_query] = _filter_already_checked
    app.include_router(_Endpoints(
        title=title,
        collection_dependency=_collection,
        supported_tms=TileMatrixSets({TILE_MATRIX_SET: all_tile_matrix_sets.get(TILE_MATRIX_SET)}),
        with_tiles_viewer=False,
    ).router)  # fmt: skip
    for error in (*AWAY, asyncpg.PostgresError, TiPgError, Refused, Exception):
        app.add_exception_handler(error, _quietly)
    app.openapi = lambda: _definition(app)
    return Guard(app, collections)


def _filter_already_checked(request: Request) -> Expr | None:
    """tipg's own reading of `filter` is never reached: the guard has left the checked expression."""
    return request.state.filter


def _collection(
    request: Request, collectionId: Annotated[str, Path(description="Collection identifier")]
) -> LayerCollection:
    return request.app.state.collection_catalog["collections"][collectionId.removeprefix("api.")]


class _Endpoints(Endpoints):
    """tipg's endpoints with a landing page that names no HTML."""

    def _landing_route(self) -> None:
        @self.router.get("/", response_model=model.Landing, response_model_exclude_none=True)
        def landing(request: Request) -> Any:
            def link(name: str, rel: str, kind: MediaType, title: str) -> model.Link:
                return model.Link(title=title, href=self.url_for(request, name), rel=rel, type=kind)

            return model.Landing(
                title=self.title,
                links=[
                    link("landing", "self", MediaType.json, "This page"),
                    model.Link(
                        title="API definition",
                        href=str(request.url_for("openapi")),
                        rel="service-desc",
                        type=MediaType.openapi30_json,
                    ),
                    link("conformance", "conformance", MediaType.json, "Conformance"),
                    *self.links(request),
                ],
            )

    def _conformance_route(self) -> None:
        @self.router.get("/conformance", response_model=model.Conformance)
        def conformance() -> Any:
            declared = [*COMMON_CONFORMS, *self.conforms_to]
            return model.Conformance(conformsTo=[uri for uri in declared if not uri.endswith("/html")])


#: A view that broke, lost its grant or went between two readings of the collections.
_VIEW_GONE = (
    asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError,
)  # fmt: skip


def _quietly(request: Request, error: Exception) -> JSONResponse:
    """What went wrong, without the database's own words; those go to the log."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return _error(503, "This takes longer than the 5 seconds allowed: ask for less.", retry=True)
    if isinstance(error, AWAY):
        log.warning("/ogc without database: %s", error)
        return _error(503, "The database cannot be reached. It is tried again by itself.", retry=True)
    if isinstance(error, _VIEW_GONE):
        log.warning("/ogc cannot read a view at %s: %s", request.url.path, error)
        return _error(503, "This collection cannot be read now. It is tried again by itself.", retry=True)
    if isinstance(error, Refused):
        return _error(400, str(error))
    status = DEFAULT_STATUS_CODES.get(type(error), 500) if isinstance(error, TiPgError) else 500
    if status < 500:
        return _error(status, str(error))
    log.error("/ogc failed at %s", request.url.path, exc_info=error)
    return _error(500, "This could not be answered; the fault is noted.")


def _error(status: int, detail: str, retry: bool = False) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, {"retry-after": "5"} if retry else None)


def _definition(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, cut down to what the guard lets through."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        open_here = {endpoint.template: endpoint for endpoint in ENDPOINTS}
        document["paths"] = {
            path: _operations(operations, open_here[path])
            for path, operations in document["paths"].items()
            if path in open_here
        }
        app.openapi_schema = document
    return app.openapi_schema


def _operations(operations: dict[str, Any], endpoint: Any) -> dict[str, Any]:
    kept = {"f", *endpoint.parameters}
    for operation in operations.values():
        operation["parameters"] = [
            _parameter(parameter, endpoint)
            for parameter in operation.get("parameters", [])
            if parameter["in"] == "path" or parameter["name"] in kept
        ]
        for response in operation["responses"].values():
            for unserved in ("text/html", "application/geo+json-seq", "application/ndjson"):
                response.get("content", {}).pop(unserved, None)
    return operations


def _parameter(parameter: dict[str, Any], endpoint: Any) -> dict[str, Any]:
    if parameter["name"] == "f":
        return parameter | {"schema": {"type": "string", "enum": list(endpoint.formats)}}
    return parameter

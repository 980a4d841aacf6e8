"""The server: pages, tiles, OGC API and downloads in one ASGI process. It wires, and decides nothing."""

from __future__ import annotations

from layers import gdal_lock

gdal_lock.lock()  # before anything can import GDAL

import asyncio  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
from collections.abc import AsyncIterator  # noqa: E402
from contextlib import asynccontextmanager  # noqa: E402
from typing import Any  # noqa: E402

import orjson  # noqa: E402
import streamlit as st  # noqa: E402
from sqlalchemy import text  # noqa: E402
from starlette.concurrency import run_in_threadpool  # noqa: E402
from starlette.datastructures import Headers, MutableHeaders  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import RedirectResponse, Response  # noqa: E402
from starlette.routing import Mount, Route  # noqa: E402
from starlette.types import ASGIApp, Message, Receive, Scope, Send  # noqa: E402

import layers.routes  # noqa: E402
import proposals.routes  # noqa: E402
import proposals.rubric_routes  # noqa: E402
from layers import documents_routes, raster_tiles  # noqa: E402
from layers.assets import asset_address  # noqa: E402
from layers.ogc import ogc_app  # noqa: E402
from layers.ogc_catalogue import Collections  # noqa: E402
from masterplan import demonstration, door, sign_in  # noqa: E402
from masterplan.actors import SYSTEM, VISITOR  # noqa: E402
from masterplan.database import transaction  # noqa: E402
from masterplan.errors import Unavailable  # noqa: E402
from masterplan.language import DEFAULT_LANGUAGE, LANGUAGES  # noqa: E402
from masterplan.origins import OriginStamp, trusted_proxies  # noqa: E402
from masterplan.pages import shell, words  # noqa: E402
from masterplan.place import place  # noqa: E402
from masterplan.settings import PROJECT_ROOT, settings  # noqa: E402

collections = Collections()

#: Below these addresses nothing is a page of Streamlit's.
_OURS = ("staff", "tiles", "map", "documents", "rasters", "rubric")

_HEALTH = text("""
SELECT current_setting('server_version') AS database,
    (SELECT max(id) FROM masterplan.edition) AS edition,
    (SELECT count(*) FROM masterplan.layer) AS layers,
    (SELECT count(*) FROM masterplan.proposal) AS proposals
""")


async def healthz(_: Request) -> Response:
    """200 with counts when the database answers, 503 with a reason when it does not."""
    try:
        facts = await run_in_threadpool(_health_facts)
    except Unavailable as away:
        return _json({"status": "unavailable", "reason": str(away)}, 503)
    return _json({"status": "ok", **facts, "broken_views": collections.health()})


def _health_facts() -> dict[str, Any]:
    # The public's process cannot act as the system: it counts what is public.
    with transaction(VISITOR if settings().process == "public" else SYSTEM) as connection:
        return dict(connection.execute(_HEALTH).one()._mapping)


def nothing_here(_: Request) -> Response:
    return _json({"error": "not found"}, 404)


def _json(content: object, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


class PageHead:
    """Give Streamlit's page the right language, title and description, and safe headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "text/html" in Headers(scope=scope).get("accept", ""):
            # A page must arrive unpacked to be rewritten, and unabridged to be whole.
            dropped = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
            scope = scope | {"headers": [pair for pair in scope["headers"] if pair[0] not in dropped]}
        await self.app(scope, receive, _Rewriter(send, _page_language(Request(scope))))


class _Rewriter:
    """Holds back an HTML answer until it is whole, and sends it rewritten; others pass as they come."""

    def __init__(self, send: Send, language: str) -> None:
        self.send = send
        self.language = language
        self.start: Message | None = None
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self.start = message
        elif self.start is None:
            await self.send(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                await self._send_page(self.start)

    async def _send_page(self, start: Message) -> None:
        page = _with_head(self.body.decode(), self.language).encode()
        headers = MutableHeaders(raw=start["headers"])
        headers["content-length"] = str(len(page))
        headers["content-language"] = self.language
        headers["x-content-type-options"] = "nosniff"
        headers["referrer-policy"] = "same-origin"
        headers["x-frame-options"] = "SAMEORIGIN"
        await self.send(start)
        await self.send({"type": "http.response.body", "body": page})


def _is_page(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers


def _page_language(request: Request) -> str:
    """Romanian, unless the address says otherwise: as the pages themselves decide."""
    asked = request.query_params.get("lang")
    return asked if asked in LANGUAGES else DEFAULT_LANGUAGE


def _with_head(page: str, language: str) -> str:
    title = place().text("plan_name", language)
    page = re.sub(r"<html lang=\"[a-z]*\"", f'<html lang="{language}"', page, count=1)
    page = re.sub(r"<title>.*?</title>", f"<title>{title}</title>", page, count=1)
    script = f'<script src="{asset_address("page-words.js")}" defer></script>'
    return page.replace("</head>", f"{words.head()}{script}</head>", 1)


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    watching = asyncio.create_task(collections.watch())
    yield
    watching.cancel()
    await collections.stop()


app = st.App(
    PROJECT_ROOT / "proposals" / "pages" / "navigation.py",
    lifespan=lifespan,
    routes=[
        Route("/healthz", healthz),
        Route("/ogc", lambda _: RedirectResponse("/ogc/")),
        Mount("/ogc", app=ogc_app(collections)),
        *layers.routes.routes(),
        *documents_routes.routes(),
        *raster_tiles.routes(),
        *proposals.routes.routes(shell.provider_configured),
        *proposals.rubric_routes.routes(shell.provider_configured),
        *(Route(f"/{top}/{{rest:path}}", nothing_here) for top in _OURS),
    ],
    middleware=[
        Middleware(door.Door, names=door.known_names(), uploads=settings().process == "staff"),
        Middleware(OriginStamp),
        Middleware(PageHead),
        Middleware(sign_in.SayFailures),
    ],
    secrets=sign_in.streamlit_secrets(),
    on_script_error=shell.say_failure,
)


def serve() -> None:
    """Serve until stopped, on `MASTERPLAN_HOST` (this machine only, unless told otherwise) and `PORT`."""
    demonstration.listening_on(settings().host)
    if trusted_proxies():
        # `OriginStamp` must see who is really connected: uvicorn would put the visitor in the proxy's place.
        os.environ["FORWARDED_ALLOW_IPS"] = ""
    app.run(config={
        "server.address": settings().host, "server.port": settings().port,
        # Streamlit asks its websocket's Host again, after our own door.
        "server.allowedHosts": list(door.known_names()),
    })  # fmt: skip


if __name__ == "__main__":
    serve()

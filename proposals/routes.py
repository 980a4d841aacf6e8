"""Addresses of what people brought: public tiles, and staff's tiles and downloads by signed ticket."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from layers.tiles import MEDIA_TYPE as TILE_MEDIA_TYPE
from layers.tiles import TileAddress
from masterplan import tickets
from masterplan.accounts import actor_of_ticket
from masterplan.actors import VISITOR, Actor
from masterplan.database import transaction
from masterplan.demonstration import actor_of, is_allowed
from masterplan.errors import Forbidden
from masterplan.formats import LOCAL_TIME
from masterplan.http import answering, language_of
from masterplan.language import N_
from proposals import exporting
from proposals.filters import EVERYTHING, ProposalFilter, from_dict
from proposals.proposal_tiles import proposal_tile, proposals_stamp
from proposals.searching import search
from proposals.selecting import known_words

#: For the map's state: where tiles come from; a ticket completes the staff's.
PUBLIC_TILES = "/tiles/proposals/{z}/{x}/{y}.mvt"
_STAFF_TILES = "/staff/tiles/{z}/{x}/{y}.mvt"
_EXPORT = "/staff/export"

_PRIVATE = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
_PUBLIC = {"Cache-Control": "public, max-age=10", "X-Content-Type-Options": "nosniff"}
#: One view of the map asks for many tiles; their common stamp is read once in this time.
_STAMP_GOOD_FOR_S = 2.0

_STAFF_ONLY = N_("This is for planners. Choose that role on the page and open the address again.")


def staff_tiles(session: str, user: str, wanted: ProposalFilter, since: int = 0) -> str:
    """The address template of the tiles that staff see of a filter, stable while both stay the same."""
    return f"{_STAFF_TILES}?t={_ticket(session, user, wanted, since)}"


def staff_export(session: str, user: str, wanted: ProposalFilter, language: str, since: int = 0) -> str:
    """The address of the download of a filter; what goes wrong is said in `language`."""
    return f"{_EXPORT}?t={_ticket(session, user, wanted, since)}&lang={language}"


def _ticket(session: str, user: str, wanted: ProposalFilter, since: int) -> str:
    return quote(tickets.sign(tickets.Ticket(session, user, wanted.to_dict(), since)))


def routes(provider_configured: Callable[[], bool]) -> list[Route]:
    """Everything under /tiles/proposals and /staff, and the map's search.

    `provider_configured` says whether a sign-in provider is: then nobody plays a role.
    """

    def asked_by_staff(request: Request) -> tuple[Actor, dict[str, Any]]:
        """Who asks, by their role at this moment, and for which filter, not yet checked."""
        ticket = tickets.read(request.query_params.get("t", ""))
        if ticket.since:
            actor = actor_of_ticket(ticket.user, ticket.since, ticket.session)
        else:
            actor = actor_of(ticket.session, allowed=is_allowed(request.headers, provider_configured()))
        if not actor.is_staff or actor.user != ticket.user:
            raise Forbidden(_STAFF_ONLY)
        return actor, ticket.filter

    def staff_tile(request: Request) -> Response:
        actor, asked = asked_by_staff(request)
        with transaction(actor) as connection:
            content = proposal_tile(connection, _address(request), from_dict(asked))
        return Response(content, media_type=TILE_MEDIA_TYPE, headers=_PRIVATE)

    def export(request: Request) -> Response:
        actor, asked = asked_by_staff(request)
        with transaction(actor) as connection:
            wanted = from_dict(asked, known_words(connection))
        return _download(exporting.stream_geojson(wanted, actor, request.query_params.get("explain") == "1"))

    return [
        Route("/tiles/proposals/{z:int}/{x:int}/{y:int}.mvt", answering(public_tile)),
        Route("/map/search", answering(search_map)),
        Route("/staff/tiles/{z:int}/{x:int}/{y:int}.mvt", answering(staff_tile)),
        Route(_EXPORT, answering(export)),
    ]


def _address(request: Request) -> TileAddress:
    return TileAddress(*(request.path_params[axis] for axis in "zxy"))


def public_tile(request: Request) -> Response:
    """What everybody may see, with a tag by which browsers ask whether it changed."""
    address = _address(request)
    with transaction(VISITOR) as connection:
        headers = _PUBLIC | {"ETag": f'"{_public_stamp(connection)}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        content = proposal_tile(connection, address, EVERYTHING)
    return Response(content, media_type=TILE_MEDIA_TYPE, headers=headers)


def search_map(request: Request) -> Response:
    """What everybody may find: `{"found": […]}`."""
    with transaction(VISITOR) as connection:
        found = search(connection, request.query_params.get("q", ""), language_of(request))
    return JSONResponse({"found": found}, headers=_PRIVATE)


#: Database → when its stamp was read, and the stamp.
_stamps: dict[str | None, tuple[float, str]] = {}


def _public_stamp(connection: Connection) -> str:
    """At most `_STAMP_GOOD_FOR_S` old: too old is harmless, a tile is then only asked for again."""
    database, now = connection.engine.url.database, time.monotonic()
    read_at, stamp = _stamps.get(database, (-_STAMP_GOOD_FOR_S, ""))
    if now - read_at >= _STAMP_GOOD_FOR_S:
        stamp = proposals_stamp(connection)
        _stamps[database] = now, stamp
    return stamp


def _download(pieces: Generator[bytes, None, int]) -> StreamingResponse:
    """Wait for the first piece, so that what is wrong from the start gets a status of its own.

    What breaks later leaves the chunked answer without its end: every client sees a failed download.
    """
    first = next(pieces)
    day = datetime.now(UTC).astimezone(LOCAL_TIME).date().isoformat()
    named = {"Content-Disposition": f'attachment; filename="propuneri-{day}.geojson"'}
    return StreamingResponse(_sent(first, pieces), media_type=exporting.MEDIA_TYPE, headers=_PRIVATE | named)


async def _sent(first: bytes, pieces: Generator[bytes, None, int]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in iterate_in_threadpool(pieces):
            yield piece
    finally:
        # The reader may have gone in the middle: the snapshot ends now, not when memory is tidied.
        pieces.close()

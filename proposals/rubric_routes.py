"""Addresses of what a person sees of criteria: the rubric while drawing, evidence for the map, a result to print.

A page hands out a signed ticket; the role is read again at each request, as for the staff's addresses.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from masterplan import tickets
from masterplan.accounts import actor_of_ticket
from masterplan.actors import VISITOR, Actor
from masterplan.database import transaction
from masterplan.demonstration import actor_of, is_allowed
from masterplan.errors import Forbidden, MasterplanError, Unavailable
from masterplan.http import answering, error_response, language_of
from masterplan.language import N_, translator
from masterplan.pace import Pace, TooFast
from proposals import live, rubric
from proposals.criteria import THEME_NAMES
from proposals.explained import teller
from proposals.result_sheet import sheet
from proposals.submitting import load_result

RUBRIC, WORDS, EVIDENCE = "/rubric", "/rubric/words.json", "/rubric/evidence"
STORED_EVIDENCE, SHEET = "/evidence", "/result"

#: What the ticket of these addresses is for; one of another address opens none of them.
_PURPOSE = {"for": "rubric"}
#: A shape of as many points as a submission may have, with room to spare.
LARGEST_BODY = 160_000
#: Dragging a point asks about six times a second; several sessions behind one ticket do not exist.
_PACE = Pace(per_second=8, burst=40, names=20_000)
#: So many are measured at once in one process; whoever draws leaves connections to the pages.
_AT_ONCE = threading.BoundedSemaphore(4)
_WAIT_S = 2.0

_PRIVATE = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
_PUBLIC = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
#: A result to print holds words and pictures of its own alone.
_SHEET_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'"

WRONG_TICKET = N_("This address is not for what was asked. Open it again from the page.")
TOO_LARGE = N_("This shape has too many points to be measured while drawing.")
UNREADABLE = N_("What was sent cannot be read.")
BUSY = N_("Very many people are drawing at this moment. The result comes when there is room.")


class TooLarge(MasterplanError):
    """A body beyond what a shape may take."""

    http_status = 413


class Unreadable(MasterplanError):
    """A body that is no JSON object."""

    http_status = 400


def ticket(session: str, user: str, since: int = 0) -> str:
    """The ticket for these addresses, as text for an address; the same within the hour."""
    return quote(tickets.sign(tickets.Ticket(session, user, _PURPOSE, since)))


def rubric_address(actor: Actor) -> str:
    """Where the map's panel asks, for the person whose page this is."""
    return f"{RUBRIC}?t={ticket(actor.session, actor.user, actor.since)}"


def evidence_address(actor: Actor, receipt: str, key: str, language: str) -> str:
    """Where the map gets what a criterion measured of a stored proposal."""
    asked = f"cod={quote(receipt)}&criterion={quote(key)}&lang={language}"
    return f"{STORED_EVIDENCE}?t={ticket(actor.session, actor.user, actor.since)}&{asked}"


def sheet_address(actor: Actor, receipt: str, language: str) -> str:
    """The result of a stored proposal, to read or print."""
    return f"{SHEET}?t={ticket(actor.session, actor.user, actor.since)}&cod={quote(receipt)}&lang={language}"


def routes(provider_configured: Callable[[], bool]) -> list[Route]:
    """Everything under /rubric, /evidence and /result."""

    def asked_by(request: Request) -> Actor:
        """Who asks, by their role at this moment; counted."""
        given = tickets.read(request.query_params.get("t", ""))
        if given.filter != _PURPOSE:
            raise Forbidden(WRONG_TICKET)
        _PACE.take(given.session or given.user)
        if given.since:
            return actor_of_ticket(given.user, given.since, given.session)
        return actor_of(given.session, allowed=is_allowed(request.headers, provider_configured()))

    def of_drawing(request: Request, asked: dict[str, Any]) -> Response:
        actor, language = asked_by(request), language_of(request)
        with _room():
            found = live.rubric(asked.get("geometry"), asked.get("theme"), actor, language)
        content = rubric.told(found.criteria, found.kind, found.score, found.teller)
        return _json(content | {"repairs": [each.message(language) for each in found.repairs]})

    def evidence_of_drawing(request: Request, asked: dict[str, Any]) -> Response:
        actor = asked_by(request)
        with _room():
            found = live.evidence_of_drawn(asked.get("geometry"), asked.get("theme"), asked.get("criterion"), actor)
        return _evidence(request, found)

    def evidence_of_stored(request: Request) -> Response:
        actor = asked_by(request)
        code, key = (request.query_params.get(name, "")[:100] for name in ("cod", "criterion"))
        with _room():
            found = live.evidence_of_stored(code, key, actor)
        return _evidence(request, found)

    def result_sheet(request: Request) -> Response:
        actor, language = asked_by(request), language_of(request)
        code = request.query_params.get("cod", "")[:100]
        with transaction(actor) as connection:
            page = sheet(load_result(connection, code, actor.session), teller(connection, language))
        headers = _PRIVATE | {"Content-Security-Policy": _SHEET_POLICY, "Referrer-Policy": "no-referrer"}
        return Response(page, headers=headers, media_type="text/html")

    return [
        Route(WORDS, answering(words)),
        Route(RUBRIC, _posted(of_drawing), methods=["POST"]),
        Route(EVIDENCE, _posted(evidence_of_drawing), methods=["POST"]),
        Route(STORED_EVIDENCE, answering(evidence_of_stored)),
        Route(SHEET, answering(result_sheet)),
    ]


def words(request: Request) -> Response:
    """What the panel over the map says in the reader's language, and the themes to choose from."""
    translate = translator(language_of(request))
    return Response(orjson.dumps({
        "words": {key: translate(msgid) for key, msgid in rubric.PANEL_WORDS.items()},
        "themes": [{"key": key, "name": translate(name)} for key, name in THEME_NAMES.items()],
    }), media_type="application/json", headers=_PUBLIC)  # fmt: skip


@contextmanager
def _room():
    """Wait for one of the places; without one in time, say so."""
    if not _AT_ONCE.acquire(timeout=_WAIT_S):
        raise Unavailable(BUSY)
    try:
        yield
    finally:
        _AT_ONCE.release()


def _posted(answer: Callable[[Request, dict[str, Any]], Response]) -> Callable[[Request], Awaitable[Response]]:
    """`answer` with the JSON object that was posted, and with errors as answers in the reader's language."""

    async def endpoint(request: Request) -> Response:
        try:
            asked = _object(await _body(request))
            return await run_in_threadpool(answer, request, asked)
        except TooFast as fast:
            response = error_response(fast, language_of(request))
            response.headers["Retry-After"] = str(fast.seconds)
            return response
        except MasterplanError as error:
            return error_response(error, language_of(request))
        except ClientDisconnect:
            # It drew on and asked again; nobody reads this answer.
            return Response(status_code=499)

    return endpoint


async def _body(request: Request) -> bytes:
    """The body, never more of it than may be."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Unreadable(UNREADABLE)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise TooLarge(TOO_LARGE)
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as broken:
        raise Unreadable(UNREADABLE) from broken
    if not isinstance(found, dict):
        raise Unreadable(UNREADABLE)
    return found


def _evidence(request: Request, found: live.Evidence) -> Response:
    language = language_of(request)
    with transaction(VISITOR) as connection:
        telling = teller(connection, language)
    return _json(rubric.evidence_told(found.criterion, found.drawn, found.complete, telling))


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json", headers=_PRIVATE)

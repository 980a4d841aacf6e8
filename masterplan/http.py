"""What every route of our own shares: the reader's language, and errors as JSON with our words."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from masterplan.errors import InputError, MasterplanError
from masterplan.language import DEFAULT_LANGUAGE, LANGUAGES

#: The cookie in which a browser keeps the language its reader chose.
LANGUAGE_COOKIE = "masterplan_language"


def language_of(request: Request) -> str:
    """The language to answer in: `lang` in the address, else the cookie, else the browser's wish."""
    wishes = [
        request.query_params.get("lang", ""),
        request.cookies.get(LANGUAGE_COOKIE, ""),
        *_accepted(request.headers.get("accept-language", "")),
    ]
    return next((wish for wish in wishes if wish in LANGUAGES), DEFAULT_LANGUAGE)


def _accepted(header: str) -> list[str]:
    """The languages of an Accept-Language header without their regions, the most wanted first."""
    wanted = []
    for entry in header.lower().split(","):
        tag, _, rest = entry.strip().partition(";")
        name, _, weight = rest.strip().partition("=")
        wanted.append((_weight(weight) if name == "q" else 1.0, tag.partition("-")[0]))
    return [tag for weight, tag in sorted(wanted, key=lambda pair: -pair[0]) if weight > 0]


def _weight(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return 0.0


def error_response(error: MasterplanError, language: str) -> JSONResponse:
    """`{"error": …}` with the sentence in `language` and the status of the error; never stored.

    What cannot be used also has `"faults": [{"field": …, "error": …}, …]`, everything wrong at once.
    """
    content: dict[str, object] = {"error": error.message(language)}
    if isinstance(error, InputError):
        content["faults"] = [{"field": name, "error": each.message(language)} for name, each in error.faults]
    return JSONResponse(
        content,
        status_code=error.http_status,
        headers={"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"},
    )


def answering(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """`endpoint` with our own errors turned into answers in the reader's language."""

    def answer(request: Request) -> Response:
        try:
            return endpoint(request)
        except MasterplanError as error:
            return error_response(error, language_of(request))

    return answer

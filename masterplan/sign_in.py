"""Sign-in by OpenID Connect: which provider, and what to say when it fails.

Streamlit speaks the protocol (`st.login`, Authlib). A provider is configured in Streamlit's own
`secrets.toml`, or by four variables of the environment; `docs/sign-in.md` shows both. What Streamlit
leaves in English, or unsaid, becomes a redirect to the page with a word that the page explains.
"""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from masterplan.errors import ConfigurationError
from masterplan.language import N_
from masterplan.secrets import secret
from masterplan.settings import settings

CALLBACK = "/oauth2callback"
_LOGIN = "/auth/login"
_COOKIE = "_streamlit_user"

#: In the address of the page: what came of a sign-in that did not succeed.
OUTCOME = "sign_in"
AWAY, FAILED = "away", "failed"

_INCOMPLETE = N_(
    "Sign-in is half configured: {missing} is missing. Set all of MASTERPLAN_SIGN_IN_METADATA_URL, …_CLIENT_ID,"
    " …_CLIENT_SECRET and …_ADDRESS, or none."
)
_NO_ADDRESS = N_("MASTERPLAN_SIGN_IN_ADDRESS must be the address people open, like https://masterplan.example.ro")


def streamlit_secrets() -> dict[str, Any] | None:
    """What `st.login` needs, from the environment; None where nothing of it is set.

    Raises
    ------
    ConfigurationError
        When only a part is set, or the address is none.
    """
    given = {
        "server_metadata_url": settings().sign_in_metadata_url,
        "client_id": settings().sign_in_client_id,
        "client_secret": settings().sign_in_client_secret,
        "redirect_uri": settings().sign_in_address,
    }
    if not any(given.values()):
        return None
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise ConfigurationError(_INCOMPLETE, missing=", ".join(missing))
    address = urlsplit(given["redirect_uri"])
    if address.scheme not in ("http", "https") or not address.netloc or address.path.strip("/") or address.query:
        raise ConfigurationError(_NO_ADDRESS)
    given["redirect_uri"] = f"{address.scheme}://{address.netloc}{CALLBACK}"
    return {"auth": given | {"cookie_secret": secret("cookie_secret")}}


class SayFailures:
    """Turns a sign-in that failed at Streamlit's addresses into a redirect that the page explains."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in (_LOGIN, CALLBACK):
            await self.app(scope, receive, send)
            return
        answer = _Answer()
        await self.app(scope, receive, answer)
        outcome = _outcome(Request(scope), answer)
        if outcome is None:
            for message in answer.messages:
                await send(message)
        else:
            redirect = RedirectResponse("/?" + urlencode({OUTCOME: outcome}), 302)
            # A cookie that Streamlit took away stays away.
            redirect.raw_headers.extend(pair for pair in answer.headers.raw if pair[0] == b"set-cookie")
            await redirect(scope, receive, send)


class _Answer:
    """An answer held back until it is whole; these are a few hundred bytes."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> Headers:
        return Headers(raw=self.messages[0]["headers"])


def _outcome(request: Request, answer: _Answer) -> str | None:
    """The word for what went wrong; None when nothing did."""
    if request.url.path == _LOGIN:
        return AWAY if answer.status >= 400 else None
    came_back = {"code", "state", "error"} & set(request.query_params)
    return FAILED if came_back and not _signs_in(answer.headers) else None


def _signs_in(headers: Headers) -> bool:
    for header in headers.getlist("set-cookie"):
        cookie = SimpleCookie(header).get(_COOKIE)
        if cookie is not None and cookie.value:
            return True
    return False

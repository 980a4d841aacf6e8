"""The door of the server: what is asked under a foreign name, or from a foreign page, gets no further.

It stands before everything else, Streamlit included. A proxy keeps the same rules (`deploy/nginx`);
here they hold without one too.
"""

from __future__ import annotations

import ipaddress
import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from masterplan.settings import settings

log = logging.getLogger(__name__)

#: Names of this machine, on which nobody else can answer.
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
#: Streamlit's own addresses that a page needs; the rest of them (figures of the machine, an interface for programs,
#: a trial run of the page) would tell strangers about it.
_STREAMLIT = "/_stcore/"
_STREAMLIT_OPEN = ("/_stcore/stream", "/_stcore/health", "/_stcore/host-config")
_UPLOADS = "/_stcore/upload_file/"


def known_names() -> tuple[str, ...]:
    """The host names under which this server may be asked, without ports."""
    listening_on = settings().host
    # An address of its own is a name too; one that stands for all addresses is none.
    own = () if _is_wildcard(listening_on) else (listening_on,)
    return tuple(dict.fromkeys(name.lower() for name in (*LOCAL_NAMES, *own, *settings().allowed_hosts)))


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""


class Door:
    """Refuses unknown hosts, websockets that a foreign page opens, and addresses that nobody needs.

    `uploads` says whether files may be handed to a page.
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...], uploads: bool) -> None:
        self.app = app
        self.names = names
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or (refused := self._refusal(scope)) is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it was accepted: the client gets a 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refused(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name_of(host) not in self.names:
            log.warning("refused a request under the host name %.100r", host)
            return PlainTextResponse("This server does not go by that name (MASTERPLAN_ALLOWED_HOSTS).\n", 400)
        if scope["type"] == "websocket" and not _is_own(headers.get("origin", ""), host):
            log.warning("refused a websocket from %.100r", headers.get("origin"))
            return PlainTextResponse("A page of another host may not connect here.\n", 403)
        if self._is_closed(scope["path"]):
            return PlainTextResponse("Not Found\n", 404)
        return None

    def _is_closed(self, path: str) -> bool:
        if path.startswith(_UPLOADS):
            return not self.uploads
        return path.startswith(_STREAMLIT) and path not in _STREAMLIT_OPEN


def _name_of(host: str) -> str | None:
    """The name in a Host header, in lower case without its port; None when it is no such header."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - it is read here, and what is no number refused
    except ValueError:
        return None
    plain = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return parts.hostname if plain else None


def _is_own(origin: str, host: str) -> bool:
    """Whether a page of this very host (name and port) asks; every browser says where its page is from."""
    scheme, _, place = origin.lower().partition("://")
    return scheme in ("http", "https") and place == host.lower()

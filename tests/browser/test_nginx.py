"""The files of `deploy/nginx` in the real nginx: what it lets through, what it adds, and what it keeps out.

Most tests look at nginx before small stand-ins that tell what reached them; the last ones put the application there.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest
import streamlit
from playwright.sync_api import Browser, expect
from sqlalchemy import text
from websockets.exceptions import InvalidStatus

from masterplan import demonstration, tickets
from masterplan.actors import Role
from masterplan.database import owner_transaction
from proposals.filters import EVERYTHING
from tests.browser.conftest import Server, Watched, map_of, start_server, wait_for
from tests.browser.page_client import page_client
from tests.browser.proxy import PUBLIC, STAFF, Proxy, nginx, trusting

MAP_FRAME = "/component/streamlit_folium.st_folium/index.html"
_addresses = count(1)


class StandIn(BaseHTTPRequestHandler):
    """Answers with its port and the request it got; like the application, it marks no cookie."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {"port": self.server.server_port, "headers": {k.lower(): v for k, v in self.headers.items()}}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8" if self.path == "/" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "_streamlit_xsrf=abc; Path=/; SameSite=Lax")
        self.send_header("X-Frame-Options", "SAMEORIGIN")
        self.send_header("Content-Security-Policy", "default-src *")
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """A test's output is for its failures."""


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[list[ThreadingHTTPServer]]:
    made = [ThreadingHTTPServer(("127.0.0.1", 0), StandIn) for _ in range(3)]
    for each in made:
        threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    for each in made:
        each.shutdown()
        each.server_close()


@pytest.fixture(scope="module")
def proxy(stand_ins: list[ThreadingHTTPServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    first, second, staff = (each.server_port for each in stand_ins)
    with nginx(tmp_path_factory.mktemp("nginx"), (first, second), staff) as running:
        yield running


@pytest.fixture
def somebody() -> str:
    """An address that no other test asks from: limits are per network."""
    return f"192.0.2.{next(_addresses)}"


def policy(answer: http.client.HTTPResponse) -> dict[str, str]:
    """Directive → its sources."""
    (written,) = answer.headers.get_all("Content-Security-Policy")
    return {name: sources for name, _, sources in (each.strip().partition(" ") for each in written.split(";"))}


# -- headers --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/registru", MAP_FRAME, "/tiles/plan/x/1/1/1", "/staff/x", "/_stcore/metrics"])
@pytest.mark.parametrize("name", [PUBLIC, STAFF])
def test_every_answer_has_the_headers_once_and_from_nginx(proxy: Proxy, path: str, name: str) -> None:
    headers = proxy.ask(path, name=name).headers
    for header, value in {
        "Strict-Transport-Security": "max-age=31536000", "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    }.items():  # fmt: skip
        assert headers.get_all(header) == [value], header
    assert headers.get_all("X-Frame-Options") == ["SAMEORIGIN" if path == MAP_FRAME else "DENY"]
    assert headers["Server"] == "nginx", "no version"


def test_only_the_map_s_frame_may_evaluate(proxy: Proxy) -> None:
    assert policy(proxy.ask(MAP_FRAME))["script-src"] == "'self' 'unsafe-inline' 'unsafe-eval'"
    for path in ("/", "/harta", "/component/other/index.html", "/x" + MAP_FRAME, "/?a=" + MAP_FRAME, "/static/a.js"):
        assert "unsafe" not in policy(proxy.ask(path))["script-src"], path


def test_only_the_map_s_frame_is_framed_and_only_by_our_own_page(proxy: Proxy) -> None:
    assert policy(proxy.ask(MAP_FRAME))["frame-ancestors"] == "'self'"
    for path in ("/", "/harta", "/embed/map", "/?embed=true", "/x/component/"):
        assert policy(proxy.ask(path))["frame-ancestors"] == "'none'", path
    assert proxy.ask("/embed/map").status == 404, "prepared, and not there yet"


def test_no_key_in_an_address_is_logged(proxy: Proxy) -> None:
    before = len(proxy.log.read_text())
    asked = (STAFF, "/staff/export?t=geheim"), (PUBLIC, "/registru?cod=geheim"), (PUBLIC, "/?sesiune=geheim")
    for name, path in asked:
        proxy.ask(path, name=name, Referer=f"https://{name}/registru?cod=geheim")
    logged = proxy.log.read_text()[before:]
    assert [line.split('"')[1] for line in logged.splitlines()] == ["GET /staff/export", "GET /registru", "GET /"]
    assert "geheim" not in logged


def test_nothing_comes_from_elsewhere(proxy: Proxy) -> None:
    directives = policy(proxy.ask("/"))
    assert directives["default-src"] == directives["base-uri"] == "'none'"
    assert directives["connect-src"] == f"'self' wss://{PUBLIC}:{proxy.port}"
    assert not re.search(r"\*|https?:", " ".join(directives.values()))


def test_the_one_inline_script_of_streamlit_s_page_is_the_one_allowed(proxy: Proxy) -> None:
    """A new Streamlit may change it; then the hash in deploy/nginx/masterplan.conf is to be written anew."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
               for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)]  # fmt: skip
    assert policy(proxy.ask("/"))["script-src"] == " ".join(["'self'", *(f"'sha256-{each}'" for each in digests)])


def test_cookies_travel_over_tls_only(proxy: Proxy) -> None:
    cookies = proxy.ask("/").headers.get_all("Set-Cookie")
    assert {each.partition("=")[0] for each in cookies} == {"_streamlit_xsrf", "masterplan_node"}
    assert all("secure" in each.lower().split("; ") for each in cookies), cookies


# -- names and ways in ----------------------------------------------------------------------


def test_plain_http_leads_to_tls(proxy: Proxy) -> None:
    answer = proxy.ask("/harta?lang=en", tls=False)
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{PUBLIC}/harta?lang=en")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "harta.example.ro"])
def test_another_name_gets_no_answer(proxy: Proxy, host: str) -> None:
    """Neither with our name in the handshake and another in the request, nor with another in the handshake."""
    for tls in (True, False):
        with pytest.raises(http.client.RemoteDisconnected):
            proxy.ask("/", Host=host, tls=tls)
    with pytest.raises(ssl.SSLError):
        proxy.ask("/", name=host)


def test_what_a_client_says_of_itself_is_not_passed_on(proxy: Proxy, somebody: str) -> None:
    forged = dict.fromkeys(("X_Forwarded_For", "X_Real_IP", "X_Forwarded_Host", "Forwarded"), "for=127.0.0.1")
    passed = json.loads(proxy.ask("/", X_Forwarded_Proto="http", X_Test_Address=somebody, **forged).text)["headers"]
    assert {name: passed.get(name) for name in (
        "x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "forwarded", "host",
    )} == {
        "x-forwarded-for": somebody, "x-real-ip": somebody, "x-forwarded-proto": "https",
        "x-forwarded-host": None, "forwarded": None, "host": f"{PUBLIC}:{proxy.port}",
    }  # fmt: skip


@pytest.mark.parametrize("path", [
    "/_stcore/metrics", "/_stcore/agent/mcp", "/_stcore/script-health-check", "/_stcore/",
    "/_stcore/../_stcore/metrics", "/%5fstcore/metrics", "//_stcore/metrics", "/_stcore/streams",
])  # fmt: skip
@pytest.mark.parametrize("name", [PUBLIC, STAFF])
def test_metrics_and_the_like_are_closed(proxy: Proxy, name: str, path: str) -> None:
    answer = proxy.ask(path, name=name)
    assert (answer.status, "port" in answer.text) == (404, False)


def test_the_public_hands_in_no_files_and_reaches_nothing_of_the_team_s(proxy: Proxy) -> None:
    upload = "/_stcore/upload_file/session/file"
    assert proxy.ask(upload, method="PUT", body=b"x").status == 404
    assert proxy.ask(upload, method="PUT", body=b"x", name=STAFF).status == 200
    for path in ("/staff/export?t=x", "/staff/tiles/1/1/1.mvt?t=x"):
        assert proxy.ask(path).status == 404
        assert proxy.ask(path, name=STAFF).status == 200


def test_large_bodies_are_refused_before_they_reach_a_process(proxy: Proxy) -> None:
    assert proxy.ask("/", method="POST", body=b"x" * 60_000).status == 200
    assert proxy.ask("/", method="POST", body=b"x" * 70_000).status == 413
    upload = "/_stcore/upload_file/session/file"
    assert proxy.ask(upload, method="PUT", body=b"x" * 1_100_000, name=STAFF).status == 200
    assert proxy.ask(upload, method="PUT", body=b"x" * 1_200_000, name=STAFF).status == 413


@pytest.mark.parametrize(("origin", "status"), [
    ("https://localhost:{port}", 200), ("https://LOCALHOST:{port}", 200), ("http://localhost:{port}", 403),
    ("https://localhost", 403), ("https://evil.example", 403), ("https://localhost:{port}.evil.example", 403),
    ("https://evil.example https://localhost:{port}", 403), ("null", 403), (None, 403),
])  # fmt: skip
def test_only_our_own_page_opens_a_websocket(proxy: Proxy, origin: str | None, status: int) -> None:
    given = {} if origin is None else {"Origin": origin.format(port=proxy.port)}
    answer = proxy.ask("/_stcore/stream", Upgrade="websocket", Connection="Upgrade", **given)
    assert answer.status == status
    if status == 200:
        passed = json.loads(answer.text)["headers"]
        assert (passed["upgrade"], passed["connection"]) == ("websocket", "upgrade")


# -- several processes ----------------------------------------------------------------------


def test_a_browser_stays_with_its_process(proxy: Proxy) -> None:
    """The first page and everything after it: by the cookie that came with it."""
    first = proxy.ask("/")
    cookies = first.headers.get_all("Set-Cookie")
    (cookie,) = [each.partition(";")[0] for each in cookies if "masterplan_node" in each]
    later = [proxy.ask(path, Cookie=cookie) for path in ("/", "/tiles/x", "/_stcore/health", MAP_FRAME)]
    assert {json.loads(each.text)["port"] for each in (first, *later)} == {json.loads(first.text)["port"]}
    assert not any("masterplan_node" in each for answer in later for each in answer.headers.get_all("Set-Cookie"))


def test_browsers_are_shared_out_among_the_processes(proxy: Proxy) -> None:
    ports = (json.loads(proxy.ask("/", Cookie=f"masterplan_node={node:032x}").text)["port"] for node in range(64))
    used: set[int] = set()
    # As many as it takes: on which of two a browser comes depends on the ports, which are another each time.
    while len(used) < 2:
        used.add(next(ports))


def test_a_forged_node_is_taken_for_none(proxy: Proxy) -> None:
    for forged in ("x", "A" * 32, "0" * 31, "0" * 33, "127.0.0.1"):
        cookies = proxy.ask("/", Cookie=f"masterplan_node={forged}").headers.get_all("Set-Cookie")
        assert sum("masterplan_node=" in each for each in cookies) == 1, forged


def test_what_is_kept_in_caches_hands_out_no_node(proxy: Proxy) -> None:
    assert "masterplan_node" not in str(proxy.ask("/tiles/x").headers.get_all("Set-Cookie"))


def test_the_other_process_takes_over(stand_ins: list[ThreadingHTTPServer], tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = unused.getsockname()[1]
        with nginx(tmp_path, (stand_ins[0].server_port, away), away) as running:
            for node in range(8):
                answer = running.ask("/", Cookie=f"masterplan_node={node:032x}")
                assert (answer.status, json.loads(answer.text)["port"]) == (200, stand_ins[0].server_port)
            assert running.ask("/", name=STAFF).status == 502, "never the public's process for the team"


# -- limits ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """nginx before nothing: what it lets through gets 502, quickly, so that no machine is too slow for the test."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = unused.getsockname()[1]
        with nginx(tmp_path_factory.mktemp("bare"), (away, away), away) as running:
            yield running


@pytest.mark.parametrize(("path", "burst", "rate"), [
    ("/auth/login", 20, 0.5), ("/oauth2callback", 20, 0.5), ("/ogc/collections", 60, 10), ("/_stcore/stream", 100, 5),
    ("/harta", 500, 50),
])  # fmt: skip
def test_a_network_that_asks_too_much_waits_and_others_do_not(
    bare: Proxy, somebody: str, path: str, burst: int, rate: float
) -> None:
    """The burst goes through and one more, and what the rate gives back while the test lasts."""
    began = time.monotonic()
    statuses = bare.ask_at_once(path, burst + 300, X_Test_Address=somebody, Origin=bare.public)
    lasted = time.monotonic() - began
    assert statuses[: burst + 1] == [502] * (burst + 1)
    assert set(statuses) == {502, 429}
    assert statuses.count(502) <= burst + 2 + rate * lasted
    assert bare.ask_at_once(path, 1, X_Test_Address=f"198.51.100.{next(_addresses)}", Origin=bare.public) == [502]


def test_one_ipv6_network_is_one_client(bare: Proxy) -> None:
    """Twenty-one sign-ins from as many addresses of a /64 and a few more: some wait; the next network does not."""
    network = f"2001:db8:0:{next(_addresses):x}"
    statuses = [bare.ask("/auth/login", X_Test_Address=f"{network}:{n:x}:1:2:3").status for n in range(1, 32)]
    assert statuses[:21] == [502] * 21
    assert 429 in statuses
    assert bare.ask("/auth/login", X_Test_Address=f"2001:db8:1:{next(_addresses):x}::1").status == 502


def test_forty_people_in_one_room_open_the_map(bare: Proxy, somebody: str) -> None:
    """Each a page, a websocket and a hundred tiles, all in the same moment from one address."""
    asked = {"/": 40, "/_stcore/stream": 40, "/tiles/plan/mobility/1/1/1": 4000}
    for path, times in asked.items():
        # nginx closes a connection after a thousand requests.
        for _ in range(0, times, 800):
            statuses = bare.ask_at_once(path, min(times, 800), X_Test_Address=somebody, Origin=bare.public)
            assert set(statuses) == {502}, path


# -- the application ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def behind(database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Server, Server]]:
    """The application behind nginx as the public's process and the team's; both would play roles if they might."""
    folder = tmp_path_factory.mktemp("behind")
    names = {"MASTERPLAN_ALLOWED_HOSTS": f"{PUBLIC},{STAFF},rebound.example", "MASTERPLAN_DEMO": "1"}
    started = [
        start_server(database_name, folder / f"{side}.log", MASTERPLAN_PROCESS=side, **names)
        for side in ("public", "staff")
    ]
    for process, server in started:
        wait_for(server, process)
    (_, public), (_, staff) = started
    with nginx(folder, (public.port, public.port), staff.port) as proxy:
        yield proxy, public, staff
    for process, _ in started:
        process.terminate()
    for process, _ in started:
        process.wait(20)


def test_each_side_has_its_own_login(behind: tuple[Proxy, Server, Server]) -> None:
    """And the public's process takes no uploads even when asked past nginx."""
    proxy, public, staff = behind
    for name in (PUBLIC, STAFF):
        assert proxy.ask("/healthz", name=name).status == 200
    with owner_transaction() as owner:
        logins = set(owner.scalars(text("SELECT usename FROM pg_stat_activity WHERE datname = current_database()")))
    assert {"masterplan_app", "masterplan_app_public"} <= logins
    for server, status in ((public, 404), (staff, 403)):
        asked = urllib.request.Request(f"{server.address}/_stcore/upload_file/a/b", b"x", method="PUT")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=20)
        assert refused.value.code == status, "staff's asks for the token first"


#: Later, since the browser's driver may evaluate whatever it likes at once.
EVALUATION = """async () => {
    await new Promise((later) => setTimeout(later, 10));
    try { return new Function("return 6 * 7")(); } catch (refused) { return refused.name; }
}"""


def test_the_map_draws_through_nginx_under_its_policy(
    behind: tuple[Proxy, Server, Server], browser: Browser, watched: Watched
) -> None:
    """No console error: nothing that the page needs is refused. What it does not need, is."""
    proxy, _, _ = behind
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1400, "height": 900})
    page = context.new_page()
    watched.watch(page)
    page.goto(proxy.public)
    frame = map_of(page)
    assert frame.locator(".leaflet-container").evaluate(EVALUATION) == 42
    box = frame.locator(".leaflet-container").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_text("Ce este aici")).to_be_visible()
    cookies = context.cookies()
    assert {cookie["name"] for cookie in cookies} >= {"_streamlit_xsrf", "masterplan_node"}
    assert all(cookie["secure"] for cookie in cookies), cookies
    assert watched.errors == []
    assert page.evaluate(EVALUATION) == "EvalError"
    page.evaluate("() => { const s = document.createElement('script'); s.text = 'ran = 1'; document.head.append(s) }")
    assert page.evaluate("window.ran") is None
    assert len(watched.errors) == 1, watched.errors
    watched.errors.clear()
    context.close()


def over(address: str, port: int, tls: bool = True, **options: object):
    """A page at this address, whatever it is called, on this machine's port."""
    if tls:
        options["ssl"] = trusting()
    return page_client(address, sock=socket.create_connection(("127.0.0.1", port)), **options)


SWITCH = b"Numai pe acest calculator"


def test_the_role_switch_is_shown_on_this_machine_and_not_through_nginx(behind: tuple[Proxy, Server, Server]) -> None:
    """Through the real proxy, though the name is localhost; and directly, as the control."""
    proxy, public, staff = behind
    for server in (public, staff):
        with page_client(server.address) as page:
            page.open()
        assert SWITCH in b"".join(page.frames)
    for address in (proxy.public, proxy.staff):
        with over(address, proxy.port) as page:
            page.open()
        assert SWITCH not in b"".join(page.frames)
        assert b"Harta masterplanului" in b"".join(page.frames), "the page itself came"


def test_the_role_switch_is_not_shown_to_a_rebound_name(behind: tuple[Proxy, Server, Server]) -> None:
    """A foreign name that leads to this machine: unknown, it gets nothing; known, a page without the switch."""
    _, public, _ = behind
    with pytest.raises(InvalidStatus) as refused, over(f"http://evil.example:{public.port}", public.port, tls=False):
        pass
    assert refused.value.response.status_code == 403
    with over(f"http://rebound.example:{public.port}", public.port, tls=False) as page:
        page.open()
    sent = b"".join(page.frames)
    assert SWITCH not in sent and b"Harta masterplanului" in sent


@pytest.mark.parametrize("path", ["/staff/export", "/staff/tiles/10/590/356.mvt"])
def test_a_ticket_of_a_played_role_is_worth_nothing_through_nginx(
    behind: tuple[Proxy, Server, Server], path: str
) -> None:
    """A planner of the demonstration and a ticket signed for them: it opens on this machine, not through nginx."""
    proxy, _, staff = behind
    demonstration.play("a-session", Role.PLANNER)
    ticket = quote(tickets.sign(tickets.Ticket("a-session", "demo", EVERYTHING.to_dict())))
    with urllib.request.urlopen(f"{staff.address}{path}?t={ticket}", timeout=30) as answer:
        assert answer.status == 200
    assert proxy.ask(f"{path}?t={ticket}", name=STAFF).status == 403

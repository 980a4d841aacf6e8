"""Streamlit's defaults as the public needs them: each holds on the running server, whatever the environment says."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed, InvalidStatus

from masterplan.database import owner_transaction
from masterplan.settings import PROJECT_ROOT
from tests.browser.conftest import Server, start_server, wait_for
from tests.browser.page_client import page_client

#: What somebody who wants them otherwise may have set for their own programs.
ENVIRONMENT = {
    "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "full", "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_SERVER_ENABLE_CORS": "false", "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "true",
    "STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "500", "STREAMLIT_SERVER_RUN_ON_SAVE": "true",
    "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "watchdog", "STREAMLIT_SERVER_ALLOWED_HOSTS": "*",
    "STREAMLIT_SERVER_ENABLE_AGENT_API": "true", "STREAMLIT_SERVER_SCRIPT_HEALTH_CHECK_ENABLED": "true",
}  # fmt: skip
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    process, running = start_server(
        database_name, log, MASTERPLAN_ALLOWED_HOSTS="masterplan.example.ro,other.example.ro", **ENVIRONMENT
    )
    wait_for(running, process)
    yield running
    process.terminate()
    process.wait(20)


def ask(server: Server, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
    """The answer, with its text read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in named)
    for name, value in {"Content-Length": str(len(body)), **named}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.text = answer.read().decode(errors="replace")
    connection.close()
    return answer


def test_every_line_of_the_settings_says_why():
    """Colours and shapes of the theme speak for themselves."""
    behaviour, _, _ = (PROJECT_ROOT / ".streamlit" / "config.toml").read_text().partition("[theme]")
    lines = [line for line in behaviour.splitlines() if "=" in line and not line.startswith("#")]
    assert len(lines) > 15
    assert [line for line in lines if "  # " not in line and "showSidebarNavigation" not in line
            and "disableWidgetStateDuplicationWarning" not in line] == []  # fmt: skip


def test_telemetry_is_off_and_nobody_may_ask_for_a_run_on_save(server: Server):
    with page_client(server.address) as page:
        (started, *_) = page.open()
    config = started.new_session.config
    assert (config.gather_usage_stats, config.allow_run_on_save) == (False, False)
    assert started.new_session.initialize.session_status.run_on_save is False


def test_a_page_that_fails_shows_no_traceback(server: Server, database_name: str):
    """What every page reads first is renamed under it: a failure that nobody foresaw."""
    with page_client(server.address) as page:
        with owner_transaction() as owner:
            owner.execute(text("ALTER TABLE masterplan.criteria_set RENAME TO elsewhere"))
        try:
            page.open("criterii")
            page.open("registru")
        finally:
            with owner_transaction() as owner:
                owner.execute(text("ALTER TABLE masterplan.elsewhere RENAME TO criteria_set"))
        sent = b"".join(page.frames)
    assert b"Ceva nu a mers aici" in sent
    for trace in (b"Traceback", b"psycopg", b"sqlalchemy", b"elsewhere", b"site-packages", b"SELECT "):
        assert trace not in sent, trace
    assert "UndefinedTable" in server.log.read_text(), "the log has it"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are read from /proc")
def test_the_server_watches_no_files(server: Server):
    """A watcher holds an inotify instance while a page is open."""
    with page_client(server.address) as page:
        page.open()
        held = [str(held.readlink()) for held in Path(f"/proc/{server.pid}/fd").iterdir() if held.is_symlink()]
    assert any("socket" in name for name in held)
    assert not any("inotify" in name for name in held)


def test_a_message_larger_than_a_form_closes_the_connection(server: Server):
    with page_client(server.address) as page:
        page.open()
        page.socket.send(b"\x00" * (MEGABYTE + 1))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                page.socket.recv(timeout=20)
    assert closed.value.rcvd.code == 1009


def test_uploads_are_capped_and_want_the_token(server: Server):
    """The token of a page's cookie; without it 403, with it a file over a megabyte is refused before it is read."""
    with page_client(server.address) as page:
        page.open()
        session = page.session
        address = f"/_stcore/upload_file/{session}/anything"
        without = ask(server, address, "PUT", b"x")
        assert without.status == 403
        token = next(value for name, value in ask(server, "/_stcore/health").getheaders()
                     if name.lower() == "set-cookie" and value.startswith("_streamlit_xsrf="))  # fmt: skip
        cookie = token.partition(";")[0]
        value = cookie.partition("=")[2]
        large = ask(server, address, "PUT", b"x" * (MEGABYTE + 1), Cookie=cookie, X_Xsrftoken=value)
        assert large.status == 413, large.text
        assert "SameSite=lax" in token.replace("Lax", "lax")


@pytest.mark.parametrize("host", [
    "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1:x", "a@127.0.0.1",
    "", "0.0.0.0", "masterplan.example.ro.evil.example", "xmasterplan.example.ro",
])  # fmt: skip
def test_a_foreign_host_is_refused_by_pages_tiles_and_websocket(server: Server, host: str):
    """As after a DNS rebinding: the name is the attacker's, the address ours."""
    for path in ("/", "/healthz", "/map/panel.json", "/ogc/", "/_stcore/host-config"):
        answer = ask(server, path, Host=host)
        assert answer.status == 400, path
        assert "<html" not in answer.text
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
               "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": f"http://{host}"}  # fmt: skip
    assert ask(server, "/_stcore/stream", Host=host, **upgrade).status == 403


@pytest.mark.parametrize("host", ["masterplan.example.ro", "OTHER.example.ro:8443", "localhost", "127.0.0.1:1"])
def test_its_own_names_are_answered(server: Server, host: str):
    assert ask(server, "/_stcore/health", Host=host).status == 200


@pytest.mark.parametrize("origin", [
    "http://evil.example", "null", "http://localhost", "http://127.0.0.1", "http://127.0.0.1:1", "https://streamlit.io",
    "http://masterplan.example.ro", None,
])  # fmt: skip
def test_a_foreign_page_cannot_open_a_websocket(server: Server, origin: str | None):
    """Another port of this machine is another page, and what sends no origin is no browser."""
    with pytest.raises(InvalidStatus) as refused, page_client(server.address, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_no_other_host_reads_answers_or_steers_the_page(server: Server):
    answer = ask(server, "/_stcore/host-config", Origin="https://evil.example")
    assert json.loads(answer.text)["allowedOrigins"] == []
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("path", [
    "/_stcore/metrics", "/_stcore/script-health-check", "/_stcore/agent/interact", "/_stcore/agent/mcp",
    "/_stcore/agent/openapi.json", "/_stcore/", "/_stcore/anything",
])  # fmt: skip
def test_what_streamlit_offers_besides_a_page_is_closed(server: Server, path: str):
    assert ask(server, path).status == 404
    assert ask(server, path, "POST", b"{}").status == 404

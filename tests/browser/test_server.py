"""What the server answers besides its pages, as a program asks it."""

import os
import socket
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.browser.conftest import Server
from tests.browser.sockets import sockets, strangers


def ask(shared_server: Server, path: str) -> tuple[int, str, str]:
    """Status, content type and text; redirects are followed."""
    try:
        with urllib.request.urlopen(shared_server.address + path, timeout=20) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["content-type"], refused.read().decode()


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are read from /proc")
def test_it_starts_without_speaking_to_anybody_and_listens_on_this_machine_alone(shared_server: Server):
    assert strangers(shared_server.sockets) == set()
    listening = {(address, port) for _, address, port, listens in shared_server.sockets if listens}
    assert listening == {("127.0.0.1", shared_server.port)}
    urllib.request.urlopen(f"{shared_server.address}/healthz", timeout=20).read()
    assert strangers(sockets(shared_server.pid)) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are read from /proc")
def test_a_process_that_speaks_to_somebody_is_noticed():
    """What the test above stands on: a connection elsewhere, and an ear open to all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaks, socket.socket() as listens:
        speaks.connect(("192.0.2.1", 53))  # sends nothing
        listens.bind(("0.0.0.0", 0))
        listens.listen()
        heard = strangers(sockets(os.getpid()))
        assert {"udp 192.0.2.1:53", f"tcp 0.0.0.0:{listens.getsockname()[1]}"} <= heard


def test_the_address_of_the_api_without_its_slash_leads_to_the_api(shared_server: Server):
    deadline = time.monotonic() + 30
    status, kind, text = ask(shared_server, "/ogc")
    # Right after its start the server still reads the collections, and says so with 503.
    while status == 503 and time.monotonic() < deadline:
        time.sleep(0.25)
        status, kind, text = ask(shared_server, "/ogc")
    assert (status, kind.split(";")[0]) == (200, "application/json"), text
    assert "<html" not in text


@pytest.mark.parametrize("path", ["/staff/tiles/1/1/1", "/staff/export/abc", "/tiles/x", "/map/nothing"])
def test_below_our_addresses_nothing_is_a_page_of_streamlits(shared_server: Server, path: str):
    status, kind, _ = ask(shared_server, path)
    assert (status, kind) == (404, "application/json")


@pytest.mark.parametrize(("path", "language", "title"), [
    ("/", "ro", "MasterPlan Metropolitan Iași"), ("/?lang=en", "en", "Iași Metropolitan MasterPlan"),
    ("/despre?lang=xx", "ro", "MasterPlan Metropolitan Iași"),
])  # fmt: skip
def test_the_page_has_its_language_and_title_before_any_script_runs(shared_server: Server, path, language, title):
    status, _, text = ask(shared_server, path)
    assert status == 200
    assert f'<html lang="{language}"' in text
    assert f"<title>{title}</title>" in text

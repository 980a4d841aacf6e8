"""What the server answers besides its pages, as a program asks it."""

import time
import urllib.error
import urllib.request

import pytest

from tests.browser.conftest import Server


def ask(server: Server, path: str) -> tuple[int, str, str]:
    """Status, content type and text; redirects are followed."""
    try:
        with urllib.request.urlopen(server.address + path, timeout=20) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["content-type"], refused.read().decode()


def test_the_address_of_the_api_without_its_slash_leads_to_the_api(server: Server):
    deadline = time.monotonic() + 30
    status, kind, text = ask(server, "/ogc")
    # Right after its start the server still reads the collections, and says so with 503.
    while status == 503 and time.monotonic() < deadline:
        time.sleep(0.25)
        status, kind, text = ask(server, "/ogc")
    assert (status, kind.split(";")[0]) == (200, "application/json"), text
    assert "<html" not in text


@pytest.mark.parametrize("path", ["/staff/tiles/1/1/1", "/staff/export/abc", "/tiles/x", "/map/nothing"])
def test_below_our_addresses_nothing_is_a_page_of_streamlits(server: Server, path: str):
    status, kind, _ = ask(server, path)
    assert (status, kind) == (404, "application/json")


@pytest.mark.parametrize(("path", "language", "title"), [
    ("/", "ro", "MasterPlan Metropolitan Iași"), ("/?lang=en", "en", "Iași Metropolitan MasterPlan"),
    ("/despre?lang=xx", "ro", "MasterPlan Metropolitan Iași"),
])  # fmt: skip
def test_the_page_has_its_language_and_title_before_any_script_runs(server: Server, path, language, title):
    status, _, text = ask(server, path)
    assert status == 200
    assert f'<html lang="{language}"' in text
    assert f"<title>{title}</title>" in text

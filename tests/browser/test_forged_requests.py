"""Forged clients against the running server: addresses and page values that no page of ours sends.

Each gets a refusal in words or a page that goes on; none stores anything, none shows how the server is made.
"""

from __future__ import annotations

import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote, unquote

import pytest
from sqlalchemy import text
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from masterplan.actors import SYSTEM
from masterplan.database import transaction
from tests.browser.conftest import Server
from tests.browser.page_client import PageClient, page_client
from tests.pages import helpers

#: What stands in Python's own reports, in the database's and in those of a server that lets them out.
TRACES = re.compile(rb"Traceback|File \"|site-packages|psycopg|sqlalchemy|Internal Server Error", re.IGNORECASE)

NUMBERS = ("-1", "0", "1e3", "NaN", "99999999999999999999", "1.5", "0x10", "")
TEXTS = ("../../etc/passwd", "%2e%2e%2f", "' OR 1=1 --", "<script>", "\u202e", "x" * 3_000, "{{7*7}}", "%00", "null")
PATHS = (
    "/tiles/plan/{text}/{number}/{number}/{number}", "/tiles/plan/mobility/{number}/{number}/{number}?v={text}",
    "/tiles/proposals/{number}/{number}/{number}.mvt?n={text}", "/tiles/proposals/30/{number}/1073741824.mvt",
    "/staff/tiles/{number}/{number}/{number}.mvt?t={text}", "/staff/export?t={text}&lang={text}",
    "/map/style.json?lang={text}", "/assets/{text}", "/documents/{text}", "/rasters/{text}/{number}/{number}/{number}",
    "/ogc/collections/{text}/items", "/ogc/collections/proposals/items?limit={number}&bbox={number},{number},x,1",
    "/ogc/collections/uat/items?filter={text}", "/ogc/collections/uat/items/{text}", "/?lang={text}&cod={text}",
)  # fmt: skip


def ask(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def brought() -> int:
    with transaction(SYSTEM) as connection:
        return connection.scalar(text("SELECT count(*) FROM masterplan.proposal"))


@pytest.fixture(scope="module", autouse=True)
def something_to_look_at(server: Server) -> None:
    """A page without any submission has fewer fields to forge."""
    for publish in (True, False):
        helpers.brought(publish=publish)
    deadline = time.monotonic() + 60
    # Right after its start the server still reads the collections.
    while ask(f"{server.address}/ogc/")[0] == 503 and time.monotonic() < deadline:
        time.sleep(0.25)


@pytest.fixture(autouse=True)
def nothing_is_stored(server: Server) -> Iterator[None]:
    before = brought()
    yield
    assert brought() == before


def expected_of(path: str) -> int:
    """Two pages take any language and any code; all else is refused, by the door before anything reads it."""
    if path.startswith(("/?", "/map/style.json")):
        return 200
    if path.startswith("/staff/export"):
        return 403
    address, _, query = path.partition("?")
    if {"..", "\0"} & set(re.split("/|(\0)", unquote(address))):
        return 400
    return 400 if query and address.startswith("/ogc/") else 404


@pytest.mark.parametrize("seed", range(60))
def test_a_forged_address_is_refused_in_words(server: Server, seed: int) -> None:
    choose = random.Random(seed)
    path = PATHS[seed % len(PATHS)]
    path = re.sub(r"\{number\}", lambda _: quote(choose.choice(NUMBERS)), path)
    path = re.sub(r"\{text\}", lambda _: quote(choose.choice(TEXTS), safe="%"), path)
    status, body = ask(server.address + path)
    assert status == expected_of(path), path
    assert not TRACES.search(body), path


def widgets(frames: list[bytes]) -> list[str]:
    """The ids of every widget that the page has sent."""
    return sorted(set(re.findall(r"\$\$ID-[0-9a-f]+-[A-Za-z_0-9]+", " ".join(
        str(ForwardMsg.FromString(frame)) for frame in frames
    ))))  # fmt: skip


def forged_state(widget: str, choose: random.Random) -> WidgetState:
    """A value of a type that is seldom the widget's, and never within its options."""
    state = WidgetState(id=widget)
    kind = choose.choice(["string", "int", "double", "bool", "ints", "strings", "json", "bytes", "trigger"])
    match kind:
        case "string":
            state.string_value = choose.choice([*TEXTS[:5], "planner", "97919"])
        case "int":
            state.int_value = choose.choice([-1, 2**62, -(2**62), 99])
        case "double":
            state.double_value = choose.choice([float("nan"), float("inf"), -1e308])
        case "bool":
            state.bool_value = True
        case "ints":
            state.int_array_value.data.extend([-1, 2**40])
        case "strings":
            state.string_array_value.data.extend(["planner", "x"])
        case "json":
            state.json_value = choose.choice(['{"last_clicked": 1}', "[", '{"all_drawings": [{"geometry": 7}]}', "NaN"])
        case "bytes":
            state.bytes_value = b"\xff\xfe"
        case _:
            state.trigger_value = True
    return state


#: The last words of every page.
DISCLAIMER = b"MasterPlanul Metropolitan are caracter orientativ"
#: What decides who looks at the page, and in which language.
SIDEBAR = ("language_switch", "role_switch", "uat_switch")


def send_forged(page: PageClient, address: str, widget_states: list[WidgetState]) -> None:
    message = BackMsg()
    message.rerun_script.page_name = address
    message.rerun_script.widget_states.widgets.extend(widget_states)
    page.send(message)


@pytest.mark.parametrize(("address", "role", "widget"), [
    *((address, "", "") for address in ("", "propune", "registru", "criterii", "analiza", "despre")),
    ("propune", "reprezentant UAT", "-propose_form_budget"), ("analiza", "planificator", "-desk_add_key"),
    ("ce-ar-fi-daca", "planificator", "-replay_"),
])  # fmt: skip
def test_forged_page_values_leave_the_page_standing(server: Server, address: str, role: str, widget: str) -> None:
    """Six widgets forged one at a time, then all at once; and the page still opens for the next person.

    Streamlit itself ends the run where a value is of another type than its widget's; the person reads a sentence then.
    """
    choose = random.Random(address + role)
    with page_client(server.address) as page:
        page.open(address)
        if role:
            page.type_in("selectbox", "Rol", role)
            page.run_again()
            page.open(address)
        if address == "propune":
            page.type_in("text_area", "Unde", "47.1585, 27.6014")
            page.run_again()
        known = widgets(page.frames)
        assert any(widget in each for each in known), "there is something to forge"
        # With an honest sidebar, so that what is forged reaches the page itself.
        own = [each for each in known if not each.endswith(SIDEBAR)]
        for alone in choose.sample(own, min(6, len(own))):
            send_forged(page, address, [forged_state(alone, choose)])
        send_forged(page, address, [forged_state(each, choose) for each in known])
    assert not TRACES.search(b"".join(page.frames))
    with page_client(server.address) as next_page:
        next_page.open(address)
    sent = b"".join(next_page.frames)
    assert DISCLAIMER in sent, server.log.read_text()[-3000:]

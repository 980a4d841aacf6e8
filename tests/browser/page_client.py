"""A program that speaks to a page as the browser does: Streamlit's messages over its websocket.

What a browser sends can be forged; a test says it here word for word.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

#: The script asked for another run of itself (`st.rerun`), which follows.
_RUNS_AGAIN = ForwardMsg.FINISHED_EARLY_FOR_RERUN


class PageClient:
    """One open page. `frames` is all that the server sent, as bytes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[bytes] = []
        self.session = ""
        self._page, self._query = "", ""
        self._typed: dict[str, WidgetState] = {}

    def open(self, page: str = "", query: str = "") -> list[ForwardMsg]:
        """Run the page with this name in its address (without a slash; "" the first one)."""
        self._page, self._query, self._typed = page, query, {}
        return self._run()

    def type_in(self, kind: str, label: str, words: str) -> None:
        """Fill a field (kind "text_input", "selectbox" …) whose label begins so; it goes along from then on."""
        widget = self.widget(kind, label)
        self._typed[widget] = WidgetState(id=widget, string_value=words)

    def choose(self, label: str, option: str) -> list[ForwardMsg]:
        """Press one of the buttons that stand in a row under this label."""
        widget = self.widget("button_group", label)
        self._typed[widget] = WidgetState(id=widget)
        self._typed[widget].string_array_value.data.append(option)
        return self._run()

    def press(self, label: str) -> list[ForwardMsg]:
        """Press the button with this label, with everything typed."""
        return self._run(WidgetState(id=self.widget("button", label), trigger_value=True))

    def run_again(self) -> list[ForwardMsg]:
        """As after leaving a field."""
        return self._run()

    def _run(self, *pressed: WidgetState) -> list[ForwardMsg]:
        message = BackMsg()
        message.rerun_script.page_name = self._page
        message.rerun_script.query_string = self._query
        message.rerun_script.widget_states.widgets.extend([*self._typed.values(), *pressed])
        return self.send(message)

    def widget(self, kind: str, label: str) -> str:
        """The id of the widget of this kind that came last with a label that begins so."""
        for raw in reversed(self.frames):
            message = ForwardMsg.FromString(raw)
            if message.WhichOneof("type") != "delta" or message.delta.WhichOneof("type") != "new_element":
                continue
            element = message.delta.new_element
            if element.WhichOneof("type") == kind and getattr(element, kind).label.startswith(label):
                return getattr(element, kind).id
        raise LookupError(f"no {kind} begins with {label!r}")

    def send(self, message: BackMsg) -> list[ForwardMsg]:
        """Send, and take what comes until the run that it starts has ended."""
        self.socket.send(message.SerializeToString())
        return self._until_the_run_ends()

    def _until_the_run_ends(self, seconds: float = 60) -> list[ForwardMsg]:
        came, deadline = [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            raw = self.socket.recv(timeout=seconds)
            self.frames.append(raw)
            message = ForwardMsg.FromString(raw)
            came.append(message)
            if message.WhichOneof("type") == "new_session":
                self.session = message.new_session.initialize.session_id or self.session
            if message.WhichOneof("type") == "script_finished" and message.script_finished != _RUNS_AGAIN:
                return came
        raise TimeoutError("the run did not end")


@contextmanager
def page_client(address: str, **options: object) -> Iterator[PageClient]:
    """A page at the server with this address (http://host:port), from its own origin unless told otherwise."""
    options = {"origin": address, "subprotocols": ["streamlit"], "max_size": None, "close_timeout": 1} | options
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, **options) as socket:
        yield PageClient(socket)

"""A program that speaks to a page as the browser does: Streamlit's messages over its websocket.

What a browser sends can be forged; a test says it here word for word.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect


class PageClient:
    """One open page. `frames` is all that the server sent, as bytes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[bytes] = []
        self.session = ""
        self._query = ""

    def open(self, page: str = "", query: str = "") -> list[ForwardMsg]:
        """Run the page with this name in its address (without a slash; "" the first one)."""
        self._query = query
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        return self.send(message)

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
            if message.WhichOneof("type") == "script_finished":
                return came
        raise TimeoutError("the run did not end")


@contextmanager
def page_client(address: str, **options: object) -> Iterator[PageClient]:
    """A page at the server with this address (http://host:port), from its own origin unless told otherwise."""
    options = {"origin": address, "subprotocols": ["streamlit"], "max_size": None} | options
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, **options) as socket:
        yield PageClient(socket)

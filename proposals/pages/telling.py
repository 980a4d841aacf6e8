"""Doing what a button asks, and saying on the run that follows what came of it.

What is said holds the tracking code that it is about: it never appears beside another submission.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from masterplan.actors import Actor
from masterplan.errors import MasterplanError
from masterplan.pages import shell
from masterplan.pages.plain import plain
from masterplan.pages.shell import View


def attempt(view: View, key: str, about: str, act: Callable[[Actor], Any], done: str) -> bool:
    """Do it as who the person is now; whether it was done. `key` is the page's own name in the session."""
    try:
        act(shell.now(view).actor)
    except MasterplanError as refused:
        st.session_state[key] = (about, refused)
        return False
    st.session_state[key] = (about, done)
    return True


def news(view: View, key: str, about: str) -> None:
    """What came of the last attempt, once, if it was about this."""
    of, told = st.session_state.get(key, (None, None))
    if of != about:
        return
    del st.session_state[key]
    if isinstance(told, MasterplanError):
        st.error(plain(told.message(view.language)), icon=":material/block:")
    else:
        st.success(view(told), icon=":material/task_alt:")

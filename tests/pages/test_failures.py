"""A page that fails in a way that nobody foresaw: a sentence for the visitor, the rest for the log."""

from __future__ import annotations

import logging

import pytest
from streamlit.testing.v1 import AppTest

from masterplan.pages import shell


def failing() -> None:
    import streamlit as st

    from masterplan.pages import shell

    st.title("Before")
    try:
        raise ValueError("the password is hunter2")
    except ValueError as failure:
        st.session_state["handled"] = shell.say_failure(failure)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("ro", "Ceva nu a mers aici"),
        ("en", "Something went wrong here, and it was noted. What you submitted before is kept. Reload the page."),
    ],
)
def test_the_visitor_gets_a_sentence_and_the_log_the_failure(
    language: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = AppTest.from_function(failing)
    app.query_params["lang"] = language
    with caplog.at_level(logging.ERROR, logger=shell.__name__):
        app.run()
    (said,) = app.error
    assert said.value.startswith(sentence)
    assert app.title[0].value == "Before", "what was there stays"
    assert app.session_state["handled"] is True, "else Streamlit would show the traceback as well"
    shown = [element.value for element in (*app.error, *app.title, *app.markdown, *app.exception)]
    assert "hunter2" not in str(shown) and not app.exception
    (noted,) = (each for each in caplog.records if each.name == shell.__name__)
    assert "hunter2" in (noted.exc_text or str(noted.exc_info))

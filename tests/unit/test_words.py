"""Streamlit's own words: each is really what the installed Streamlit writes, so that none is replaced in vain."""

import json
from pathlib import Path

import pytest
import streamlit

from masterplan.pages import words


@pytest.fixture(scope="module")
def scripts() -> str:
    folder = Path(streamlit.__file__).with_name("static") / "static" / "js"
    return "\n".join(file.read_text("utf-8") for file in folder.glob("*.js"))


@pytest.mark.parametrize("word", words.STREAMLIT_WORDS)
def test_streamlit_writes_this_word(scripts, word):
    assert any(f"{quote}{word}{quote}" in scripts for quote in "`\"'")


@pytest.mark.parametrize("beginning", words.STREAMLIT_BEGINNINGS)
def test_streamlit_begins_a_name_with_this(scripts, beginning):
    assert f"`{beginning.removesuffix('{rest}')}${{" in scripts


def test_the_data_cannot_end_its_element():
    head = words.head()
    data = head.removeprefix('<script type="application/json" id="page-words">').removesuffix("</script>")
    assert "<" not in data
    assert json.loads(data)["ro"]["No results"] == "Niciun rezultat"

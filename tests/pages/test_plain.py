"""People's words never become Markdown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masterplan.pages.plain import WORD_JOINER, plain


def as_read(escaped: str) -> str:
    """What CommonMark shows of it: a backslash before punctuation vanishes; joiners take no room."""
    read, letters = [], iter(escaped)
    for letter in letters:
        if letter == "\\":
            letter = next(letters)
            assert letter in string.punctuation
        else:
            assert letter not in string.punctuation, f"{letter!r} is not escaped in {escaped!r}"
        read.append(letter)
    return "".join(read).replace(WORD_JOINER, "")


@given(st.text())
def test_nothing_is_lost_and_nothing_is_left_to_markdown(text: str):
    assert as_read(plain(text)) == " ".join(text.replace(WORD_JOINER, "").split()) or WORD_JOINER in text


@pytest.mark.parametrize("text", [
    ":material/home:", ":smile:", ":red[x]", "https://evil.example", "http://evil.example/x.png", "www.evil.example",
    "WWW.evil.example", "mailto:a@b.example", "a@b.example", "->",
])  # fmt: skip
def test_what_streamlit_replaces_after_parsing_is_kept_apart(text: str):
    after_parsing = plain(text).replace("\\", "")
    for replaced in (":material/", ":smile", ":red[", "https:/", "http:/", "www.", "WWW.", "a@", "@b", "->"):
        assert replaced not in after_parsing

"""People's words where Streamlit expects Markdown: they stay the words they are.

Streamlit reads Markdown in captions, headings, labels and messages. In someone else's
text that would draw links, formulas, icons, and images that make a request to another
host. Longer texts are shown with `st.text`, which reads nothing into them.
"""

from __future__ import annotations

import re
import string

#: Takes no room and breaks no line; it keeps apart what Streamlit would replace after parsing.
WORD_JOINER = "\N{WORD JOINER}"

#: What spreadsheets begin a formula with, also in a file of plain values.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_PUNCTUATION = re.escape(string.punctuation)
#: Where Streamlit replaces text that is already parsed (and so no longer escaped): `:material/…:`
#: and `:smile:`, `www.…`, `a@b.c`, `https://…`, `->`.
_REPLACED_LATER = re.compile(
    rf"(?<=[:@])(?=\S)|(?<=\S)(?=@)|(?<=www)(?=\.)|(?<=[{_PUNCTUATION}])(?=[{_PUNCTUATION}])", re.IGNORECASE
)
_MARKED = re.compile(rf"[{_PUNCTUATION}]")


def plain(text: str) -> str:
    """The text in one line, written so that Markdown shows every character of it as it stands."""
    line = " ".join(text.split())
    return _MARKED.sub(r"\\\g<0>", _REPLACED_LATER.sub(WORD_JOINER, line))


def cell(text: str) -> str:
    """The text for a table, whose download no spreadsheet takes for a formula."""
    return WORD_JOINER + text if text.startswith(_FORMULA) else text

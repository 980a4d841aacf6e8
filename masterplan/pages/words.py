"""Words that Streamlit writes itself, in English only: replaced in the browser by `page-words.js`.

A sentence here must be, letter for letter, what Streamlit writes: as a name for screen
readers, as a tooltip or in one of its own menus. What is not here stays English, and the
accessibility statement says so.
"""

from __future__ import annotations

import json

from masterplan.language import LANGUAGES, N_, translator

STREAMLIT_WORDS = (
    N_("App pages"), N_("Sidebar"), N_("Collapse sidebar"), N_("Expand sidebar"), N_("Main menu"),
    N_("Skip to main content"), N_("Notifications"), N_("Running..."), N_("Link to heading"), N_("Close"),
    N_("Open"), N_("No results"), N_("Choose an option"), N_("Selected values"), N_("Clear all"), N_("Clear value"),
    N_("Increment"), N_("Decrement"), N_("Choose date"), N_("Clear date"), N_("Previous month"), N_("Next month"),
    N_("Pagination"), N_("Previous page"), N_("Next page"), N_("Scroll tabs left"), N_("Scroll tabs right"),
    N_("Show/hide columns"), N_("Download as CSV"), N_("Search"), N_("Fullscreen"), N_("Close fullscreen"),
    N_("Clear selection"), N_("Close Search"), N_("Previous Result"), N_("Next Result"), N_("Dataframe column menu"),
    N_("Copy column name"), N_("Copy to clipboard"), N_("Sort ascending"), N_("Sort descending"), N_("Autosize"),
    N_("Pin column"), N_("Unpin column"), N_("Hide column"), N_("Statistics"), N_("Format"), N_("Type to search"),
    N_("Connection error"), N_("Use arrow keys to navigate dates. Enter to select. Escape to close."),
)  # fmt: skip
#: Names that end in the name of what they are about.
STREAMLIT_BEGINNINGS = (N_("Help for {rest}"), N_("Page {rest}"), N_("Remove {rest}"))
#: The frame of the map is called after the software that draws it.
MAP = N_("Map")


def head() -> str:
    """What goes into the page's head: each language's words, as data."""
    sentences = (*STREAMLIT_WORDS, *STREAMLIT_BEGINNINGS, MAP)
    words = {language: {known: translator(language)(known) for known in sentences} for language in LANGUAGES}
    # `<` is all that could end the element.
    data = json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="page-words">{data}</script>'

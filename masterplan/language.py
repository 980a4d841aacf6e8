"""Romanian first, English second: gettext catalogues read straight from their `.po` files.

The English sentence in the code is the message id. Each package keeps its own
`locale/ro.po`; `make messages` extracts new ids, and a test fails on any id without Romanian.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LANGUAGES = ("ro", "en")
DEFAULT_LANGUAGE = "ro"
PACKAGES = ("masterplan", "layers", "proposals")

_ROOT = Path(__file__).resolve().parent.parent


def N_(msgid: str) -> str:
    """Mark a message id for extraction where it is only translated later."""
    return msgid


def catalogue_path(package: str, language: str) -> Path:
    return _ROOT / package / "locale" / f"{language}.po"


@cache
def messages(language: str) -> dict[str, str]:
    """Message id → sentence for every translated message of every package."""
    if language not in LANGUAGES:
        raise ValueError(f"unknown language: {language!r}")
    found: dict[str, str] = {}
    for package in PACKAGES:
        path = catalogue_path(package, language)
        if path.exists():
            with path.open("rb") as file:
                catalogue = read_po(file, locale=language)
            found |= {m.id: m.string for m in catalogue if m.id and m.string and not m.fuzzy}
    return found


@cache
def translator(language: str) -> Callable[[str], str]:
    """A function from an English message id to the sentence in `language`."""
    sentences = messages(language)
    return lambda msgid: sentences.get(msgid, msgid)

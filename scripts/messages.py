"""Bring the Romanian catalogues up to date with the sentences in the code.

New sentences appear without a translation (a test fails until they have one);
sentences that are no longer in the code are dropped.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("masterplan", "layers", "proposals")
#: `view("…")` is how pages say a sentence.
KEYWORDS = {"_", "N_", "view"}
_HEADER = """\
# The Romanian words of the masterplan map. Update with: make messages
msgid ""
msgstr ""
"Language: ro\\n"
"Content-Type: text/plain; charset=utf-8\\n"

"""


def sentences(package: str) -> set[str]:
    """Every sentence that the code of a package marks for translation, also inside f-strings."""
    files = (ROOT / package).rglob("*.py")
    return {sentence for file in files for sentence in _marked(ast.parse(file.read_text("utf-8")))}


def _marked(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KEYWORDS):
            continue
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            yield node.args[0].value


def catalogue_file(package: str) -> Path:
    return ROOT / package / "locale" / "ro.po"


def translations(package: str) -> dict[str, str]:
    """Sentence → Romanian, as the catalogue of a package has it now."""
    path = catalogue_file(package)
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {message.id: message.string for message in read_po(file, locale="ro") if message.id}


def update(package: str) -> list[str]:
    """Rewrite the catalogue of a package; returns the sentences still without Romanian."""
    known = translations(package)
    catalogue = Catalog(locale="ro")
    for sentence in sorted(sentences(package)):
        catalogue.add(sentence, known.get(sentence, ""))
    body = io.BytesIO()
    write_po(body, catalogue, width=110, no_location=True, sort_output=True, omit_header=True)
    catalogue_file(package).write_text(_HEADER + body.getvalue().decode(), "utf-8")
    return [sentence for sentence in sorted(sentences(package)) if not known.get(sentence)]


def main() -> int:
    missing = {package: update(package) for package in PACKAGES}
    for package, without in missing.items():
        for sentence in without:
            print(f"{package}: no Romanian yet: {sentence}")
    return 1 if any(missing.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

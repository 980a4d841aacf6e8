"""What the documentation lists is what there is."""

from __future__ import annotations

import re

import pytest

from layers.catalogue import catalogue
from masterplan.settings import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
README = (PROJECT_ROOT / "README.md").read_text("utf-8")


def cells(file: str) -> list[list[str]]:
    """The rows of the tables of a page."""
    lines = (DOCS / file).read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def test_every_layer_is_documented_as_it_is_declared() -> None:
    documented = {row[0].strip("`"): row[1:4] for row in cells("layers.md") if row[0].startswith("`")}
    assert documented == {
        layer.id: [layer.group, layer.geometry, layer.kind + ("" if layer.shipped else ", derived")]
        for layer in catalogue().layers
    }


def test_every_attribute_of_a_layer_is_documented() -> None:
    documented = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[5])) for row in cells("layers.md")[1:]}
    for layer in catalogue().layers:
        if layer.shipped:
            assert documented[layer.id] >= {each.name for each in layer.attributes if each.filterable} - PROVENANCE


PROVENANCE = {"value_min", "value_max", "value_unit", "method", "parameters", "input_sha256", "derived_at"}


def test_every_measurement_of_the_bench_is_documented() -> None:
    modules = {row[0].strip("`") for row in cells("benchmarks.md")}
    # Read, not imported: the bench points the process that imports it at databases of its own.
    source = (PROJECT_ROOT / "bench" / "run.py").read_text("utf-8")
    measuring = re.findall(r'^    "\w+": (\w+)\.measure,$', source, re.M)
    assert len(measuring) >= 8 and {f"{module}.py" for module in measuring} <= modules


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_page_is_linked_from_the_readme(page: str) -> None:
    assert f"(docs/{page})" in README


def test_no_link_leads_nowhere() -> None:
    for page in (PROJECT_ROOT / "README.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"

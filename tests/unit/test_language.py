"""Every sentence has Romanian, with the same facts in it and written well."""

import re

import pytest

from masterplan.language import PACKAGES, messages, translator
from scripts.messages import sentences, translations

_FACTS = re.compile(r"\{[^{}]*\}")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_sentence_of_the_code_has_romanian(package):
    known = translations(package)
    assert sorted(sentence for sentence in sentences(package) if not known.get(sentence)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_translation_holds_the_same_facts(package):
    for sentence, romanian in translations(package).items():
        assert sorted(set(_FACTS.findall(sentence))) == sorted(set(_FACTS.findall(romanian))), sentence


@pytest.mark.parametrize("package", PACKAGES)
def test_romanian_is_written_with_a_comma_below_and_its_own_quotation_marks(package):
    for romanian in translations(package).values():
        assert not set(romanian) & set("ŞşŢţ“"), romanian


def test_one_sentence_is_translated_one_way_everywhere():
    said: dict[str, set[str]] = {}
    for package in PACKAGES:
        for sentence, romanian in translations(package).items():
            said.setdefault(sentence, set()).add(romanian)
    assert {sentence: ways for sentence, ways in said.items() if len(ways) > 1} == {}


def test_english_is_the_sentence_itself_and_another_language_is_refused():
    assert translator("en")("Role") == "Role"
    assert translator("ro")("Role") == "Rol"
    with pytest.raises(ValueError):
        messages("fr")

"""Every technical word is explained once, where the page uses it."""

from __future__ import annotations

import re
from importlib import resources

from marl.report.terms import TERMS


def explained() -> list[str]:
    templates = [file for file in resources.files("marl.report").iterdir() if file.name.endswith(".j2")]
    calls = [call for file in templates for call in re.findall(r"m\.explain\(\[(.*?)\]\)", file.read_text("utf-8"))]
    return [word for call in calls for word in re.findall(r'"(\w+)"', call)]


def test_every_term_is_explained_exactly_once() -> None:
    assert sorted(explained()) == sorted(TERMS)


def test_explanations_are_short_sentences() -> None:
    for word, text in TERMS.values():
        assert word
        assert text.endswith(".")
        assert len(text) < 180

"""Numbers are printed the same way everywhere, and what was not measured is a dash."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.report import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.746, "9.75"), (-1.5, "\N{MINUS SIGN}1.50"), (-0.001, "0.00"), (12345.6, "12,345.60"), (3, "3.00")],
)
def test_number(value: float, text: str) -> None:
    assert formats.number(value) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "9", True])
def test_what_is_no_measurement_is_a_dash(value: object) -> None:
    assert formats.number(value) == formats.short(value) == formats.percent(value) == formats.ABSENT
    assert formats.p_value(value) == formats.count(value) == formats.duration(value) == formats.ABSENT
    assert formats.span(value, 1.0) == formats.ABSENT


@given(st.floats(-1e6, 1e6))
def test_number_is_the_value_rounded(value: float) -> None:
    read = float(formats.number(value).replace("\N{MINUS SIGN}", "-").replace(",", ""))
    assert read == pytest.approx(value, abs=0.005 + 1e-9)


@pytest.mark.parametrize(("value", "text"), [(10.0, "10"), (9.5, "9.5"), (0.25, "0.25"), (100, "100"), (0.0, "0")])
def test_short_drops_trailing_zeros(value: float, text: str) -> None:
    assert formats.short(value) == text


def test_signed() -> None:
    assert formats.signed(1.0) == "+1.00"
    assert formats.signed(-1.0) == "\N{MINUS SIGN}1.00"
    assert formats.signed(0.0) == "0.00"
    assert formats.signed(None) == formats.ABSENT


@pytest.mark.parametrize(("share", "text"), [(0.0, "0%"), (0.001, "<1%"), (0.965, "96%"), (1.0, "100%")])
def test_percent_keeps_what_is_rare_visible(share: float, text: str) -> None:
    assert formats.percent(share) == text


@pytest.mark.parametrize(("p", "text"), [(1e-4, "< 0.001"), (0.0316, "0.032"), (0.41, "0.41")])
def test_p_value(p: float, text: str) -> None:
    assert formats.p_value(p) == text


@pytest.mark.parametrize(("seconds", "text"), [(7.4, "7 s"), (271.4, "4 min 31 s"), (7260, "2 h 1 min")])
def test_duration(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


def test_count() -> None:
    assert formats.count(15360) == "15,360"


@pytest.mark.parametrize(("words", "text"), [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b and c")])
def test_listing(words: list[str], text: str) -> None:
    assert formats.listing(words) == text

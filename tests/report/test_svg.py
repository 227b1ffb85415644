"""Elements are escaped and well formed; scales hold what they were made for."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.report.svg import Scale, element, scale_over

FINITE = st.floats(-1e6, 1e6)


@given(
    st.text(st.characters(blacklist_categories=["Cc", "Cs"])), st.text(st.characters(blacklist_categories=["Cc", "Cs"]))
)
def test_any_text_survives_as_text(inside: str, attribute: str) -> None:
    read = ET.fromstring(element("text", inside, class_=attribute))
    assert (read.text or "") == inside
    assert read.get("class") == attribute


def test_elements_nest_without_being_escaped_twice() -> None:
    outer = element("g", element("title", "a & b"), data_x=1.5, view_box="0 0 1 1", none=None)
    assert outer == '<g data-x="1.5" viewBox="0 0 1 1"><title>a &amp; b</title></g>'


@given(st.lists(FINITE, min_size=1), st.booleans())
def test_a_scale_holds_its_values(values: list[float], zero: bool) -> None:
    scale = scale_over(values, zero=zero)
    hair = 1e-8 * (scale.high - scale.low)
    assert scale.low <= min(values) + hair
    assert scale.high >= max(values) - hair
    assert scale.low < scale.high
    assert not zero or scale.low <= 0 <= scale.high
    assert all(scale.low - hair <= tick <= scale.high + hair for tick in scale.ticks())
    assert 2 <= len(scale.ticks()) <= 15


def test_scale_ignores_what_is_not_finite() -> None:
    assert scale_over([float("nan"), 10.0]) == Scale(0.0, 10.0)
    assert scale_over([]) == Scale(0.0, 1.0)


@pytest.mark.parametrize(("value", "percent"), [(-5, 0), (0, 0), (5, 50), (10, 100), (20, 100)])
def test_percent_stays_on_the_axis(value: float, percent: float) -> None:
    assert Scale(0, 10).percent(value) == percent


def test_ticks_are_round() -> None:
    assert Scale(0, 12).ticks() == [0, 2, 4, 6, 8, 10, 12]
    assert Scale(-1, 1).ticks(4) == [-1, -0.5, 0, 0.5, 1]

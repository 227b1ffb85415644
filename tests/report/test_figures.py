"""Bars and strips are drawn where their numbers say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from marl.report.figures import information_strip, payoff_bar, payoff_scale, tile_strip
from marl.report.svg import Scale

ARM = {"mean": 8.0, "low": 7.0, "high": 9.0}


def parts(drawing: str, tag: str, name: str) -> list[ET.Element]:
    return [node for node in ET.fromstring(drawing).iter(tag) if name in node.get("class", "").split()]


def test_a_bar_reaches_from_zero_to_the_mean() -> None:
    drawing = payoff_bar("normal", "with the channel", ARM, Scale(0, 10), [("bound", 5.0)])
    (bar,) = parts(drawing, "rect", "bar")
    assert (bar.get("x"), bar.get("width")) == ("0.00%", "80.00%")
    whisker = parts(drawing, "line", "whisker")[0]
    assert (whisker.get("x1"), whisker.get("x2")) == ("70.00%", "90.00%")
    assert parts(drawing, "line", "bound")[0].get("x1") == "50.00%"


def test_a_negative_mean_hangs_left_of_zero() -> None:
    arm = {"mean": -5.0, "low": -6.0, "high": -4.0}
    (bar,) = parts(payoff_bar("off", "off", arm, Scale(-10, 10), []), "rect", "bar")
    assert (bar.get("x"), bar.get("width")) == ("25.00%", "25.00%")


def test_a_bar_says_its_numbers_to_those_who_do_not_see_it() -> None:
    drawing = ET.fromstring(payoff_bar("normal", "with <b>", ARM, Scale(0, 10), []))
    assert drawing.get("role") == "img"
    assert drawing.get("aria-label") == "with <b>: 8.00, interval 7.00 to 9.00"


def test_one_axis_holds_every_arm_and_reference() -> None:
    scale = payoff_scale([ARM, {"mean": -2.0, "low": -3.0, "high": -1.0}], [10.0, None])
    assert scale.low <= -3
    assert scale.high >= 10


def test_a_tile_marks_its_mean() -> None:
    drawing = tile_strip("normal", ARM, Scale(0, 10), [("optimum", 10.0)])
    assert parts(drawing, "circle", "dot")[0].get("cx") == "80.00%"
    assert ET.fromstring(drawing).get("aria-hidden") == "true"


@pytest.mark.parametrize(("bits", "place"), [(0.0, "0.00%"), (1.0, "50.00%"), (2.0, "100.00%")])
def test_information_stands_on_an_axis_to_the_most_possible(bits: float, place: str) -> None:
    information = {"bits": bits, "null_mean": 0.1, "null_high": 0.2, "p": 0.5, "max_bits": 2.0}
    drawing = information_strip(information)
    assert parts(drawing, "circle", "dot")[0].get("cx") == place
    assert parts(drawing, "rect", "null")[0].get("width") == "10.00%"
    assert [node.text for node in parts(drawing, "text", "tick")][-1] == "2"


def test_a_game_with_one_situation_has_no_bits_and_still_a_drawing() -> None:
    nothing = {"bits": 0.0, "null_mean": 0.0, "null_high": 0.0, "p": 1.0, "max_bits": 0.0}
    assert parts(information_strip(nothing), "circle", "dot")[0].get("cx") == "0.00%"

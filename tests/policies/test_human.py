import io

import pytest

from marl.errors import ScenarioError
from marl.policies import HumanPolicy


def ask(view, typed):
    output = io.StringIO()
    [decision] = HumanPolicy("me", io.StringIO(typed), output).decide([view])
    return decision, output.getvalue()


@pytest.mark.parametrize("typed", ["3\n", "north east\n", " North  East\n"])
def test_a_number_or_a_text(make_view, typed):
    decision, shown = ask(make_view("act"), typed)
    assert (decision.text, decision.choice) == ("north east", 2)
    assert "3. north east" in shown
    assert make_view("act").prompt in shown


def test_asks_again_until_it_fits(make_view):
    decision, shown = ask(make_view("act"), "9\nnowhere\n\n0\n2\n")
    assert decision.choice == 1
    assert shown.count("or a number from 1 to 4") == 4
    assert "'nowhere' is not one of" in shown


def test_options_that_are_numbers_mean_themselves(make_view):
    decision, _ = ask(make_view("act", options=("3", "1", "2")), "1\n")
    assert (decision.text, decision.choice) == ("1", 1)


def test_free_talk_and_silence(make_view):
    assert ask(make_view("talk"), "  go   north \n")[0].text == "go north"
    assert ask(make_view("talk"), "\n")[0].text == ""


def test_too_many_words(make_view):
    decision, shown = ask(make_view("talk", budget=2), "one two three\none two\n")
    assert decision.text == "one two"
    assert "3 words; at most 2" in shown


def test_the_end_of_the_input(make_view):
    with pytest.raises(ScenarioError, match="input ended"):
        ask(make_view("act"), "nowhere\n")


def test_standard_streams_are_the_default(make_view, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
    [decision] = HumanPolicy("me").decide([make_view("act")])
    assert decision.choice == 0
    assert "Choose:" in capsys.readouterr().out

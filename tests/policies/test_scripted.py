import pytest

from marl.errors import ScenarioError
from marl.policies import ScriptedPolicy
from marl.policies.scripted import constant, follow, random, silent, tell, tell_and_follow
from marl.types import Message, ParseFailure


def heard(*lines):
    return tuple(Message(sender, text, text, 0, 0, ()) for sender, text in lines)


def test_random_takes_every_option_equally(make_view):
    picks = [random(make_view("act", seed=seed)) for seed in range(400)]
    counts = [picks.count(option) for option in make_view("act").options]
    assert min(counts) > 60
    assert sum(counts) == 400


def test_random_and_silent_say_nothing_in_free_talk(make_view):
    assert random(make_view("talk")) == silent(make_view("talk")) == ""


def test_silent_must_pick_where_there_are_options(make_view):
    assert silent(make_view("talk", options=("ba", "du"))) in ("ba", "du")


def test_constant(make_view):
    assert constant(make_view("act"), option="hare") == "hare"
    assert constant(make_view("talk"), option="hare") == ""


def test_tell_says_what_it_sees_within_the_budget(make_view):
    assert tell(make_view("talk")) == "the stag is in the north valley"
    assert tell(make_view("talk", budget=3)) == "the stag is"


def test_tell_ignores_what_it_hears(make_view):
    inbox = heard(("partner_0", "south"))
    assert tell(make_view("talk", inbox=inbox)) == "the stag is in the north valley"
    assert tell(make_view("act", inbox=inbox)) == "north"


def test_tell_takes_the_longest_name_that_ends_there(make_view):
    assert tell(make_view("act", description="You see: the stag is north east.")) == "north east"


@pytest.mark.parametrize("description", ["You see no stag.", ""])
def test_tell_and_follow_fall_back(make_view, description):
    view = make_view("act", description=description)
    assert tell(view, fallback="hare") == follow(view, fallback="hare") == "hare"
    assert follow(view) in view.options


def test_follow_does_what_the_latest_other_named(make_view):
    inbox = heard(("partner_0", "north"), ("partner_0", "Go SOUTH!"), ("partner_0", "well"), ("scout_0", "hare"))
    assert follow(make_view("act", inbox=inbox)) == "south"
    assert follow(make_view("talk", inbox=inbox)) == ""


def test_names_count_as_whole_words_only(make_view):
    view = make_view("act", inbox=heard(("partner_0", "northern hares")))
    assert follow(view, fallback="south") == "south"


def test_tell_and_follow_trusts_its_own_eyes_first(make_view):
    inbox = heard(("partner_0", "south"))
    assert tell_and_follow(make_view("act", inbox=inbox)) == "north"
    assert tell_and_follow(make_view("act", inbox=inbox, description="You see no stag.")) == "south"
    assert tell_and_follow(make_view("talk")) == "the stag is in the north valley"


def test_a_text_that_is_no_option_is_a_recorded_failure(make_view):
    [decision] = ScriptedPolicy("mine", lambda view: "nowhere").decide([make_view("act")])
    assert decision.choice is None
    assert isinstance(decision.failure, ParseFailure)
    assert decision.failure.text == decision.text == "nowhere"


def test_case_and_space_are_forgiven(make_view):
    [decision] = ScriptedPolicy("mine", lambda view: " North   EAST ").decide([make_view("act")])
    assert (decision.text, decision.choice) == ("north east", 2)


def test_arguments_that_the_function_does_not_take():
    with pytest.raises(ScenarioError, match=r"constant\(view.*option.*unexpected"):
        ScriptedPolicy("mine", constant, option="hare", other=1)
    with pytest.raises(ScenarioError, match="missing a required argument: 'option'"):
        ScriptedPolicy("mine", constant)


def test_a_function_that_returns_no_text(make_view):
    with pytest.raises(ScenarioError, match="returned 3"):
        ScriptedPolicy("mine", lambda view: 3).decide([make_view("act")])

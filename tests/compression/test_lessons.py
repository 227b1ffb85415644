from __future__ import annotations

from marl.compression import fresh_lessons, lessons_of, recorded_lessons
from marl.models import Row
from marl.policies import build_policies
from marl.rollout import play
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory


def test_a_lesson_is_a_turn_as_it_was_recorded(run: RunDirectory) -> None:
    episodes = run.episodes("normal")
    turns = [turn for episode in episodes for turn in episode.turns if turn.agent == "receiver_0"]
    assert [turn.phase for turn in turns] == ["act"] * 5
    assert lessons_of(episodes, "receiver") == [Row(t.prompt_ids, (), t.option_ids, t.choice) for t in turns]
    assert lessons_of(episodes, "nobody") == []


def test_said_texts_are_lessons_with_their_tokens() -> None:
    scenario = load_scenario("scout_hunt", ["channel.budget=3"])
    episodes = play(scenario, build_policies(scenario, seed=0), range(2), seed=0)
    said = [row for row in lessons_of(episodes, "hunter") if not row.option_ids]
    assert len(said) == 4, "both hunters speak once an episode"
    assert [row.token_ids for row in said] == [t.token_ids for e in episodes for t in e.turns if t.phase == "talk"]
    assert all(row.choice is None and 1 <= len(row.token_ids) <= 3 for row in said)


def test_turns_that_no_language_model_took_teach_nothing() -> None:
    scenario = load_scenario("scout_hunt")
    from marl.policies import scripted_policy

    script = scripted_policy("tell_and_follow", scenario.analysis.strategies["tell_and_follow"])
    assert lessons_of(play(scenario, {"hunter": script}, range(2), seed=0), "hunter") == []


def test_recorded_lessons_are_those_of_the_arms_that_the_trained_policies_played(run: RunDirectory) -> None:
    rows = recorded_lessons(run, "receiver")
    assert rows == lessons_of(run.episodes("normal"), "receiver") + lessons_of(run.episodes("scrambled"), "receiver")
    assert len(rows) == 8


def test_a_run_without_episodes_has_no_recorded_lessons(copy: RunDirectory) -> None:
    import shutil

    shutil.rmtree(copy.path / "episodes")
    assert recorded_lessons(copy, "receiver") == []


def test_fresh_episodes_are_new_ones_for_each_number(run: RunDirectory, scenario: Scenario) -> None:
    policies = build_policies(scenario, seed=0, trained=run.path / "policies")
    one, again, other = (fresh_lessons(scenario, policies, "sender", number) for number in (0, 0, 1))
    assert len(one) == scenario.evaluation.episodes
    assert one == again
    assert one != other

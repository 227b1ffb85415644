from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from marl.errors import EnvError
from marl.evaluation.arms import arm_difference, evaluate_arms, stated_reference
from marl.rollout import play
from marl.settings import Scenario
from marl.types import Decision, Episode, ParseFailure, View

Make = Callable[..., Episode]


def scenario(**changes: Any) -> Scenario:
    scripted = {"kind": "scripted", "entry": "marl.policies.scripted:random"}
    data: dict[str, Any] = {
        "name": "hunt",
        "title": "Hunt",
        "kind": "cooperative",
        "seed": 5,
        "env": {"entry": "envs.scout_hunt:parallel_env"},
        "seats": {"scout_0": "scout", "partner_0": "partner"},
        "policies": {"scout": scripted, "partner": scripted},
        "evaluation": {"episodes": 64},
    }
    return Scenario.model_validate({**data, **changes})


def test_a_perfect_code_its_interventions_and_a_silent_control(hunters: Callable[..., dict[str, Any]]) -> None:
    hunt = scenario()
    trained = functools.partial(play, hunt, hunters())
    silent = functools.partial(play, hunt, hunters(hare=True), intervention="off")
    evaluation, episodes = evaluate_arms(hunt, trained, {"silent_twin": silent})

    arms = evaluation["arms"]
    assert list(arms) == list(episodes) == ["normal", "off", "scrambled", "silent_twin"]
    assert arms["normal"]["mean"] == 10.0
    assert arms["normal"]["equilibrium"]["name"].startswith("stag")
    assert arms["normal"]["equilibrium"]["matched"]
    assert arms["normal"]["success"]["mean"] == 1.0
    assert arms["silent_twin"]["mean"] == 5.0
    # without a message the partner takes the hare, and the scout still goes to the stag: 0 and 5
    assert arms["off"]["per_agent"]["scout_0"]["mean"] == 0.0
    assert arms["off"]["mean"] == 2.5
    # a random valley's name leads the partner to the stag in one of four
    assert 1.0 < arms["scrambled"]["mean"] < 4.0
    assert evaluation["optimum"] == 10.0
    assert evaluation["no_communication"] == 5.0
    for arm in ("off", "scrambled", "silent_twin"):
        difference = evaluation["differences"][f"normal-{arm}"]
        assert difference["mean"] == pytest.approx(10.0 - arms[arm]["mean"])
        assert difference["p"] == pytest.approx(1e-4)
        assert difference["n"] == 64
    by_arm = {arm: [(e.seed, e.index, e.situation) for e in played] for arm, played in episodes.items()}
    assert all(keys == by_arm["normal"] for keys in by_arm.values())
    assert all(not e.messages for e in episodes["off"])
    assert {m.text for e in episodes["scrambled"] for m in e.messages} <= {
        m.sent for e in episodes["normal"] for m in e.messages
    }


def test_same_seed_same_evaluation(hunters: Callable[..., dict[str, Any]]) -> None:
    hunt = scenario(evaluation={"episodes": 16})
    one, other = (evaluate_arms(hunt, functools.partial(play, hunt, hunters()))[0] for _ in range(2))
    assert one == other


def test_without_messages_there_is_nothing_to_intervene_on(hunters: Callable[..., dict[str, Any]]) -> None:
    hunt = scenario(channel={"topology": "none"}, evaluation={"episodes": 4})
    evaluation, episodes = evaluate_arms(hunt, functools.partial(play, hunt, hunters()))
    assert list(episodes) == ["normal"]
    assert evaluation["differences"] == {}


def test_the_scenario_says_which_arms_are_played(hunters: Callable[..., dict[str, Any]]) -> None:
    hunt = scenario(evaluation={"episodes": 4, "arms": ["normal", "scrambled"]})
    evaluation, _ = evaluate_arms(hunt, functools.partial(play, hunt, hunters()))
    assert list(evaluation["arms"]) == ["normal", "scrambled"]
    hunt = scenario(evaluation={"episodes": 4, "arms": ["normal", "deaf"]})
    evaluation, episodes = evaluate_arms(hunt, functools.partial(play, hunt, hunters()))
    assert evaluation["arms"]["deaf"]["label"] == "messages not heard"
    assert not any(message.hearers for episode in episodes["deaf"] for message in episode.messages)


def test_differences_are_paired_over_episodes_that_both_completed(episode: Make) -> None:
    first = [episode(i, {"a": 10.0 + i}) for i in range(6)]
    second = [episode(i, {"a": float(i)}, error="E: x" if i == 2 else None) for i in reversed(range(6))]
    difference = arm_difference(first, second, confidence=0.95, seed=0, name="x")
    assert (difference.mean, difference.low, difference.high, difference.n) == (10.0, 10.0, 10.0, 5)
    assert difference.test == "paired sign-flip permutation, exact"


def test_arms_on_other_episodes_are_compared_unpaired(episode: Make) -> None:
    first = [episode(i, {"a": float(i)}) for i in range(6)]
    second = [episode(i, {"a": float(i)}) for i in range(100, 104)]
    difference = arm_difference(first, second, confidence=0.95, seed=0, name="x")
    assert (difference.n, difference.test) == (4, "unpaired permutation, exact")


class Speechless:
    """Answers nothing when it should talk, as a server that is down; takes the hare."""

    name, trainable = "speechless", False

    def decide(self, views: Sequence[View]) -> list[Decision]:
        dumb = Decision("", failure=ParseFailure("", "no answer"))
        return [Decision("hare", view.options.index("hare")) if view.options else dumb for view in views]


def test_a_sender_that_never_managed_to_talk_does_not_stop_the_scrambled_arm(
    hunters: Callable[..., dict[str, Any]],
) -> None:
    hunt = scenario(evaluation={"episodes": 8})
    policies = {**hunters(), "partner": Speechless()}
    _, episodes = evaluate_arms(hunt, functools.partial(play, hunt, policies))
    assert list(episodes) == ["normal", "off", "scrambled"]
    senders = [{message.sender for e in episodes[arm] for message in e.messages} for arm in ("normal", "scrambled")]
    assert senders == [{"scout_0"}, {"scout_0"}]


def test_reference_is_the_envs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = stated_reference(scenario())
    assert stated is not None
    assert stated["optimum"] == 10.0
    import envs.scout_hunt

    monkeypatch.setattr(envs.scout_hunt.ScoutHunt, "reference", lambda self: {"optimum": 1.0})
    with pytest.raises(EnvError, match=r"lacks \['equilibria', 'no_communication'\]"):
        stated_reference(scenario())
    monkeypatch.delattr(envs.scout_hunt.ScoutHunt, "reference")
    assert stated_reference(scenario()) is None

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from marl.channel import BySender, Deaf
from marl.errors import EnvError, ScenarioError
from marl.models import LanguageModel
from marl.policies import LanguageModelPolicy, scripted_policy
from marl.rollout import Tables, opened, play
from marl.scenario import load_scenario, validate_scenario
from marl.settings import Scenario, ScriptedSettings
from marl.types import Decision, Episode, ParseFailure, View

SCRIPTED = "marl.policies.scripted"


@pytest.fixture
def scenario() -> Scenario:
    return load_scenario("scout_hunt")


def script(name: str, **kwargs: Any) -> Any:
    return scripted_policy(name, ScriptedSettings(kind="scripted", entry=f"{SCRIPTED}:{name}", kwargs=kwargs))


def transcript(episodes: Sequence[Episode]) -> list[Any]:
    return [
        (e.index, e.situation, e.returns, [(t.agent, t.phase, t.text) for t in e.turns], e.messages) for e in episodes
    ]


class Mumbler:
    """A policy whose replies parse only from the `good_after`-th time it is asked."""

    name, trainable = "mumbler", False

    def __init__(self, good_after: int) -> None:
        self.good_after, self.asked = good_after, 0

    def decide(self, views: Sequence[View]) -> list[Decision]:
        self.asked += 1
        if self.asked > self.good_after:
            return [Decision(view.options[-1], choice=len(view.options) - 1) for view in views]
        return [Decision("hm", failure=ParseFailure("hm", "it is no option")) for _ in views]


def test_a_scripted_convention_earns_the_optimum(scenario: Scenario) -> None:
    episodes = play(scenario, {"hunter": script("tell_and_follow")}, range(20), seed=1)
    assert [episode.index for episode in episodes] == list(range(20))
    assert {episode.mean_return for episode in episodes} == {10.0}
    assert {episode.success for episode in episodes} == {1.0}
    assert len({episode.situation for episode in episodes}) == 4


def test_without_the_channel_the_convention_fails(scenario: Scenario) -> None:
    episodes = play(scenario, {"hunter": script("tell_and_follow")}, range(40), seed=1, intervention="off")
    assert all(turn.phase == "act" for episode in episodes for turn in episode.turns)
    assert not any(episode.messages for episode in episodes)
    assert sum(episode.mean_return for episode in episodes) / 40 < 8


def test_the_deaf_still_speak_and_one_agent_alone_can_be_unheard(scenario: Scenario) -> None:
    policies = {"hunter": script("tell_and_follow")}
    deaf = play(scenario, policies, range(40), seed=1, intervention="deaf")
    assert all(turn.phase in ("talk", "act") and turn.heard in ((), (0,), (1,)) for e in deaf for turn in e.turns)
    assert all(len(e.messages) == 2 and not m.hearers for e in deaf for m in e.messages)
    assert sum(e.mean_return for e in deaf) / 40 < 8
    for agent, pays in (("scout_0", False), ("partner_0", True)):
        episodes = play(scenario, policies, range(40), seed=1, intervention=BySender({agent: Deaf()}))
        assert ({e.mean_return for e in episodes} == {10.0}) == pays, "only the scout's words are needed"


def test_scrambling_keeps_the_words_and_cuts_them_from_the_state(scenario: Scenario) -> None:
    policies = {"hunter": script("tell_and_follow")}
    normal = play(scenario, policies, range(40), seed=1)
    pool: dict[str, list[str]] = {agent: [] for agent in scenario.seats}
    for episode in normal:
        for message in episode.messages:
            pool[message.sender].append(message.text)
    scrambled = play(scenario, policies, range(40), seed=1, intervention="scrambled", pool=pool)
    assert [e.situation for e in scrambled] == [e.situation for e in normal]
    assert {m.text for e in scrambled for m in e.messages} <= {text for texts in pool.values() for text in texts}
    assert any(m.text != m.sent for e in scrambled for m in e.messages)
    assert sum(e.mean_return for e in scrambled) < sum(e.mean_return for e in normal)


def test_same_seed_same_transcript_another_seed_another_one(scenario: Scenario) -> None:
    policies = {"hunter": script("random")}
    first, second = (transcript(play(scenario, policies, range(8), seed=3)) for _ in range(2))
    assert first == second
    assert transcript(play(scenario, policies, range(8), seed=4)) != first


def test_an_episode_does_not_depend_on_its_neighbors(scenario: Scenario) -> None:
    policies = {"hunter": script("random")}
    together = transcript(play(scenario, policies, range(9), seed=3, group=9))
    apart = [transcript(play(scenario, policies, [index], seed=3))[0] for index in range(9)]
    assert together == apart == transcript(play(scenario, policies, range(9), seed=3, group=4))


def test_copies_begin_in_one_situation_and_go_their_own_ways(scenario: Scenario) -> None:
    policies = {"hunter": script("random")}
    episodes = play(scenario, policies, range(4, 12), seed=1, copies=4, group=3)
    situations = [episode.situation for episode in episodes]
    assert len(set(situations[:4])) == len(set(situations[4:])) == 1
    assert situations[:1] + situations[4:5] == [e.situation for e in play(scenario, policies, (1, 2), seed=1)]
    assert len({tuple(turn.text for turn in episode.turns) for episode in episodes[:4]}) > 1


def test_an_agents_own_name_overrides_its_seat(scenario: Scenario) -> None:
    policies = {"hunter": script("constant", option="hare"), "scout_0": script("constant", option="north")}
    (episode,) = play(scenario, policies, [0], seed=0)
    assert {turn.agent: turn.text for turn in episode.turns if turn.phase == "act"} == {
        "scout_0": "north",
        "partner_0": "hare",
    }


def test_an_empty_seat_is_named(scenario: Scenario) -> None:
    with pytest.raises(ScenarioError, match=r"nobody sits on 'scout_0': no policy 'hunter'.*given: \['prey'\]"):
        play(scenario, {"prey": script("random")}, [0], seed=0)


def test_unreadable_replies_default_and_are_recorded(scenario: Scenario) -> None:
    (episode,) = play(scenario, {"hunter": Mumbler(good_after=10**6)}, [0], seed=0)
    assert episode.outcome == "terminated"
    assert all(turn.failure is not None for turn in episode.turns)
    assert episode.messages == []


class Dumb:
    """Like `told`, but `agent` cannot say anything."""

    name, trainable = "dumb", False

    def __init__(self, told: Any, agent: str) -> None:
        self.told, self.agent = told, agent

    def decide(self, views: Sequence[View]) -> list[Decision]:
        failed = Decision("hm", failure=ParseFailure("hm", "no message"))
        dumb = [view.phase == "talk" and view.agent == self.agent for view in views]
        return [failed if fails else d for fails, d in zip(dumb, self.told.decide(views), strict=True)]


@pytest.mark.parametrize("words", [None, ["north", "south", "east", "west"]])
@pytest.mark.parametrize("intervention", ["none", "scrambled", "off"])
def test_a_failed_talk_turn_puts_nothing_on_the_channel(
    scenario: Scenario, intervention: str, words: list[str] | None
) -> None:
    spoken = scenario.model_copy(update={"channel": scenario.channel.model_copy(update={"vocabulary": words})})
    pool = {"scout_0": ["north"], "partner_0": ["south"]}
    policies = {"hunter": Dumb(script("constant", option="west"), "scout_0")}
    episodes = play(spoken, policies, range(4), seed=0, intervention=intervention, pool=pool)
    for episode in episodes:
        assert episode.outcome == "terminated"
        assert [m.sender for m in episode.messages] == ([] if intervention == "off" else ["partner_0"])
        failed = [(turn.agent, turn.phase, turn.text) for turn in episode.turns if turn.failure is not None]
        assert failed == ([] if intervention == "off" else [("scout_0", "talk", "hm")])
        for turn in episode.turns:
            if turn.phase == "act":
                assert "scout_0:" not in turn.prompt, "the hearer reads no line of it, not even an empty one"
                assert ("partner_0:" in turn.prompt) == (intervention != "off")


def test_a_policy_that_says_nothing_is_heard_to_say_nothing(scenario: Scenario) -> None:
    (episode,) = play(scenario, {"hunter": script("silent")}, [0], seed=0)
    assert [(message.sender, message.text) for message in episode.messages] == [("scout_0", ""), ("partner_0", "")]


def test_unreadable_replies_are_asked_again_under_retry(scenario: Scenario) -> None:
    patient = scenario.model_copy(update={"on_parse_failure": "retry"})
    mumbler = Mumbler(good_after=2)
    (episode,) = play(patient, {"hunter": mumbler}, [0], seed=0, intervention="off")
    assert mumbler.asked == 3
    assert [turn.text for turn in episode.turns] == ["hare", "hare"]
    assert all(turn.failure is None for turn in episode.turns)


def test_unreadable_replies_end_the_episode_under_forfeit(scenario: Scenario) -> None:
    strict = scenario.model_copy(update={"on_parse_failure": "forfeit"})
    (episode,) = play(strict, {"hunter": Mumbler(good_after=10**6)}, [0], seed=0)
    assert episode.outcome == "failed"
    assert episode.error is not None
    assert "forfeits: it is no option" in episode.error


def test_one_episode_that_raises_is_a_record_and_the_others_go_on(scenario: Scenario) -> None:
    faulty = scenario.model_copy(
        update={"env": scenario.env.model_copy(update={"entry": f"{__name__}:env_that_breaks_in_north", "kwargs": {}})}
    )
    episodes = play(faulty, {"hunter": script("constant", option="hare")}, range(30), seed=0)
    failed = [episode for episode in episodes if episode.outcome == "failed"]
    assert 0 < len(failed) < 30
    assert all(episode.error == "RuntimeError: the north is closed" for episode in failed)
    assert all(episode.mean_return == 5.0 for episode in episodes if episode.outcome != "failed")


@pytest.mark.parametrize("where", ["__init__", "reset", "state"])
def test_an_env_that_raises_before_anybody_plays_is_named(scenario: Scenario, where: str) -> None:
    env = scenario.env.model_copy(update={"entry": f"{__name__}:env_that_breaks", "kwargs": {"where": where}})
    with pytest.raises((EnvError, ScenarioError), match=rf"env_that_breaks.*no {where} today"):
        opened(scenario.model_copy(update={"env": env}))
    assert opened(scenario).env.agents == ["scout_0", "partner_0"]


def env_that_breaks(where: str) -> Any:
    from envs.scout_hunt import ScoutHunt

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"no {where} today")

    return type("Faulty", (ScoutHunt,), {where: broken})()


def env_that_breaks_in_north() -> Any:
    from envs.scout_hunt import ScoutHunt

    class Faulty(ScoutHunt):
        def step(self, actions: Any) -> Any:
            if self.state()[0] == 1:
                raise RuntimeError("the north is closed")
            return super().step(actions)

    return Faulty()


def language_policies() -> dict[str, LanguageModelPolicy]:
    model = LanguageModel.load("nano")
    for number, name in enumerate(("sender", "receiver")):
        model.add_adapter(name, rank=4, alpha=8, seed=number)
    return {name: LanguageModelPolicy(name, model, adapter=name) for name in ("sender", "receiver")}


def two_hunters(scenario: Scenario) -> Scenario:
    data = scenario.model_dump()
    policy = {"kind": "language_model", "model": "nano", "lora": {"rank": 4}}
    return validate_scenario(
        data
        | {
            "policies": {"sender": policy, "receiver": policy},
            "seats": {"scout_0": "sender", "partner_0": "receiver"},
        }
    )


def test_agents_that_share_a_model_are_one_batch(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    policies, calls = language_policies(), []
    model = policies["sender"].model
    for verb in ("say", "choose"):
        original = getattr(model, verb)

        def noted(*args: Any, verb: str = verb, original: Any = original, **words: Any) -> Any:
            calls.append((verb, len(args[0]), set(words["adapters"]), None in words["keys"]))
            return original(*args, **words)

        monkeypatch.setattr(model, verb, noted)
    play(two_hunters(scenario), policies, range(6), seed=0)
    both = {"sender", "receiver"}
    assert calls == [("say", 12, both, False), ("choose", 12, both, False)]


def test_what_is_kept_for_an_episode_changes_nothing_and_goes_with_it(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marl.models.prefixes.KEPT_FROM", 1)
    policies = language_policies()
    model, hunters = policies["sender"].model, two_hunters(scenario)
    sizes: list[int] = []
    kept = play(
        hunters, policies, range(6), seed=2, group=3, on_step=lambda _: sizes.append(len(model.reader.prefixes))
    )
    assert max(sizes) > 0
    assert len(model.reader.prefixes) == 0
    monkeypatch.setattr("marl.policies.language_model.owner", lambda view: None)
    assert transcript(kept) == transcript(play(hunters, policies, range(6), seed=2, group=3))


def test_what_is_kept_goes_when_playing_fails(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.models.prefixes.KEPT_FROM", 1)
    policies = language_policies()
    model = policies["sender"].model

    def stop(episode: Episode) -> None:
        assert len(model.reader.prefixes) > 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(two_hunters(scenario), policies, range(3), seed=2, on_step=stop)
    assert len(model.reader.prefixes) == 0


def test_env_copies_are_kept_and_change_no_transcript(scenario: Scenario) -> None:
    policies, tables = {"hunter": script("random")}, Tables(scenario)
    kept = [transcript(play(scenario, policies, range(start, start + 6), seed=3, tables=tables)) for start in (0, 6)]
    fresh = [transcript(play(scenario, policies, range(start, start + 6), seed=3)) for start in (0, 6)]
    assert kept == fresh
    first, again = (tables.lay(6, None, None) for _ in range(2))
    assert all(one is two for one, two in zip(first, again, strict=True))
    assert not set(map(id, tables.lay(6, "off", None))) & set(map(id, first)), "another channel, another table"


def test_a_table_whose_episode_failed_is_made_anew_and_one_with_a_pool_always(scenario: Scenario) -> None:
    tables = Tables(scenario)
    one, two = tables.lay(2, None, None)
    one.open_record(0, 0)
    one.fail("the env raised")
    assert [table is two for table in tables.lay(2, None, None)] == [True, False]
    pool = {agent: ["north"] for agent in scenario.seats}
    assert tables.lay(1, "scrambled", pool)[0] is not tables.lay(1, "scrambled", pool)[0]

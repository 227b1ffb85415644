from __future__ import annotations

from collections.abc import Callable

import pytest

from marl.communication.audit import audit, describe_senders
from marl.communication.sentence import resolve
from marl.evaluation import evaluate_episodes
from marl.seeding import stream
from marl.settings import Scenario
from marl.types import Episode

Talk = Callable[..., Episode]


def test_senders_are_described_apart_and_failed_episodes_left_out(talk: Talk) -> None:
    rng = stream(0, "audit")
    episodes = [
        talk(i, "xy"[i % 2], {"scout_0": "uv"[i % 2], "partner_0": f"m{rng.integers(10**9)}"}) for i in range(60)
    ]
    episodes.append(talk(60, "x", {"scout_0": "never"}, failed=True))
    described = describe_senders(episodes, seed=0)
    assert list(described) == ["scout_0", "partner_0"]
    scout, partner = described["scout_0"], described["partner_0"]
    assert (scout["convention"], scout["told_apart"], scout["situations"], scout["n"]) == ("separating", 2, 2, 60)
    assert scout["unique_messages"] == 2
    assert scout["groups"] == [["x"], ["y"]]
    assert scout["lexicon"][0] == {"situation": "x", "message": "u", "share": 1.0}
    assert scout["mutual_information"]["bits"] == pytest.approx(1.0)
    assert (partner["convention"], partner["told_apart"], partner["unique_messages"]) == ("babbling", 0, 60)
    assert partner["mutual_information"]["bits"] == pytest.approx(1.0)
    assert partner["mutual_information"]["p"] == 1.0


def test_silence_is_described_and_silent_agents_are_not_senders(talk: Talk) -> None:
    described = describe_senders([talk(i, "xy"[i % 2], {"scout_0": ""}) for i in range(6)], seed=0)
    assert described["scout_0"]["convention"] == "silent"
    assert described["scout_0"]["unique_messages"] == 0
    assert describe_senders([talk(0, "x", {})], seed=0) == {}


def test_a_sender_does_not_depend_on_who_else_speaks(talk: Talk) -> None:
    both = [talk(i, "xy"[i % 2], {"scout_0": f"m{i % 5}", "partner_0": "hi"}) for i in range(40)]
    alone = [talk(i, "xy"[i % 2], {"scout_0": f"m{i % 5}"}) for i in range(40)]
    assert describe_senders(both, seed=0)["scout_0"] == describe_senders(alone, seed=0)["scout_0"]


def test_audit_adds_communication_and_verdict_to_an_evaluation(talk: Talk) -> None:
    scenario = Scenario.model_validate(
        {
            "name": "talk", "title": "Talk", "kind": "cooperative", "env": {"entry": "envs.scout_hunt:parallel_env"},
            "seats": {}, "policies": {}, "evaluation": {"episodes": 40, "confidence": 0.9},
        }
    )  # fmt: skip
    normal = [talk(i, "xy"[i % 2], {"scout_0": "uv"[i % 2]}, payoff=1.0, plays={"scout_0": "go"}) for i in range(40)]
    scrambled = [talk(i, "xy"[i % 2], {"scout_0": "u"}, payoff=float(i % 2)) for i in range(40)]
    episodes = {"normal": normal, "scrambled": scrambled}
    before = evaluate_episodes(scenario, episodes, None)
    evaluation = audit(before, episodes)
    assert "verdict" not in before
    assert set(evaluation) == {*before, "communication", "verdict"}
    assert evaluation["verdict"][0]["text"] == (
        "With the channel, agents earn 1.00 per agent and episode (90% interval 1.00 to 1.00)."
    )
    assert "What the messages say is worth 0.50" in evaluation["verdict"][1]["text"]
    for line in evaluation["verdict"]:
        assert {where: resolve(evaluation, where) for where in line["numbers"]} == line["numbers"]

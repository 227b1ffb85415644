from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from marl.communication.audit import describe_senders
from marl.communication.sentence import resolve
from marl.communication.verdict import verdict
from marl.types import Episode

Talk = Callable[..., Episode]
SITUATIONS = [f"the stag is in the {valley} valley" for valley in ("north", "east/1", "south", "west")]


def arm(mean: float, equilibrium: str = "stag", **changes: Any) -> dict[str, Any]:
    part = {"mean": mean, "low": mean - 0.25, "high": mean + 0.25, "n": 64, "method": "t"}
    reached = {
        "name": equilibrium,
        "play": f"they play {equilibrium}.",
        "payoffs": {"scout_0": mean + 0.125},
        "distance": 0.125,
        "matched": True,
        "ambiguous": False,
    }
    plays = {s: {"n": 16, "mean": mean, "plays": {"scout_0: x, partner_0: y": 0.875}} for s in SITUATIONS}
    return {
        "label": "an arm", **part, "per_agent": {}, "success": None, "parse_failures": 0, "failed_calls": 0,
        "failed_episodes": 0,
        "situations": plays, "equilibrium": reached, **changes,
    }  # fmt: skip


def difference(mean: float, p: float, test: str = "paired sign-flip permutation") -> dict[str, Any]:
    return {"mean": mean, "low": mean - 0.375, "high": mean + 0.375, "p": p, "n": 61, "test": test}


@pytest.fixture
def evaluation(talk: Talk) -> dict[str, Any]:
    episodes = [talk(i, SITUATIONS[i % 4], {"scout_0": "nesw"[i % 4], "partner_0": "ok"}) for i in range(64)]
    arms = {
        "normal": arm(9.75),
        "off": arm(3.5),
        "scrambled": arm(2.5),
        "silent_twin": arm(5.125, "hare"),
        "untrained": arm(3.0),
    }
    arms["untrained"]["equilibrium"] = None
    arms["scrambled"]["equilibrium"] |= {"matched": False, "distance": 2.625}
    gaps = {f"normal-{name}": difference(9.75 - other["mean"], 0.0001) for name, other in arms.items()}
    gaps.pop("normal-normal")
    return {
        "confidence": 0.95, "optimum": 10.0, "no_communication": 5.0, "arms": arms, "differences": gaps,
        "communication": describe_senders(episodes, seed=0),
    }  # fmt: skip


def texts(evaluation: dict[str, Any]) -> str:
    return "\n".join(line["text"] for line in verdict(evaluation))


def pooled(evaluation: dict[str, Any], talk: Talk, words: str) -> dict[str, Any]:
    changed = copy.deepcopy(evaluation)
    episodes = [talk(i, SITUATIONS[i % 4], {"scout_0": words[i % 4]}) for i in range(64)]
    changed["communication"] = describe_senders(episodes, seed=0)
    return changed


def shown(value: float) -> set[str]:
    forms = {f"{value:.2f}", f"{value:.4f}", f"{100 * value:.3g}%"}
    return forms | ({str(value)} if isinstance(value, int) else set())


def check_numbers(evaluation: dict[str, Any]) -> None:
    for line in verdict(evaluation):
        for where, value in line["numbers"].items():
            assert resolve(evaluation, where) == value
        bare = re.sub(r'"[^"]*"|scout_0|partner_0', "", line["text"])
        printed = re.findall(r"-?\d+(?:\.\d+)?%?", bare)
        allowed = set().union(*(shown(value) for value in line["numbers"].values()), {"0.00"})
        assert set(printed) <= allowed, line
        assert len(set(printed)) <= len(line["numbers"]), line


def test_every_number_printed_is_a_number_of_the_file(evaluation: dict[str, Any], talk: Talk) -> None:
    evaluation["arms"]["normal"] |= {"parse_failures": 3, "failed_calls": 7, "failed_episodes": 2}
    check_numbers(evaluation)
    for words in ("nhhh", "hhhh", "aabb"):
        check_numbers(pooled(evaluation, talk, words))


def test_arms_are_named_with_their_equilibrium_and_its_play_once(evaluation: dict[str, Any]) -> None:
    text = texts(evaluation)
    assert 'With the channel, agents reach the payoffs of the equilibrium "stag": they earn 9.75 per agent' in text
    assert "(95% interval 9.50 to 10.00), within 0.12 of it. Its play: they play stag." in text
    assert 'After training without the channel, agents reach the payoffs of the equilibrium "hare"' in text
    assert "With the same policies and scrambled messages, agents reach no known equilibrium" in text
    assert "Before training, agents earn 3.00 per agent and episode (95% interval 2.75 to 3.25)." in text
    assert text.count("Its play: they play stag.") == 1


def test_an_interval_that_fits_two_equilibria_claims_neither(evaluation: dict[str, Any]) -> None:
    evaluation["arms"]["normal"]["equilibrium"] |= {"matched": False, "ambiguous": True}
    first = verdict(evaluation)[0]["text"]
    assert "fits more than one known equilibrium and does not say which was reached" in first


def test_what_messages_cause_is_claimed_only_when_significant(evaluation: dict[str, Any]) -> None:
    assert "What the messages say is worth 7.25 per agent and episode (95% interval 6.88 to 7.62, p = 0.0001" in texts(
        evaluation
    )
    evaluation["differences"]["normal-scrambled"] = difference(0.25, 0.3)
    assert "What the messages say makes no difference that can be told from chance" in texts(evaluation)
    evaluation["differences"]["normal-scrambled"] = difference(-1.5, 0.001, "unpaired permutation")
    assert "The normal arm earns less than the arm 'scrambled': the difference is -1.50" in texts(evaluation)
    assert "61 episodes each" in texts(evaluation)


def test_what_being_heard_is_worth(evaluation: dict[str, Any]) -> None:
    for key, name in (("arms", "off"), ("differences", "normal-off")):
        evaluation[key][name.replace("off", "deaf")] = copy.deepcopy(evaluation[key][name])
    text = texts(evaluation)
    assert "Being heard is worth" in text or "Being heard makes these policies no difference" in text
    assert "With the same policies, who speak and are not heard, agents" in text
    check_numbers(evaluation)


def test_bounds(evaluation: dict[str, Any]) -> None:
    assert "10.00 with messages and 5.00 without any; the whole interval lies above the latter." in texts(evaluation)
    evaluation["no_communication"] = 9.6
    assert "9.60 without any." in texts(evaluation)
    evaluation["no_communication"] = 10.0
    assert "The best possible is 10.00, and no message is needed for it." in texts(evaluation)
    evaluation["no_communication"] = None
    assert "The best possible is 10.00." in texts(evaluation)
    evaluation["optimum"] = None
    assert "best possible" not in texts(evaluation)


def test_conventions_are_named(evaluation: dict[str, Any], talk: Talk) -> None:
    text = texts(evaluation)
    assert "scout_0 tells all 4 situations apart: the messages carry 2.00 of 2.00 bits" in text
    assert '"n" for "the stag is in the north valley" (100%)' in text
    assert "partner_0 says much the same in every situation (pooling)" in text
    partial = texts(pooled(evaluation, talk, "nhhh"))
    assert "scout_0 speaks a partial pooling convention: it tells 1 of 4 situations apart from all others" in partial
    assert '"scout_0: x, partner_0: y" for "the stag is in the east/1 valley" (87.5%, payoff 9.75)' in partial
    none = copy.deepcopy(evaluation)
    none["communication"] = {}
    assert "No agent sent a message." in texts(none)


def test_an_effect_without_a_readable_convention_is_said_to_be_so(evaluation: dict[str, Any], talk: Talk) -> None:
    assert "Scrambling changes the payoff (p = 0.0001) although" in texts(pooled(evaluation, talk, "hhhh"))
    assert "although" not in texts(evaluation)


def test_games_that_always_start_alike_have_nothing_to_tell(evaluation: dict[str, Any], talk: Talk) -> None:
    episodes = [talk(i, "start", {"scout_0": "ab"[i % 2]}) for i in range(8)]
    evaluation["communication"] = describe_senders(episodes, seed=0)
    assert "scout_0 uses 2 different messages; every episode starts alike" in texts(evaluation)


def test_failures_are_told(evaluation: dict[str, Any]) -> None:
    assert "no legal action" not in texts(evaluation)
    evaluation["arms"]["off"] |= {"parse_failures": 3, "failed_episodes": 1}
    assert "In the arm 'off', replies that named no legal action: 3; episodes that failed: 1" in texts(evaluation)


def test_calls_without_a_reply_are_told_apart_from_replies(evaluation: dict[str, Any]) -> None:
    assert "brought no reply" not in texts(evaluation)
    evaluation["arms"]["off"] |= {"failed_calls": 5}
    told = "In the arm 'off', replies that named no legal action: 0; calls of a server that brought no reply: 5; "
    assert told + "episodes that failed: 0" in texts(evaluation)

"""Communication as a game on the real channel: scripted policies whose talk theory has an answer for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marl.cli import app
from marl.communication_game import SILENT, TELLS_NOTHING, communication_games
from marl.errors import ScenarioError
from marl.policies.scripted import ScriptedPolicy, constant, follow, tell
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import View

COLORS = "channel.vocabulary=[red, green, blue, white]"
PENNIES = ["env.kwargs={game: matching_pennies}", "channel.vocabulary=[heads, tails]"]
ONE_SPEAKS = "channel.topology={edges: [[player_0, player_1]]}"


def announce(view: View) -> str:
    """Says at random what it will play, and plays it."""
    said = [message.text for message in view.inbox if message.sender == view.agent]
    return said[-1] if said and view.phase == "act" else view.options[int(view.rng.integers(len(view.options)))]


def outguess(view: View) -> str:
    """Plays what was not announced; at random where nothing was."""
    heard = [message.text for message in view.inbox if message.sender != view.agent]
    other = [option for option in view.options if option not in heard]
    return other[int(view.rng.integers(len(other)))]


def scripted(**functions: Any) -> dict[str, dict[str, ScriptedPolicy]]:
    """{agent: {name: policy}} from agent=function or agent={name: function}."""
    tables = {agent: own if isinstance(own, dict) else {"learned": own} for agent, own in functions.items()}
    return {agent: {name: ScriptedPolicy(name, one) for name, one in own.items()} for agent, own in tables.items()}


def small(name: str, *overrides: str, episodes: int = 32) -> Scenario:
    return load_scenario(name, [f"analysis.episodes={episodes}", *overrides])


def text_of(record: dict[str, Any]) -> str:
    return " ".join(sentence["text"] for sentence in record["summary"])


@pytest.fixture(scope="module")
def lewis() -> dict[str, Any]:
    """A sender that tells the color, and a receiver that believes it or says red whatever it hears."""
    seats = scripted(sender_0=tell, receiver_0={"follow": follow, "red": lambda view: constant(view, "red")})
    return communication_games(small("lewis", COLORS), seats)


def test_the_record_is_plain_json(lewis: dict[str, Any]) -> None:
    assert json.loads(json.dumps(lewis, allow_nan=False)) == lewis
    assert set(lewis) == {"scenario", "episodes", "arms", "meta_games", "lies", "notes", "summary"}
    assert list(lewis["arms"]["arms"]) == ["normal", "off", "scrambled", "deaf"]


def test_with_common_interests_the_channel_makes_the_equilibrium(lewis: dict[str, Any]) -> None:
    """Heard, the signaling system pays 1 each (Lewis 1969); in no other arm more than chance."""
    arms, differences = lewis["arms"]["arms"], lewis["arms"]["differences"]
    assert arms["normal"]["learned"]["payoffs"] == [1.0, 1.0]
    assert arms["normal"]["pure"] == [[0, 0]]
    for arm in ("off", "scrambled", "deaf"):
        assert differences[arm]["welfare"]["low"] > 0.5, "two players, each loses more than a quarter"
    # Unheard, following is choosing at random; what noise makes of 1/4 against 1/4 is not called sure.
    assert not any(one["established"] for one in differences["off"]["pure"]["lost"])


def test_with_common_interests_talk_and_truth_are_the_equilibria(lewis: dict[str, Any]) -> None:
    for kind, truth, other in (("talk_or_mute", "talk", "mute"), ("truthful_or_lying", "truthful", "lying")):
        game = lewis["meta_games"][kind]
        assert game["game"]["strategies"] == [[truth, other], ["as ever"]]
        assert game["pure"] == [[0, 0]]
        (switch,) = game["switches"]
        assert switch["high"] < -0.3, "who mutes or lies loses by it, for sure"
    lying = lewis["meta_games"]["truthful_or_lying"]
    assert lying["game"]["mean"][0][1] == [0.0], "a lie names another color, always"
    assert lewis["lies"]["sender_0"]["about"] == "situation"
    assert lewis["lies"]["sender_0"]["meanings"]["red"] == "the color is red"
    assert "(sender_0 “talk”) is an equilibrium, and every switch costs who makes it" in text_of(lewis)
    assert "when it lies, “" in text_of(lewis)


def test_in_pure_conflict_silence_and_lies_are_the_equilibria() -> None:
    """Matching pennies, announced honestly to somebody who uses it: -1; unannounced 0; a lie that is believed: +1."""
    scenario = small("battle_of_the_sexes", *PENNIES, ONE_SPEAKS)
    record = communication_games(scenario, scripted(player_0=announce, player_1=outguess))
    means = {kind: [row[0] for row in game["game"]["mean"][0]] for kind, game in record["meta_games"].items()}
    assert means["truthful_or_lying"] == [-1.0, 1.0]
    assert means["talk_or_mute"][0] == -1.0
    assert abs(means["talk_or_mute"][1]) < 0.6
    for game in record["meta_games"].values():
        assert game["pure"] == [[1, 0]]
        assert game["switches"][0]["low"] > 0
    assert record["lies"]["player_0"]["about"] == "own move", "nothing but its own move is private here"
    assert record["arms"]["differences"]["deaf"]["payoffs"][0]["high"] < 0, "being heard costs the first player"
    assert record["arms"]["differences"]["deaf"]["welfare"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert "(player_0 “talk”) is not an equilibrium" in text_of(record)
    assert "(player_0 “truthful”) is not an equilibrium" in text_of(record)


def test_two_speakers_choose_by_themselves() -> None:
    """A stag hunt in which each announces stag and needs to hear it: whoever mutes sends the other to hare."""

    def careful(view: View) -> str:
        heard = [message.text for message in view.inbox if message.sender != view.agent]
        return "stag" if view.phase == "talk" or "stag" in heard else "hare"

    scenario = small(
        "battle_of_the_sexes", "env.kwargs={game: stag_hunt}", "channel.vocabulary=[stag, hare]", episodes=4
    )
    record = communication_games(scenario, scripted(player_0=careful, player_1=careful))
    game = record["meta_games"]["talk_or_mute"]
    assert game["game"]["mean"] == [[[9.0, 8.0], [0.0, 7.0]], [[9.0, 0.0], [8.0, 7.0]]]
    assert game["pure"] == [[0, 0]], "whoever is heard is trusted, so that talking pays whatever the other does"
    assert record["notes"] == {"truthful_or_lying": TELLS_NOTHING}


def test_who_says_nothing_has_nothing_to_choose() -> None:
    seats = scripted(player_0=lambda view: constant(view, "stag"), player_1=lambda view: constant(view, "stag"))
    record = communication_games(small("stag_hunt", episodes=4), seats)
    assert record["meta_games"] == {}
    assert record["notes"] == {"talk_or_mute": SILENT, "truthful_or_lying": SILENT}
    assert "“talk_or_mute” was not played: nobody said anything" in text_of(record)
    assert {gap["welfare"]["mean"] for gap in record["arms"]["differences"].values()} == {0.0}


def test_same_seed_same_record() -> None:
    seats = scripted(sender_0=tell, receiver_0=follow)
    calls: list[tuple[str, int, int]] = []
    scenario = small("lewis", COLORS, episodes=8)
    one = communication_games(scenario, seats, on_profile=lambda *row: calls.append(row))
    assert one == communication_games(scenario, seats)
    assert calls == [("arms", k, 4) for k in range(1, 5)] + [(kind, k, 2) for kind in one["meta_games"] for k in (1, 2)]


def test_a_scenario_without_talk_is_refused() -> None:
    with pytest.raises(ScenarioError, match="has no talk to study"):
        communication_games(small("lewis", "channel.intervention='off'"), scripted(sender_0=tell, receiver_0=follow))


def test_a_run_is_analyzed_by_the_command(tmp_path: Path) -> None:
    """A run in which nothing had to be learned: a scripted sender and receiver, and a script beside each."""
    script = "kind: scripted, entry: 'marl.policies.scripted:"
    overrides = [f"policies.sender={{{script}tell'}}", f"policies.receiver={{{script}follow'}}"]
    overrides.append(f"analysis.strategies={{random: {{{script}random'}}}}")
    run = RunDirectory.create(tmp_path / "run", small("lewis", COLORS, *overrides, episodes=12))
    (run.path / "policies").mkdir()
    done = CliRunner().invoke(app, ["analyze", str(run.path), "--communication"])
    assert done.exit_code == 0, done.output
    record = run.read_json("communication.json")
    assert record["checkpoint"] == "last"
    assert record["arms"]["strategies"] == [["trained", "random"], ["trained", "random"]]
    assert record["arms"]["differences"]["deaf"]["welfare"]["low"] > 0
    printed = " ".join(done.output.split())
    assert all(" ".join(sentence["text"].split()) in printed for sentence in record["summary"])
    assert not run.has("analysis.json")

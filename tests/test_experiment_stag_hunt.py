"""A real run of the stag hunt and its silent twin, analyzed: the words say what theory says of the game.

Each of four rounds pays 10 for stag together, 1 for stag alone, 8 for hare against stag and 5 for hare together. So
both profiles are equilibria, stag pays more, hare is safer (leaving it loses 4 a round and player, leaving stag 2), and
who draws stag with 2/3 makes the other indifferent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from marl.cli import app
from marl.games import EmpiricalGame, summarize
from marl.store import RunDirectory

SMALL = [
    *("training.iterations=2", "training.episodes=8", "training.evaluation_episodes=4", "training.evaluate_every=2"),
    *("evaluation.episodes=8", "analysis.episodes=8"),
]
PLAYERS = ("player_0", "player_1")
STAG, HARE = 2, 3


def both(strategy: str) -> str:
    return f"({', '.join(f'{player} “{strategy}”' for player in PLAYERS)})"


def invoke(*arguments: str) -> None:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    out = tmp_path_factory.mktemp("runs") / "stag"
    invoke("run", "stag_hunt", "--out", str(out), *(word for setting in SMALL for word in ("--set", setting)))
    invoke("analyze", str(out / "silent_twin"))
    invoke("analyze", str(out), "--communication")
    invoke("report", str(out))
    return RunDirectory(out)


@pytest.fixture(params=["with talk", "silent twin"])
def played(run: RunDirectory, request: pytest.FixtureRequest) -> RunDirectory:
    return run if request.param == "with talk" else RunDirectory(run.path / "silent_twin")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_analysis_of_the_run_has_the_equilibria_of_the_game(played: RunDirectory) -> None:
    """Policies that hunt stag nearly always add equilibria that are nearly these, so that others may be listed too."""
    analysis = played.read_json("analysis.json")
    assert analysis["game"]["strategies"] == [["trained", "untrained", "stag", "hare"]] * 2
    pure = dict(zip(map(tuple, analysis["pure"]), analysis["pure_support_probability"], strict=True))
    assert pure[HARE, HARE] == 1.0
    assert (STAG, STAG) in pure
    concepts = analysis["concepts"]
    assert set(concepts["solution"]["notes"]) <= {"ess"}
    compared = {tuple(map(tuple, one["pair"])): one for one in concepts["solution"]["risk_dominance"]}
    one = compared[(STAG, STAG), (HARE, HARE)]
    assert (one["dominant"], one["products"]) == ([HARE, HARE], [8 * 8, 16 * 16])
    assert concepts["solution"]["alpha_rank"]["masses"][0]["profile"] == [HARE, HARE]
    assert concepts["draws"]["correlated"] == 100
    told = " ".join(sentence["text"] for sentence in analysis["summary"])
    assert f"{both('hare')} risk dominates" in told
    assert f"puts {both('hare')} first" in told


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_between_stag_and_hare_the_words_say_what_theory_says(played: RunDirectory) -> None:
    """The run's own episodes of the two scripts, without the policies that are neither."""
    tournament = played.read_json("tournament.json")
    rows = {
        tuple(s - STAG for s in one["profile"]): dict(zip(one["episodes"], one["payoffs"], strict=True))
        for one in tournament["profiles"]
        if min(one["profile"]) >= STAG
    }
    game = EmpiricalGame.from_episodes(dict.fromkeys(PLAYERS, ("stag", "hare")), rows)
    analysis = summarize(game, ("stag", "stag"), rng=np.random.default_rng(0), concept_time=60.0)
    (mixed,) = analysis["mixed"]
    assert mixed["profile"] == [[pytest.approx(2 / 3), pytest.approx(1 / 3)]] * 2
    text = " ".join(sentence["text"] for sentence in analysis["summary"])
    for said in (
        "The game of mean payoffs has 2 pure equilibria (no chance involved) and 1 mixed one (some strategies drawn at "
        "random); there are no others.",
        f"In pure strategies: {both('stag')}, paying 40 and 40; {both('hare')}, paying 20 and 20.",
        "always pays more; here none is, so that every strategy is rationalizable.",
        f"The social optimum is {both('stag')}; the largest welfare is 80.",
        f"nobody less) is {both('stag')}.",
        "The price of anarchy is 2, that of stability 1.",
        f"{both('stag')} is payoff dominant: no other equilibrium pays any player more.",
        f"{both('hare')} risk dominates {both('stag')}: what its players lose by leaving alone has the larger product.",
        "keeps out every small group of mutants) is “stag” and “hare”.",
        f"the sinks of play are {{{both('stag')}}} and {{{both('hare')}}}.",
        f"puts {both('hare')} first, with the share 1 of the long run.",
        "(a coarse correlated equilibrium), welfare is 40 at least and 80 at most.",
        "a player can secure on average: player_0 20 and player_1 20.",
        "(Stackelberg; ties go its way) gets: player_0 40, answered by “stag” of player_1; player_1 40, answered by",
        "the Nash solution (the largest product of gains) pays player_0 40 and player_1 40.",
    ):
        assert said in text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_report_shows_them_and_talk_as_a_game(run: RunDirectory) -> None:
    page = Path(run.path / "report.html").read_text(encoding="utf-8")
    assert "(hare, hare) risk dominates (stag, stag)" in page
    assert '<section id="talk">' in page

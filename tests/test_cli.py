from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "models"))
from api_server import Server, legal, serving

from marl import experiment
from marl.cli import app
from marl.errors import SolverError
from marl.scenario import load_scenario, packaged_scenarios
from marl.store import RunDirectory


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


def test_list_shows_every_packaged_scenario_with_its_known_optimum(runner: CliRunner) -> None:
    done = runner.invoke(app, ["list"])
    assert done.exit_code == 0
    for name in packaged_scenarios():
        assert name in done.output
    assert re.search(r"scout_hunt.*scout_0, partner_0.*cooperative.*talk → act.*10 each.*5 each", done.output)


def test_play_shows_messages_choices_and_payoffs(runner: CliRunner) -> None:
    arguments = ["play", "scout_hunt", "--seat", "scout_0=tell_and_follow", "--seat", "partner_0=tell_and_follow"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert re.search(r"scout_0 says '.*'", done.output)
    assert "partner_0 plays" in done.output
    assert "payoffs: scout_0 10, partner_0 10" in done.output


def test_a_person_can_take_a_seat(runner: CliRunner) -> None:
    arguments = ["play", "scout_hunt", "--seat", "partner_0=human", "--seat", "scout_0=tell_and_follow"]
    done = runner.invoke(app, arguments, input="hello there\nhare\n")
    assert done.exit_code == 0, done.output
    assert "partner_0 says 'hello there'" in done.output
    assert "partner_0 5" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "scout_hut"], "did you mean 'scout_hunt'"),
        (["run", "scout_hunt", "--set", "training.itrations=3"], "did you mean 'iterations'"),
        (["evaluate", "nowhere"], "not a run directory"),
        (["report", "nowhere"], "not a run directory"),
        (["export", "nowhere", "--int8"], "not a run directory"),
        (["distill", "nowhere"], "not a run directory"),
        (["play", "scout_hunt", "--seat", "ghost_0=human"], "agents here: scout_0, partner_0"),
        (["train", "scout_hunt", "--resume"], "nothing to resume"),
        (["train", "scout_hunt", "--resume", "--seed", "3"], "leave out --seed"),
        (["play", "scout_hunt", "--model", "no/such-folder"], "no/such-folder"),
        (["psro", "kuhn_poker", "--resume"], "nothing to resume"),
        (["psro", "kuhn_poker", "--set", "psro.meta_solver=best"], "'uniform', 'alpha_rank' or 'correlated'"),
        (["psro", "lewis", "--set", "seats.sender_0=human", "--set", "policies.human={kind: human}"], "cannot sit"),
        (["tune", "nowhere.yaml"], "search file 'nowhere.yaml' does not exist"),
        (["evaluate", "nowhere", "--checkpoint", "best"], "not a run directory"),
        (["compare", "nowhere"], "not a run directory"),
        (["run", "hunt_and_meet"], "`marl train hunt_and_meet` trains them"),
        (["play", "hunt_and_meet"], "give one scenario, such as one of its tasks: scout_hunt, rendezvous"),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(runner: CliRunner, arguments: list[str], message: str) -> None:
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_a_setting_given_for_nothing_is_told(runner: CliRunner, caplog: pytest.LogCaptureFixture) -> None:
    experiment._warn_once.cache_clear()
    (Path("taken") / "scenario.yaml").parent.mkdir()
    (Path("taken") / "scenario.yaml").touch()
    (Path("taken") / "run.json").write_text("{}")  # so that nothing is trained
    for algorithm in ("dqn", "mappo"):
        given = ["--set", f"training.algorithm={algorithm}", "--set", "training.q.batch=4"]
        assert runner.invoke(app, ["train", "lewis", *given, "--out", "taken"]).exit_code == 2
    told = "settings without effect: training.q.batch (beside training.algorithm: mappo)"
    assert [record.getMessage().partition(".")[0] for record in caplog.records] == [told.partition(".")[0]]
    assert told in caplog.text


def test_a_game_file_is_solved_with_talk_before_it(runner: CliRunner) -> None:
    hunt = {"players": ["row", "column"], "payoffs": [[[4, 0], [3, 3]], [[4, 3], [0, 3]]]}
    Path("hunt.json").write_text(json.dumps(hunt))
    done = runner.invoke(app, ["solve", "hunt.json", "--messages", "2", "--speaker", "row"])
    assert done.exit_code == 0, done.output
    assert "16 extreme equilibria: 8 babbling" in " ".join(done.output.split())
    for wrong, told in (
        (["--speaker", "row"], "--speaker goes with --messages"),
        (["--messages", "2", "--concept", "ess"], "talk has a record of its own"),
        (["--messages", "2", "--speaker", "nobody"], "no player 'nobody'"),
    ):
        done = runner.invoke(app, ["solve", "hunt.json", *wrong])
        assert done.exit_code == 2
        assert told in done.output


def test_a_game_file_is_solved_in_words_and_in_json(runner: CliRunner) -> None:
    Path("hunt.nfg").write_text('NFG 1 R "hunt" { "one" "two" } { 2 2 }\n9 9 8 0 0 8 7 7\n', encoding="utf-8")
    done = runner.invoke(app, ["solve", "hunt.nfg"])
    assert done.exit_code == 0, done.output
    assert "there are 2: (one “1”, two “1”) and (one “2”, two “2”)" in " ".join(done.output.split())
    done = runner.invoke(app, ["solve", "hunt.nfg", "--json", "--concept", "mixed", "--time-limit", "30"])
    record = json.loads(done.output)
    assert [one["profile"] for one in record["mixed"]][2] == [["7/8", "1/8"]] * 2
    assert (record["complete"], record["time_limit"]) == ("yes", 30)
    assert "pure" not in record


ENTRY = """EFG 2 R "entry" { "entrant" "incumbent" }
p "" 1 1 "entry" { "out" "in" } 0
t "" 1 { 1 5 }
p "" 2 1 "reply" { "fight" "share" } 0
t "" 2 { 0 0 }
t "" 3 { 2 2 }
"""


def test_a_game_tree_is_solved_in_words_and_in_json(runner: CliRunner) -> None:
    Path("entry.efg").write_text(ENTRY, encoding="utf-8")
    done = runner.invoke(app, ["solve", "entry.efg"])
    assert done.exit_code == 0, done.output
    assert "“share” at “reply”; it pays 2 for entrant and 2 for incumbent" in " ".join(done.output.split())
    done = runner.invoke(app, ["solve", "entry.efg", "--json", "--concept", "subgame_perfect", "--concept", "pure"])
    record = json.loads(done.output)
    assert (record["subgame_perfect"]["payoffs"], record["pure"]) == (["2", "2"], [[0, 0], [1, 1]])
    done = runner.invoke(app, ["solve", "entry.efg", "--json", "--messages", "2", "--speaker", "entrant"])
    assert json.loads(done.output)["complete"] == "yes", done.output
    Path("bad.efg").write_text(ENTRY.replace('t "" 3', "x"), encoding="utf-8")
    done = runner.invoke(app, ["solve", "bad.efg"])
    assert done.exit_code == 2
    assert "bad.efg, line 6: expected a node (c, p or t)" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ('NFG 1 R "" { "a" "b" } { 2 2 }\n1 2 x', (), "bad.nfg, line 2: expected a payoff"),
        ('NFG 1 R "" { "a" } { 2 }\n1 2', ("--concept", "nash"), "unknown concepts ['nash']"),
        ('NFG 1 R "" { "a" } { 2 }\n1 2', ("--time-limit", "0"), "must be positive"),
        ('NFG 1 R "" { "a" } { 2 }\n1 2', ("--time-limit", "inf"), "at most 1,000,000 seconds; given inf"),
        ('NFG 1 R "" { "a" } { 2 }\n1 2', ("--messages", "2", "--time-limit", "nan"), "given nan"),
        ('NFG 1 R "" { "a" } { 2 }\n1 2', ("--messages", "2", "--speaker", "b"), "no player 'b'; there are a"),
    ],
)
def test_a_bad_game_gets_one_message(runner: CliRunner, text: str, arguments: tuple[str, ...], message: str) -> None:
    Path("bad.nfg").write_text(text, encoding="utf-8")
    done = runner.invoke(app, ["solve", "bad.nfg", *arguments])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--refine", "--communication"), "ask for one at a time"),
        (("--budget", "9"), "--budget is how many episodes --refine may add"),
        (("--over-checkpoints", "--time-limit", "9"), "--time-limit is for the solution concepts"),
        (("--communication", "--time-limit", "9"), "--time-limit is for the solution concepts"),
        (("--over-checkpoints", "--checkpoint", "best"), "leave out --checkpoint"),
    ],
)
def test_an_analysis_takes_no_option_of_another(runner: CliRunner, arguments: tuple[str, ...], message: str) -> None:
    done = runner.invoke(app, ["analyze", "nowhere", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert message in done.output


def test_a_time_limit_that_is_none_is_refused_before_anything_is_played() -> None:
    with pytest.raises(SolverError, match="given inf"):
        experiment.analyze("nowhere", time_limit=float("inf"))


TINY = ["training.iterations=1", "training.episodes=8", "training.evaluation_episodes=4", "evaluation.episodes=8"]


def test_several_tasks_are_trained_resumed_evaluated_and_compared(runner: CliRunner) -> None:
    assert "hunt_and_meet (scout_hunt, rendezvous)" in runner.invoke(app, ["list"]).output
    settings = [part for setting in TINY[:3] for part in ("--set", setting)]
    tasks = [("--set", f"tasks.{name}.set=[evaluation.episodes=8]") for name in ("scout_hunt", "rendezvous")]
    done = runner.invoke(app, ["train", "hunt_and_meet", *settings, *(part for task in tasks for part in task)])
    assert done.exit_code == 0, done.output
    (run,) = Path("runs").iterdir()
    again = runner.invoke(app, ["train", "hunt_and_meet", "--resume"])
    assert again.exit_code == 0, again.output
    assert [row["iteration"] for row in RunDirectory(run).metrics()] == [0, 1]
    done = runner.invoke(app, ["evaluate", str(run)])
    assert done.exit_code == 0, done.output
    assert "task scout_hunt" in done.output
    assert "task rendezvous" in done.output
    done = runner.invoke(app, ["compare", str(run), str(run / "tasks/rendezvous")])
    assert done.exit_code == 0, done.output
    assert re.search(r"scout_hunt .*multi-task .*[\d.]+ to [\d.]+", done.output)
    assert re.search(r"rendezvous .*rendezvous .*\+0.000 \(\+0.000 to \+0.000\)", done.output)


def test_a_trained_policy_is_exported_distilled_and_played(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.compression.measure.SECONDS", 0.01)
    settings = [part for setting in TINY for part in ("--set", setting)]

    def call(*arguments: str) -> str:
        done = runner.invoke(app, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output

    call("train", "lewis", *settings, "--out", "run")
    assert "run/exports/sender" in call("export", "run", "--policy", "sender")
    printed = call("export", "run", "--policy", "sender", "--int8")
    assert re.search(r"size on disk .*2\.\d\d MB .*0\.8\d MB, 3\.\d times smaller", printed)
    assert re.search(r"decisions a CPU second .* times as many \(.* in 7 repeats\)", printed)
    assert re.search(r"same likeliest answer .*% of 8 decisions", printed)
    shape = ["--layers", "1", "--width", "32", "--steps", "20"]
    printed = call("distill", "run", "--policy", "receiver", *shape, "--out", "student")
    assert "distilled" in printed
    measured = json.loads(Path("student/compression.json").read_text())
    assert f"{measured['compressed']['parameters']:,}" in printed
    seats = ["policies.sender.model=run/exports/sender-int8", "policies.receiver.model=student"]
    played = call("play", "lewis", *(part for seat in seats for part in ("--set", seat)))
    assert re.search(r"sender_0 says '(ba|du|ki|mo)'", played)
    assert "payoffs" in played
    refused = runner.invoke(app, ["train", "lewis", "--model", "run/exports/sender-int8", *settings, "--out", "again"])
    assert refused.exit_code == 2, refused.output
    assert "is an int8 network, which only plays" in " ".join(refused.output.split())
    assert not Path("again").exists()
    ambiguous = runner.invoke(app, ["export", "run"])
    assert ambiguous.exit_code == 2
    assert "name one of them with --policy: receiver, sender" in " ".join(ambiguous.output.split())


def api_run(server: Server, **settings: float) -> RunDirectory:
    """A run that has nothing to train: an API model sits on every seat."""
    api = {"kind": "api", "model": "tiny", "base_url": server.url, "input_price": 1, "output_price": 1, **settings}
    episodes = ["evaluation.episodes=4", "analysis.episodes=2"]
    run = RunDirectory.create("run", load_scenario("scout_hunt", [f"policies.hunter={json.dumps(api)}", *episodes]))
    (run.path / "policies").mkdir()
    return run


def test_what_api_calls_come_to_is_printed_and_kept(runner: CliRunner) -> None:
    with serving(legal) as server:
        run = api_run(server, cost_limit=2.0)
        printed = {}
        for step in ("play", "evaluate", "analyze"):
            before = len(server.requests)
            done = runner.invoke(app, [step, "run"])
            assert done.exit_code == 0, done.output
            printed[step] = " ".join(done.output.split()), len(server.requests) - before
    assert "API calls of hunter (tiny): 4 requests in" in printed["play"][0]
    assert f"API calls of hunter (tiny): {printed['evaluate'][1]} requests in" in printed["evaluate"][0]
    both = printed["evaluate"][1] + printed["analyze"][1]
    assert f"API calls of hunter (tiny): {both} requests in" in printed["analyze"][0], "the run's, not the step's alone"
    assert f"cost {both * 12e-6:.4f} (limit 2)" in printed["analyze"][0]
    total = run.read_json("usage.json")["total"]["hunter"]
    assert total["requests"] == both
    runner.invoke(app, ["report", "run"])
    assert total["summary"] in (run.path / "report.html").read_text(encoding="utf-8")


def test_a_cost_limit_ends_the_step_and_what_was_spent_is_kept(runner: CliRunner) -> None:
    with serving(legal) as server:
        run = api_run(server, cost_limit=0.0006, concurrency=1)
        played = runner.invoke(app, ["play", "run", "--episodes", "99"])
        ended = [runner.invoke(app, ["evaluate", "run"]) for _ in range(2)]
    for done in (played, *ended):
        assert done.exit_code == 2
        assert "of cost_limit=0.0006 is spent" in " ".join(done.output.split())
    assert "API calls of hunter (tiny)" in played.output
    assert run.read_json("usage.json")["total"]["hunter"]["requests"] > 0
    assert run.read_json("usage.json")["steps"].keys() == {"evaluate"}


def test_how_training_ended_is_printed_and_the_best_checkpoint_can_be_evaluated(runner: CliRunner) -> None:
    settings = [part for setting in [*TINY, "training.iterations=9"] for part in ("--set", setting)]
    done = runner.invoke(app, ["train", "lewis", *settings, "--set", "training.stop.env_steps=16", "--out", "run"])
    assert done.exit_code == 0, done.output
    assert "training 2/9: evaluated" in done.output
    assert "Training ended by env_steps: env_steps is 16, and 16 was asked." in done.output
    card = RunDirectory("run").read_json("run.json")
    assert (card["status"], card["ended"]) == ("trained", "env_steps: env_steps is 16, and 16 was asked")
    evaluated = runner.invoke(app, ["evaluate", "run", "--checkpoint", "best"])
    assert evaluated.exit_code == 0, evaluated.output
    assert RunDirectory("run").read_json("evaluation.json")["checkpoint"] == "best"


@pytest.mark.slow
def test_a_search_prints_its_table_best_first(runner: CliRunner) -> None:
    small = {key: int(value) for key, value in (setting.split("=") for setting in TINY)}
    search = {"scenario": "lewis", "set": small, "space": {"training.lr": {"grid": [0.001, 0.0001]}}, "concurrent": 2}
    Path("search.yaml").write_text(json.dumps(search))
    done = runner.invoke(app, ["tune", "search.yaml", "--out", "found"])
    assert done.exit_code == 0, done.output
    assert "trials 2/2" in done.output
    rows = json.loads(Path("found/results.json").read_text())
    assert [row["trial"] for row in rows] == re.findall(r"│ (000\d) +│", done.output)
    assert f"Next: marl evaluate {rows[0]['run']}" in done.output
    assert runner.invoke(app, ["tune", "search.yaml", "--out", "found"]).exit_code == 2

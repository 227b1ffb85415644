"""What the `marl` command prints: tables, and episodes as they happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from marl.errors import ScenarioError
from marl.multi_task import packaged_multi_tasks
from marl.scenario import load_scenario, packaged_scenarios, read_yaml
from marl.store import RunDirectory
from marl.types import Episode, ParseFailure

MOST_MOVES = 4
"""Columns of the table of moves; of a game with more, the report's plays say more."""

MAIN_FINDINGS = 5
"""Sentences of each kind that `marl run` prints; the report has them all."""


def print_scenarios(console: Console) -> None:
    """One line a packaged scenario: players, kind, phases, known optimum."""
    from marl.table import open_env

    table = Table("scenario", "players", "kind", "phases of a decision", "known optimum", "without messages")
    for name in packaged_scenarios():
        scenario = load_scenario(name)
        phases = " → ".join(["talk"] * scenario.channel.talk_rounds + ["act"])
        try:
            env = open_env(scenario)
        except ScenarioError:  # a third party's env that is not installed; `marl play` says what to do
            table.add_row(name, ", ".join(scenario.seats), scenario.kind, phases, "not installed", "")
            continue
        reference = env.unwrapped.reference() if hasattr(env.unwrapped, "reference") else {}
        optimum, bound = reference.get("optimum"), reference.get("no_communication")
        table.add_row(
            name,
            ", ".join(env.possible_agents),
            scenario.kind,
            phases,
            "unknown" if optimum is None else f"{optimum:g} each",
            "unknown" if bound is None else f"{bound:g} each",
        )
    console.print(table)
    for name, path in packaged_multi_tasks().items():
        console.print(f"over several tasks, for `marl train`: [bold]{name}[/] ({', '.join(read_yaml(path)['tasks'])})")


def print_evaluation(console: Console, evaluation: Mapping[str, Any], most: int | None = None) -> None:
    """The arms with their intervals, then the verdict's sentences (the first `most`, or all)."""
    table = Table("arm", "mean payoff per agent", f"{evaluation['confidence']:.0%} interval", "success", "episodes")
    for arm in evaluation["arms"].values():
        success = "" if arm["success"] is None else f"{arm['success']['mean']:.2f}"
        table.add_row(
            arm["label"], f"{arm['mean']:.2f}", f"{arm['low']:.2f} to {arm['high']:.2f}", success, str(arm["n"])
        )
    console.print(table)
    _print_moves(console, evaluation["arms"])
    _print_sentences(console, evaluation["verdict"][:most])


def _print_moves(console: Console, arms: Mapping[str, Mapping[str, Any]]) -> None:
    """How often each agent plays each of its moves, where there are few enough to be read."""
    moves = sorted({move for arm in arms.values() for own in arm["moves"].values() for move in own})
    if not moves or len(moves) > MOST_MOVES:
        return
    table = Table("share of decisions", "agent", *map(escape, moves))
    for arm in arms.values():
        label = arm["label"]
        for agent, own in arm["moves"].items():
            if own:
                table.add_row(label, escape(agent), *(_share(own.get(move)) for move in moves))
                label = ""
    console.print(table)


def _share(share: Mapping[str, Any] | None) -> str:
    return "0%" if share is None else f"{share['mean']:.0%} ({share['low']:.0%} to {share['high']:.0%})"


def print_comparison(console: Console, tasks: Mapping[str, Mapping[str, Any]]) -> None:
    """By task, the multi-task policies, the untrained ones and the specialists, and how much better the first are."""
    table = Table("task", "policies", "mean payoff per agent", "interval", "success", "multi-task minus it")
    for task, evaluation in tasks.items():
        for name, arm in evaluation["arms"].items():
            left = evaluation["differences"].get(f"normal-{name}")
            table.add_row(
                escape(task),
                "multi-task" if name == "normal" else escape(name),
                f"{arm['mean']:.3f}",
                f"{arm['low']:.3f} to {arm['high']:.3f}",
                "" if arm["success"] is None else f"{arm['success']['mean']:.2f}",
                "" if left is None else f"{left['mean']:+.3f} ({left['low']:+.3f} to {left['high']:+.3f})",
            )
        table.add_section()
    console.print(table)


def print_analysis(console: Console, analysis: Mapping[str, Any], most: int | None = None) -> None:
    """The empirical game's summary in words (the first `most` sentences, or all)."""
    _print_sentences(console, analysis["summary"][:most])


def print_usage(console: Console, run: RunDirectory) -> None:
    """What all calls of the run's API policies came to so far; nothing without any."""
    for record in run.read_json("usage.json")["total"].values() if run.has("usage.json") else ():
        print_summary(console, record["summary"])


def print_summary(console: Console, summary: str) -> None:
    """What the calls of one API policy came to."""
    console.print(f"API calls of {summary}", markup=False, highlight=False)


def print_rows(console: Console, rows: list[Mapping[str, Any]]) -> None:
    """Rows with the same keys as a table."""
    table = Table(*rows[0])
    for row in rows:
        table.add_row(
            *(f"{v:.4g}" if isinstance(v, float) else "" if v is None else escape(str(v)) for v in row.values())
        )
    console.print(table)


def print_ending(console: Console, run: RunDirectory) -> None:
    """Why training ended, where it has."""
    ended = run.read_json("run.json").get("ended")
    if ended:
        console.print(f"Training ended by {ended}.", markup=False, highlight=False)


def print_verdict(console: Console, run: RunDirectory) -> None:
    """The main findings of a finished run, and where its report lies."""
    print_ending(console, run)
    print_evaluation(console, run.read_json("evaluation.json"), MAIN_FINDINGS)
    console.print("As a game between trained, untrained and scripted policies:", style="bold")
    print_analysis(console, run.read_json("analysis.json"), MAIN_FINDINGS)
    print_usage(console, run)
    console.print("All findings, transcripts and figures stand in the report.")
    console.print(Text(f"Report: {run.path / 'report.html'}", style="bold"), soft_wrap=True)


def _print_sentences(console: Console, sentences: list[Mapping[str, Any]]) -> None:
    for sentence in sentences:
        console.print(f"• {sentence['text']}", markup=False, highlight=False)


def turn_printer(console: Console) -> Callable[[Episode], None]:
    """A callback that prints each new turn of a growing episode, and its payoffs at the end."""
    printed = {"episode": -1, "turns": 0}

    def show(episode: Episode) -> None:
        if printed["episode"] != episode.index:
            printed.update(episode=episode.index, turns=0)
            console.rule(f"episode {episode.index}")
        for turn in episode.turns[printed["turns"] :]:
            verb = "says" if turn.phase == "talk" else "plays"
            said = turn.text if turn.failure is None else _fault(turn.failure)
            console.print(Text.assemble((turn.agent, "bold cyan"), f" {verb} ", (repr(said), "green")))
        printed["turns"] = len(episode.turns)
        if episode.turns and all(turn.last for turn in latest_turns(episode)):
            payoffs = ", ".join(f"{agent} {value:g}" for agent, value in episode.returns.items())
            console.print(f"the state was: {episode.situation}", markup=False)
            console.print(Text.assemble("payoffs: ", (payoffs, "bold")))

    return show


def _fault(failure: ParseFailure) -> str:
    return f"({'unreadable' if failure.kind == 'reply' else 'no reply'}: {failure.reason})"


def latest_turns(episode: Episode) -> list[Any]:
    """Each agent's latest turn so far."""
    return list({turn.agent: turn for turn in episode.turns}.values())

"""The `marl` command: one thin command for each function of `marl.experiment`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from marl import experiment
from marl.errors import ParleyError
from marl.options import MORE_EPISODES, RUNS, S, any_scenario, begun, check_analysis, one_scenario
from marl.progress import ProgressBars
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.terminal import (
    print_analysis,
    print_comparison,
    print_ending,
    print_evaluation,
    print_rows,
    print_scenarios,
    print_summary,
    print_usage,
    print_verdict,
    turn_printer,
)

app = typer.Typer(
    name="marl",
    help="Parley: language-model agents that talk, train and are studied in PettingZoo games.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

ScenarioName = Annotated[str, typer.Argument(help="A packaged scenario's name (see `marl list`) or a YAML file.")]
RunPath = Annotated[Path, typer.Argument(help="A run directory, as made by `marl run` or `marl train`.")]
SetOption = Annotated[list[str], typer.Option("--set", help="Override a scenario field: key=value; may be repeated.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="The root seed; the scenario's own by default.", min=0)]
OutOption = Annotated[Path | None, typer.Option("--out", help="The run directory; runs/SCENARIO-TIME by default.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Language model of every seat: nano, scratch, a folder or a hub name.")
]
RunnersOption = Annotated[int | None, typer.Option("--env-runners", help="Ray actors that sample; 0 = here.", min=0)]
CheckpointOption = Annotated[
    Literal["last", "best"], typer.Option("--checkpoint", help="The policies as training left them, or at their best.")
]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", help="The trained policy's name; not needed where the run trained one.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--out", help="The new folder; RUN/exports/NAME, NAME-int8 or NAME-distilled by default.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with --out, or with the newest run of the scenario.")
]


@contextmanager
def _explained() -> Iterator[None]:
    """Print Parley's own errors as one message and exit 2; any other error is a fault of ours and shows in full."""
    try:
        yield
    except ParleyError as error:
        Console(stderr=True).print(f"[bold red]{type(error).__name__}[/]: ", end="")
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False)
        raise typer.Exit(2) from None


@contextmanager
def _stoppable(command: str, name: str, out: Path) -> Iterator[None]:
    """On Ctrl-C say how to go on, and exit 130."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(
            f"\nStopped; what is done is saved. Go on with: [bold]marl {command} {name} --out {out} --resume[/]"
        )
        raise typer.Exit(130) from None


@app.command("list")
def list_scenarios() -> None:
    """The packaged scenarios: players, kind, phase structure, known optimum."""
    with _explained():
        print_scenarios(console)


@app.command()
def run(
    scenario: ScenarioName,
    set_: SetOption = [],  # noqa: B006 - typer reads the default, nothing changes it
    seed: SeedOption = None,
    out: OutOption = None,
    model: ModelOption = None,
    env_runners: RunnersOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train, evaluate, analyze and report, in one go."""
    with _explained():
        settings = one_scenario(scenario, set_, seed, model, env_runners, resume)
        settings, folder = _begun(settings, out, resume, set_)
        console.print(f"[bold]{settings.title}[/] → {folder}")
        with _stoppable("run", scenario, folder), ProgressBars(console, settings) as bars:
            done = experiment.run(settings, folder, resume=resume, on_progress=bars, command=_command())
        print_verdict(console, done)


@app.command()
def train(
    scenario: ScenarioName,
    set_: SetOption = [],  # noqa: B006
    seed: SeedOption = None,
    out: OutOption = None,
    model: ModelOption = None,
    env_runners: RunnersOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train the scenario's learning seats, or those of all tasks of a multi-task file, and export their policies."""
    with _explained():
        settings = any_scenario(scenario, set_, seed, model, env_runners, resume)
        settings, folder = _begun(settings, out, resume, set_)
        with _stoppable("train", scenario, folder), ProgressBars(console, settings) as bars:
            experiment.train(settings, folder, resume=resume, on_progress=bars, command=_command())
        print_ending(console, RunDirectory(folder))
        print_usage(console, RunDirectory(folder))
        console.print(f"Trained policies: {folder / 'policies'}. Next: [bold]marl evaluate {folder}[/]")


@app.command()
def psro(
    scenario: ScenarioName,
    set_: SetOption = [],  # noqa: B006
    seed: SeedOption = None,
    out: OutOption = None,
    model: ModelOption = None,
    env_runners: RunnersOption = None,
    resume: ResumeOption = False,
) -> None:
    """Grow a population of policies a seat by best responses, until none gains more than psro.epsilon."""
    from marl.psro import psro as grow

    with _explained():
        settings = one_scenario(scenario, set_, seed, model, env_runners, resume)
        settings, folder = _begun(settings, out, resume, set_)
        with _stoppable("psro", scenario, folder), ProgressBars(console, settings) as bars:
            run = grow(settings, folder, resume=resume, on_progress=bars, command=_command())
        print_analysis(console, run.read_json("psro.json"))


@app.command()
def tune(
    search: Annotated[Path, typer.Argument(help="A search file: scenario, space, metric; docs/scenarios.md has one.")],
    out: OutOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
) -> None:
    """Search over scenario fields with Ray Tune; every trial is a run directory."""
    with _explained():
        folder = out or RUNS / f"{search.stem}-{datetime.now():%Y%m%d-%H%M%S}"
        with ProgressBars(console) as bars:
            rows = experiment.tune(search, folder, resume=resume, on_progress=bars)
        print_rows(console, [{k: v for k, v in row.items() if k not in {"status", "time_s"}} for row in rows])
        console.print(
            f"Results: {folder / 'results.csv'}. Next: [bold]marl evaluate {rows[0]['run']}[/]", soft_wrap=True
        )


@app.command()
def evaluate(run: RunPath, env_runners: RunnersOption = 0, checkpoint: CheckpointOption = "last") -> None:
    """Play every arm of a run on the same seeds: normal, channel off, scrambled, and the controls."""
    with _explained():
        whole = RunDirectory(run)
        tasks = whole.tasks()
        for task, directory in (tasks or {"": whole}).items():
            if task:
                console.rule(f"task {task}")
            with ProgressBars(console, directory.scenario()) as bars:
                evaluation = experiment.evaluate(
                    directory.path, env_runners=env_runners or 0, checkpoint=checkpoint, on_progress=bars
                )
            print_evaluation(console, evaluation)
            print_usage(console, directory)


@app.command()
def compare(
    run: Annotated[Path, typer.Argument(help="A run over several tasks, as made by `marl train` of such a file.")],
    specialists: Annotated[
        list[Path] | None, typer.Argument(help="Runs of single tasks, to set beside it; any number of each task.")
    ] = None,
    env_runners: RunnersOption = 0,
    checkpoint: CheckpointOption = "last",
) -> None:
    """Set policies that were trained over several tasks beside specialists, on the same held-out episodes."""
    from marl.comparison import compare as beside

    with _explained():
        with console.status("") as status:
            found = beside(
                run,
                specialists or (),
                env_runners=env_runners or 0,
                checkpoint=checkpoint,
                on_arm=lambda task, arm: status.update(f"{task}: {arm}"),
            )
        print_comparison(console, found)


@app.command()
def analyze(
    run: RunPath,
    checkpoint: CheckpointOption = "last",
    over_checkpoints: Annotated[
        bool, typer.Option("--over-checkpoints", help="Say instead whether play settled over the kept checkpoints.")
    ] = False,
    communication: Annotated[
        bool, typer.Option("--communication", help="Say instead whether talk pays: arms and meta-games.")
    ] = False,
    refine: Annotated[
        bool, typer.Option("--refine", help="Keep what was played; add the episodes that open questions need.")
    ] = False,
    budget: Annotated[
        int | None,
        typer.Option("--budget", help=f"Of --refine: episodes to add at most; {MORE_EPISODES} by default.", min=1),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            help=f"Seconds for the solution concepts; {experiment.CONCEPT_TIME:g} by default.",
            min=0.001,
        ),
    ] = None,
) -> None:
    """Play the tournament and solve the empirical game: every concept of `marl solve`, and how sure each is."""
    from marl.checkpoints import over_checkpoints as compared
    from marl.communication_game import analyze_communication

    with _explained():
        check_analysis(over_checkpoints, communication, refine, budget, time_limit, checkpoint)
        directory = RunDirectory(run)
        with ProgressBars(console, directory.scenario()) as bars:
            if over_checkpoints:
                analysis = compared(run, on_progress=bars)
            elif communication:
                analysis = analyze_communication(run, checkpoint=checkpoint, on_progress=bars)
            else:
                more = (budget or MORE_EPISODES) if refine else None
                seconds = experiment.CONCEPT_TIME if time_limit is None else time_limit
                analysis = experiment.analyze(
                    run, checkpoint=checkpoint, refine=more, time_limit=seconds, on_progress=bars
                )
        print_analysis(console, analysis)
        print_usage(console, directory)


@app.command()
def solve(
    file: Annotated[Path, typer.Argument(help="A game: .efg, .nfg, .json or .csv (see docs/solving.md).")],
    concept: Annotated[
        list[str] | None, typer.Option("--concept", help="Only this one (mixed, ess, ...); may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole record as JSON.")] = False,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Seconds in all.")] = 60.0,
    memory_limit: Annotated[int, typer.Option("--memory-limit", help="Megabytes of address space.", min=512)] = 4096,
    messages: Annotated[int, typer.Option("--messages", help="Free messages to choose from before play.", min=0)] = 0,
    speaker: Annotated[list[str] | None, typer.Option("--speaker", help="Who sends one; all do by default.")] = None,
) -> None:
    """Solve the game in a file: equilibria of every kind, dominance, welfare, stability, in words."""
    from marl.games import CheapTalk, ExtensiveGame, read_game, reduced_normal_form, solve_cheap_talk
    from marl.games import solve as solve_game

    with _explained():
        if (concept and messages) or (speaker and not messages):
            raise ParleyError("--speaker goes with --messages, and --concept does not: talk has a record of its own")
        game = read_game(file)
        if messages:
            before = reduced_normal_form(game) if isinstance(game, ExtensiveGame) else game
            talk = CheapTalk(before, speakers=speaker or game.players, messages=messages)
            record = solve_cheap_talk(talk, time_limit=time_limit, megabytes=memory_limit)
        else:
            record = solve_game(game, concept or None, time_limit=time_limit, megabytes=memory_limit)
        if as_json:
            typer.echo(json.dumps(record, indent=1))
        else:
            print_analysis(console, record)


@app.command()
def report(run: RunPath) -> None:
    """Write the run's report.html."""
    with _explained():
        console.print(f"Report: {experiment.report(run)}")


@app.command()
def play(
    scenario: Annotated[
        str, typer.Argument(help="A scenario's name, a YAML file, or a run directory (trained policies).")
    ],
    set_: SetOption = [],  # noqa: B006
    seed: SeedOption = None,
    model: ModelOption = None,
    seat: Annotated[list[str], typer.Option("--seat", help="AGENT=human, or AGENT=a scripted policy.")] = [],  # noqa: B006
    episodes: Annotated[int, typer.Option("--episodes", min=1)] = 1,
) -> None:
    """Watch episodes: messages, choices and payoffs as they happen; or take a seat yourself."""
    from marl.policies import meters

    with _explained():
        trained: dict[str, Any] | None = None
        if (Path(scenario) / "scenario.yaml").exists():
            trained = experiment.policies_of(RunDirectory(scenario))
            scenario = str(Path(scenario) / "scenario.yaml")
        settings = one_scenario(scenario, set_, seed, model)
        seats = dict(_seat(text, settings) for text in seat)
        policies = experiment.untrained_policies(settings) if trained is None else trained
        try:
            experiment.play(settings, seats=seats, episodes=episodes, on_turn=turn_printer(console), policies=policies)
        finally:
            for meter in meters(policies.values()).values():
                if meter.requests:
                    print_summary(console, meter.summary())


@app.command()
def export(
    run: RunPath,
    policy: PolicyOption = None,
    int8: Annotated[bool, typer.Option("--int8", help="One byte a weight; it plays, but cannot be trained.")] = False,
    out: FolderOption = None,
) -> None:
    """Write a trained policy as a Hugging Face folder, as it is or in int8, and measure what int8 costs."""
    from marl.compression import card_table, export_policy

    with _explained():
        folder, card = export_policy(RunDirectory(run), policy, int8=int8, out=out)
        if card is not None:
            console.print(card_table(card))
        console.print(f"Exported: {folder}", soft_wrap=True)


@app.command()
def distill(
    run: RunPath,
    policy: PolicyOption = None,
    layers: Annotated[int | None, typer.Option("--layers", help="Half of the trained network's by default.")] = None,
    width: Annotated[int | None, typer.Option("--width", help="A multiple of 16; half by default.")] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of training.")] = 600,
    int8: Annotated[bool, typer.Option("--int8", help="Export the student in int8.")] = False,
    out: FolderOption = None,
) -> None:
    """Teach a smaller network to decide as a trained policy does, and measure what that costs."""
    from marl.compression import card_table, distill_policy

    with _explained(), console.status("") as status:

        def show(step: int, kl: float) -> None:
            status.update(f"step {step} of {steps}: {kl:.2g} nats from the trained policy")

        folder, card = distill_policy(
            RunDirectory(run), policy, layers=layers, width=width, steps=steps, int8=int8, out=out, on_step=show
        )
        console.print(card_table(card))
        console.print(f"Exported: {folder}", soft_wrap=True)


def _seat(text: str, scenario: Scenario) -> tuple[str, str]:
    agent, equals, who = text.partition("=")
    if not equals or agent not in scenario.seats:
        raise ParleyError(
            f"--seat {text!r}: give AGENT=human or AGENT=POLICY; agents here: {', '.join(scenario.seats)}"
        )
    return agent, who


def _begun(scenario: S, out: Path | None, resume: bool, overrides: list[str]) -> tuple[S, Path]:
    """What is to be done, and where; for a new run, with a word on settings that have no effect."""
    settings, folder = begun(scenario, out, resume)
    if not resume:
        experiment.warn_of_idle(settings, overrides)
    return settings, folder


def _command() -> str:
    return shlex.join(["marl", *sys.argv[1:]])


if __name__ == "__main__":
    app()

"""A policy trained over several tasks beside specialists, each of which was trained on one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from marl.errors import ParleyError
from marl.experiment import Checkpoint, policies_of, untrained_policies
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import Episode

Comparison = dict[str, Any]
OnArm = Callable[[str, str], None]


def compare(
    out: str | Path,
    specialists: Sequence[str | Path] = (),
    *,
    env_runners: int = 0,
    checkpoint: Checkpoint = "last",
    on_arm: OnArm = lambda task, arm: None,
) -> Comparison:
    """Play each task of the multi-task run `out` with its policies, with the untrained ones, and with those of the
    `specialists`: run directories of the same game. All play the same held-out seeds. Writes `out`/comparison.json.

    Gives, by task: the `arms` "normal" (the multi-task policies), "untrained" and the specialists by their folders'
    names, each with mean payoff per agent and interval; and `differences` "normal-ARM", paired by episode. Raises
    ParleyError for a run that is not over several tasks, and for a specialist of a game that is none of the tasks.
    """
    from marl.evaluation import evaluate_arms
    from marl.learning.sampling import sampler

    run = RunDirectory(out)
    tasks = run.tasks()
    if not tasks:
        raise ParleyError(
            f"{str(run.path)!r} is a run of one scenario; give a run of a multi-task file, then its rivals"
        )
    rivals = _by_task({name: task.scenario() for name, task in tasks.items()}, [RunDirectory(p) for p in specialists])
    found: Comparison = {}
    with sampler(env_runners) as play:

        def player(
            task: str, arm: str, scenario: Scenario, policies: Mapping[str, Any]
        ) -> Callable[..., list[Episode]]:
            def play_arm(indices: Any, **arguments: Any) -> list[Episode]:
                on_arm(task, arm)
                return play(scenario, policies, indices, **arguments)

            return play_arm

        for name, task in tasks.items():
            scenario, policies = task.scenario(), policies_of(task, checkpoint=checkpoint)
            controls = {"untrained": player(name, "untrained", scenario, untrained_policies(scenario, policies))}
            for arm, rival in rivals[name].items():
                controls[arm] = player(name, arm, rival.scenario(), policies_of(rival, checkpoint=checkpoint))
            plain = scenario.model_copy(update={"evaluation": scenario.evaluation.model_copy(update={"arms": []})})
            found[name], _ = evaluate_arms(plain, player(name, "normal", scenario, policies), controls)
    run.write_json("comparison.json", {"checkpoint": checkpoint, "tasks": found})
    return found


def _by_task(tasks: Mapping[str, Scenario], runs: Sequence[RunDirectory]) -> dict[str, dict[str, RunDirectory]]:
    """Each task's specialists by the name of their folder."""
    found: dict[str, dict[str, RunDirectory]] = {name: {} for name in tasks}
    for run in runs:
        theirs = run.scenario()
        fitting = [name for name, own in tasks.items() if (own.env, own.channel) == (theirs.env, theirs.channel)]
        if not fitting:
            raise ParleyError(
                f"{str(run.path)!r} plays {theirs.name!r} ({theirs.env.entry}, {theirs.env.kwargs}), which is "
                f"none of the tasks {list(tasks)}: env and channel must be the same; train it with the task's settings"
            )
        for name in fitting:
            arm = run.path.resolve().name
            if arm in found[name] or arm in {"normal", "untrained"}:
                raise ParleyError(f"two policies would be called {arm!r}; rename the folder {str(run.path)!r}")
            found[name][arm] = run
    return found

"""Settings that nothing reads: they are told, and what is told to have no effect has none, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from marl.learning.effect import warning_of, without_effect
from marl.learning.metrics import is_timed
from marl.learning.presets import PRESETS
from marl.learning.trainer import Trainer
from marl.multi_task import load_any, packaged_multi_tasks
from marl.scenario import packaged_scenarios
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.training_settings import TrainingSettings

CHANGED: dict[str, Any] = {
    **{"epochs": 5, "minibatches": 3, "clip": 0.01, "credit": "turn", "group": 2, "role_decay": 0.5},
    **{"gae_lambda": 0.1, "tokens_a_batch": 4, "reference": {"coefficient": 0.5}},
    **{"action_entropy": 0.3, "message_entropy": 0.3, "signaling": 0.3},
    "mirror_descent": {"temperature": 0.5, "step_size": 0.5},
    "critic": {"width": 16, "lr": 0.1, "epochs": 3, "heads": "shared", "popart": False, "value_clip": 0.01}
    | {"model": "nano", "trunk": "trained", "trunk_lr": 0.1},
    "q": {"buffer": 50, "batch": 4, "updates": 5, "target_every": 1, "tau": 0.5, "huber": 0.01, "overestimate": 0.5}
    | {"steps": 2, "double": False, "epsilon": 0.5, "anneal": 0.9, "ucb": 5.0, "mixer_width": 8},
}
"""What each algorithm reads a part of, in other values than by default."""


def dotted(settings: dict[str, Any], prefix: str = "training.") -> dict[str, Any]:
    found = {}
    for key, value in settings.items():
        section = isinstance(value, dict) and key != "reference"
        found |= dotted(value, f"{prefix}{key}.") if section else {f"{prefix}{key}": value}
    return found


def trained(scenario: Scenario, folder: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    run = RunDirectory.create(folder, scenario)
    with Trainer(scenario, run.path) as trainer:
        trainer.run()
        modules = trainer.algorithm.learner.module.items()
        weights = {f"{name}.{key}": value.clone() for name, own in modules for key, value in own.state_dict().items()}
    return weights, [{key: value for key, value in row.items() if not is_timed(key)} for row in run.metrics()]


@pytest.mark.parametrize("algorithm", PRESETS)
def test_what_is_said_to_have_no_effect_has_none(
    make_lewis: Callable[..., Scenario], tmp_path: Path, algorithm: str
) -> None:
    base = [f"training.algorithm={algorithm}", "training.iterations=2", "training.q={updates: 2, batch: 8}"]
    given = dotted(CHANGED)
    idle = list(without_effect(TrainingSettings.model_validate({"algorithm": algorithm} | CHANGED)))
    assert set(idle) <= set(given)
    assert len(idle) > 10
    more = [f"{name}={given[name]}".replace("True", "true").replace("False", "false") for name in idle]
    plain, changed = (make_lewis("network", "network", *base, *extra) for extra in ([], more))
    one, two = trained(plain, tmp_path / "one"), trained(changed, tmp_path / "two")
    assert one[1] == two[1]
    assert all(torch.equal(one[0][name], two[0][name]) for name in one[0])


def test_by_hand() -> None:
    def idle(**training: Any) -> dict[str, str]:
        return without_effect(TrainingSettings.model_validate(training))

    assert idle() == idle(algorithm="reinforce") == {}
    assert idle(algorithm="coma", minibatches=4, gae_lambda=0.8) == {"training.minibatches": "training.algorithm: coma"}
    assert idle(algorithm="qmix", critic={"lr": 0.1, "width": 8}, reference={}) == dict.fromkeys(
        ("training.reference", "training.critic.width"), "training.algorithm: qmix"
    )
    assert idle(algorithm="dqn", q={"ucb": 2, "epsilon": 0.3}) == {"training.q.ucb": "training.q.explore: epsilon"}
    assert idle(algorithm="dqn", q={"ucb": 2, "epsilon": 0.3, "explore": "ucb"}) == {
        "training.q.epsilon": "training.q.explore: ucb"
    }
    assert idle(critic={"kind": "text", "trunk_lr": 0.1, "model": "nano"}) == {
        "training.critic.trunk_lr": "training.critic.trunk: frozen"
    }
    assert idle(clip=0.2, algorithm="magrpo", minibatches=2) == {}, "as by default: nobody is misled"


@pytest.mark.parametrize("name", [*packaged_scenarios(), *packaged_multi_tasks()])
def test_nothing_is_idle_in_what_is_packaged(name: str) -> None:
    assert warning_of(load_any(name).training) is None


def test_what_nobody_gave_for_this_training_is_not_told() -> None:
    def settings(algorithm: str) -> TrainingSettings:
        return TrainingSettings.model_validate({"algorithm": algorithm, "clip": 0.3, "q": {"batch": 4, "steps": 2}})

    assert warning_of(settings("mappo")) is None, "mappo clips, and q is kept ready for who takes dqn"
    assert warning_of(settings("reinforce")) == (
        "settings without effect: training.clip (beside training.algorithm: reinforce). Leave them out, or see "
        "docs/scenarios.md for what reads them"
    )
    chosen = ["training.algorithm=reinforce"]
    assert warning_of(settings("reinforce"), chosen) is None, "the clip is the file's, for its own algorithm"
    for key, named in (
        ("training.q.steps", "q.steps"),
        ("training.q", "q.batch, training.q.steps"),
        ("training.clip", "clip"),
        ("training.epochs", "epochs"),
    ):
        told = warning_of(settings("reinforce"), [*chosen, f"{key}=x"])
        assert told is not None
        assert told.startswith(f"settings without effect: training.{named} (beside training.algorithm: reinforce)")

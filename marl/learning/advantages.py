"""From the critic's columns to advantages and value targets: one function for each way that a preset may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.features import Columns
from marl.training_settings import TrainingSettings


@dataclass(frozen=True)
class Lesson:
    """What the critic learns: `targets` [T] for the rows that `marked` [T] says, where it now says `predictions` [T],
    both in units of reward.
    """

    targets: Tensor
    marked: Tensor
    predictions: Tensor


@dataclass(frozen=True)
class Estimate:
    """`advantages` [T], 0 on artificial rows; the critic's `lesson`, if there is one; the `baselines` after this."""

    advantages: Tensor
    lesson: Lesson | None = None
    baselines: Tensor | None = None


@dataclass(frozen=True)
class Given:
    """What an estimate is made from: the critic's `columns` (T rows, artificial ones last) and, with a critic, its
    `values` in units of reward: V of the rows [T], or Q of all options [T, A].

    `table` [T, A]: the policies' log-probabilities of all options, for estimates that need them; `baselines`
    [agents]: each role's running mean return.
    """

    columns: Mapping[str, Tensor]
    training: TrainingSettings
    values: Tensor | None = None
    table: Tensor | None = None
    baselines: Tensor | None = None


class Trajectories:
    """The way between flat rows [T] and trajectories [N, L], padded on the right."""

    def __init__(self, columns: Mapping[str, Tensor]) -> None:
        self.real = ~columns["artificial"]
        self.trajectory, place = columns["trajectory"], columns["place"]
        self.shape = (int(self.trajectory.max()) + 1, int(place[self.real].max()) + 1)
        self.at = (self.trajectory[self.real], place[self.real])
        self.mask = self.grid(torch.ones_like(self.trajectory)).bool()

    def grid(self, flat: Tensor) -> Tensor:
        """[T] -> [N, L], 0 on padding."""
        padded = flat.new_zeros(self.shape)
        padded[self.at] = flat[self.real]
        return padded

    def flat(self, grid: Tensor) -> Tensor:
        """[N, L] -> [T], 0 on artificial rows."""
        rows = grid.new_zeros(len(self.real))
        rows[self.real] = grid[self.at]
        return rows

    def bootstrap(self, values: Tensor) -> Tensor:
        """[N]: the value of each trajectory's artificial row, 0 where it has none."""
        after = values.new_zeros(self.shape[0])
        after[self.trajectory[~self.real]] = values[~self.real]
        return after


def gae(given: Given) -> Estimate:
    """Generalized advantages with the setting's lambda; see `objectives.gae`."""
    return _state_values(given, given.training.gae_lambda)


def returns(given: Given) -> Estimate:
    """The Monte-Carlo return less the baseline V, which is lambda = 1; where cut, the return goes on with V."""
    return _state_values(given, 1.0)


def _state_values(given: Given, lam: float) -> Estimate:
    assert given.values is not None
    paths, values = Trajectories(given.columns), given.values
    gained, targets = objectives.gae(
        paths.grid(given.columns["reward"]),
        paths.grid(values),
        paths.bootstrap(values),
        paths.mask,
        gamma=given.training.gamma,
        lam=lam,
    )
    return Estimate(paths.flat(gained), Lesson(paths.flat(targets), paths.real, values))


def counterfactual(given: Given) -> Estimate:
    """COMA: Q of the option taken less its mean under the agent's own policy; targets are lambda-returns of Q.

    What follows a cut is unknown (nobody has chosen there), so the last turn of a cut trajectory serves as the value
    after the turn before it and is not regressed itself. The columns mark these turns as `cut` [T].
    """
    assert given.values is not None
    assert given.table is not None
    columns = given.columns
    paths, q = Trajectories(columns), given.values
    taken = q.gather(-1, columns["chosen"].unsqueeze(-1)).squeeze(-1)
    last = columns["cut"]
    if bool(last.all()):
        raise LearningError(
            "every trajectory was cut after its only turn, so that no value of a choice is known; let episodes end, "
            "make them longer, or set training.algorithm: mappo"
        )
    after = taken.new_zeros(paths.shape[0])
    after[columns["trajectory"][last]] = taken[last]
    targets = objectives.td_lambda(
        paths.grid(columns["reward"]),
        paths.grid(taken),
        after,
        paths.mask & ~paths.grid(last),
        gamma=given.training.gamma,
        lam=given.training.gae_lambda,
    )
    advantages = objectives.counterfactual_advantages(q, given.table.exp(), columns["legal"], columns["chosen"])
    return Estimate(advantages, Lesson(paths.flat(targets), ~last, taken))


def group(given: Given) -> Estimate:
    """MAGRPO: the return from the turn on less its mean over the group's episodes, turn by turn and agent by agent.

    A cut episode's return ends with it.
    """
    columns = given.columns
    paths = Trajectories(columns)
    rewards = paths.grid(columns["reward"])
    found = objectives.monte_carlo_returns(
        rewards, rewards.new_zeros(len(rewards)), paths.mask, gamma=given.training.gamma
    )
    situation = columns["episode"] // given.training.group
    groups = objectives.group_ids(situation, columns["place"], columns["agent"])
    return Estimate(objectives.group_advantages(paths.flat(found), groups))


def role(given: Given) -> Estimate:
    """Self-play: a trajectory's return less the running mean of its role, the same for all its turns."""
    assert given.baselines is not None
    columns = given.columns
    paths = Trajectories(columns)
    rewards = paths.grid(columns["reward"])
    found = objectives.monte_carlo_returns(
        rewards, rewards.new_zeros(len(rewards)), paths.mask, gamma=given.training.gamma
    )
    roles = paths.grid(columns["agent"])[:, 0]
    gained, baselines = objectives.role_advantages(found[:, 0], roles, given.baselines, decay=given.training.role_decay)
    return Estimate(gained[columns["trajectory"]], baselines=baselines)


def normalized_by_task(advantages: Tensor, task: Tensor | None = None) -> Tensor:
    """[T] with mean 0 and spread 1, in each task by itself: rewards of different games have different units."""
    if task is None:
        return objectives.normalize(advantages)
    result = torch.zeros_like(advantages)
    for number in task.unique():
        result[task == number] = objectives.normalize(advantages[task == number])
    return result


def joint_table(policies: Mapping[str, Columns], tables: Mapping[str, Tensor], legal: Tensor, first: int = 0) -> Tensor:
    """All policies' log-probabilities of all options in the critic's numbers, [T, A], beside its rows `legal` [T, A],
    the first of which is `first` in the policies' `row`.

    `tables`: each policy's own, by output for a network, and by the option's place for a language model, whose columns
    have the critic's number of each (`option_number`).
    """
    table = torch.full(legal.shape, -torch.inf, device=legal.device)
    for name, own in policies.items():
        rows = torch.as_tensor(own["row"], device=legal.device) - first
        mine = (rows >= 0) & (rows < len(legal))
        rows, given = rows[mine], tables[name].to(table.dtype)[mine]
        if "option_number" not in own:
            table[rows, : given.shape[1]] = given
        else:
            numbers = torch.as_tensor(own["option_number"], device=legal.device)[mine]
            row, place = given.isfinite().nonzero(as_tuple=True)
            table[rows[row], numbers[row, place]] = given[row, place]
    return table


ESTIMATES: dict[str, Callable[[Given], Estimate]] = {
    "gae": gae,
    "return": returns,
    "counterfactual": counterfactual,
    "group": group,
    "role": role,
}
"""By the names of `marl.learning.presets.Advantage`."""

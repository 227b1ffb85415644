"""Episodes to transitions of Q learning: of one agent from turn to turn of its own, of a team from moment to moment.

A moment is all that is decided at the same time: a talk round, or a step of the env, in which who takes turns is alone.
Turns are aligned by agent and turn id, never by position; who is not there has None in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.batch import trajectories
from marl.learning.features import ROUNDS, Columns
from marl.learning.q_actor import QActor
from marl.learning.replay import Rows
from marl.types import Episode, Turn

Seats = tuple[Turn | None, ...]
"""For each seat of a team its turn in a moment."""


@dataclass(frozen=True)
class Transition:
    """What the seats did `now`, the discounted `reward` until, `steps` moments later, they decide `then`; nobody does
    where it is over.
    """

    now: Seats
    reward: float
    then: Seats
    steps: int

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return all(turn is None for turn in self.then)


def own_transitions(
    episodes: Sequence[Episode], learning: Collection[str], *, steps: int = 1, gamma: float = 1.0
) -> dict[str, list[Transition]]:
    """Policy -> transitions of one seat each, from each turn of its agents to the same agent's `steps`-th after it.

    The reward is what the agent received until then, by `gamma` less with each turn of its own. Where an agent was cut
    off, what it would have been asked next is not known, and so neither is its value: its last turn begins no
    transition, and those before it reach no further than to it. Raises LearningError as `trajectories` does.
    """
    found: dict[str, list[Transition]] = {}
    for path in trajectories(episodes, learning):
        seats: list[Seats] = [(turn,) for turn in path.turns]
        rewards = [turn.reward for turn in path.turns]
        for each in _ahead(seats, rewards, path.turns[-1].next_state is not None, steps, gamma):
            assert each.now[0] is not None
            found.setdefault(each.now[0].policy, []).append(each)
    return found


def team_transitions(
    episodes: Sequence[Episode],
    team: Sequence[str],
    learning: Collection[str],
    *,
    steps: int = 1,
    gamma: float = 1.0,
) -> list[Transition]:
    """Transitions of all agents of `team`, a seat each, from each moment in which one of them decides to the `steps`-th
    after it.

    The reward is the mean over the team of what its agents received until then, also those that did not decide, by
    `gamma` less with each moment. Where agents were cut off at the last moment, it is dealt with as in
    `own_transitions`.
    """
    trajectories(episodes, learning)  # for its checks
    found = []
    for episode in episodes:
        if episode.outcome != "failed":
            moments, rewards = _moments(episode, team)
            # A mate that was cut off before, or a rival, leaves what the others end with as known as it was.
            cut = any(turn is not None and turn.next_state is not None for turn in (moments or [()])[-1])
            found += _ahead(moments, rewards, cut, steps, gamma)
    return found


def _ahead(moments: Sequence[Seats], rewards: Sequence[float], cut: bool, steps: int, gamma: float) -> list[Transition]:
    """Transitions over `steps` moments, or as many as there are; the moments after a `cut` are not known."""
    known = len(moments) - cut
    totals, counts = objectives.n_step_rewards(
        torch.tensor([rewards[:known]], dtype=torch.float64),
        torch.ones(1, known, dtype=torch.bool),
        n=steps,
        gamma=gamma,
    )
    ends: list[Seats] = [*moments, (None,) * len(moments[0])] if moments else []
    return [
        Transition(now, total, ends[place + count], count)
        for place, (now, total, count) in enumerate(
            zip(moments[:known], totals[0].tolist(), counts[0].tolist(), strict=True)
        )
    ]


def _moments(episode: Episode, team: Sequence[str]) -> tuple[list[Seats], list[float]]:
    """What the team decides at each moment in order of time, and its mean reward until its next one."""
    groups: list[dict[str, Turn]] = []
    rewards: list[float] = []
    last = None
    for turn in sorted(episode.turns, key=lambda turn: turn.id):
        if turn.agent in team:
            when = (turn.step, turn.phase, turn.round)
            if when != last:
                groups.append({})
                rewards.append(0.0)
            last = when
            groups[-1][turn.agent] = turn
        if rewards:
            rewards[-1] += sum(turn.paid.get(agent, 0.0) for agent in team) / len(team)
    return [tuple(group.get(agent) for agent in team) for group in groups], rewards


def transition_rows(transitions: Sequence[Transition], actors: Sequence[QActor], *, state: bool) -> Rows:
    """Columns of T transitions for a replay buffer, `actors` one a seat: reward [T] float32, terminal [T] bool, steps
    [T] int64; with `state` state and next_state [T, S + 2] float32; and for each seat k k/present [T], k/choice [T],
    k/next_present [T] and what the actor keeps of its situations, under k/now/ and k/then/.
    """
    rows: Rows = {
        "reward": np.array([each.reward for each in transitions], np.float32),
        "terminal": np.array([each.terminal for each in transitions]),
        "steps": np.array([each.steps for each in transitions], np.int64),
    }
    if state:
        width = next(_moment_state(each.now) for each in transitions).size
        rows["state"] = np.stack([_moment_state(each.now) for each in transitions])
        rows["next_state"] = np.stack(
            [np.zeros(width, np.float32) if each.terminal else _moment_state(each.then) for each in transitions]
        )
    for seat, actor in enumerate(actors):
        now, then = ([getattr(each, when)[seat] for each in transitions] for when in ("now", "then"))
        rows[f"{seat}/present"] = np.array([turn is not None for turn in now])
        rows[f"{seat}/next_present"] = np.array([turn is not None for turn in then])
        rows[f"{seat}/choice"] = actor.choices(now)
        for when, turns in (("now", now), ("then", then)):
            rows |= {f"{seat}/{when}/{name}": column for name, column in actor.situations(turns).items()}
    return rows


def _moment_state(seats: Seats) -> np.ndarray:
    """The env's state [S] as the moment's first turn had it, whether it is a moment of acting, and which talk round."""
    turn = min((turn for turn in seats if turn is not None), key=lambda turn: turn.id)
    if not np.isfinite(turn.state).all():
        raise LearningError(f"the env's state() is not finite: {turn.state}; fix state()")
    return np.append(turn.state, [turn.phase == "act", turn.round / ROUNDS]).astype(np.float32)


def packed(rows: Rows) -> Columns:
    """The rows as arrays, lists as arrays of objects, which RLlib's batches carry as they are."""
    return {
        name: column if isinstance(column, np.ndarray) else np.fromiter(column, dtype=object, count=len(column))
        for name, column in rows.items()
    }


def unpacked(columns: Mapping[str, np.ndarray]) -> Rows:
    """What `packed` was given."""
    return {name: list(column) if column.dtype == object else column for name, column in columns.items()}

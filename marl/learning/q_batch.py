"""Episodes to transitions of Q learning: of one agent from its turn to its next, of a team from moment to moment.

A moment is all that is decided at the same time: a talk round, or a step of the env, in which who takes turns is alone.
Turns are aligned by agent and turn id, never by position; who is not there has None in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from marl.errors import LearningError
from marl.learning.batch import trajectories
from marl.learning.features import ROUNDS, Columns
from marl.learning.q_actor import QActor
from marl.learning.replay import Rows
from marl.types import Episode, Turn

Seats = tuple[Turn | None, ...]
"""For each seat of a team its turn in a moment."""


@dataclass(frozen=True)
class Transition:
    """What the seats did `now`, the `reward` until the next moment, and who decides `then`; nobody where it is over."""

    now: Seats
    reward: float
    then: Seats

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return all(turn is None for turn in self.then)


def own_transitions(episodes: Sequence[Episode], learning: Collection[str]) -> dict[str, list[Transition]]:
    """Policy -> transitions of one seat each, from each turn of its agents to the same agent's next one.

    The reward is what the agent received until then. Where an agent was cut off, its last turn is left out: what it
    would have been asked next is not known, and so neither is its value. Raises LearningError as `trajectories` does.
    """
    found: dict[str, list[Transition]] = {}
    for path in trajectories(episodes, learning):
        for turn, after in zip(path.turns, [*path.turns[1:], None], strict=True):
            if after is not None or turn.next_state is None:
                found.setdefault(turn.policy, []).append(Transition((turn,), turn.reward, (after,)))
    return found


def team_transitions(episodes: Sequence[Episode], team: Sequence[str], learning: Collection[str]) -> list[Transition]:
    """Transitions of all agents of `team`, a seat each, from each moment in which one of them decides to the next.

    The reward is the mean over the team of what its agents received until then, also those that did not decide. The
    last moment of an episode that was cut is left out. Raises LearningError as `trajectories` does.
    """
    trajectories(episodes, learning)  # for its checks
    found = []
    for episode in episodes:
        if episode.outcome == "failed":
            continue
        moments, rewards = _moments(episode, team)
        for now, reward, then in zip(moments, rewards, [*moments[1:], None], strict=True):
            if then is not None or episode.outcome != "truncated":
                found.append(Transition(now, reward, then or (None,) * len(team)))
    return found


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
    """Columns of T transitions for a replay buffer, `actors` one a seat: reward [T] float32, terminal [T] bool; with
    `state` state and next_state [T, S + 2] float32; and for each seat k k/present [T], k/choice [T], k/next_present [T]
    and what the actor keeps of its situations, under k/now/ and k/then/.
    """
    rows: Rows = {
        "reward": np.array([each.reward for each in transitions], np.float32),
        "terminal": np.array([each.terminal for each in transitions]),
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

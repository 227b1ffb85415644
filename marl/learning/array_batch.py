"""From array play to the learner's columns: what `marl.learning.batch.column_batch` makes of the same episodes.

Rows stand in the order of episodes, agents and time. Arrays of all of them are [N, K, T, ...] here: N copies, K agents,
T steps.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from marl.errors import LearningError
from marl.learning.array_sampling import ArrayPlay
from marl.learning.batch import CRITIC
from marl.learning.features import Columns, CriticLayout
from marl.settings import Scenario


def array_columns(
    play: ArrayPlay, scenario: Scenario, learning: Collection[str], layout: CriticLayout
) -> dict[str, Columns]:
    """Module id -> columns, as `column_batch` gives them. Raises LearningError where nobody had anything to decide."""
    agents = [place for place, agent in enumerate(layout.agents) if scenario.seats[agent] in learning]
    names = [layout.agents[place] for place in agents]
    decided = _stacked([play.moments[name].decided for name in names])
    if not decided.any():
        raise LearningError(f"no turn to learn from in {len(play.lengths)} episodes: every move was forced")
    copy, who, step = np.nonzero(decided)
    alone = copy * len(agents) + who  # a number for each trajectory, with gaps where nobody decided
    trajectory = np.unique(alone, return_inverse=True)[1]
    place = (decided.cumsum(-1) - 1)[decided]
    critic: Columns = {
        "vector": _vectors(play, layout, agents)[decided],
        "agent": np.array(agents, np.int64)[who],
        "reward": _stacked([play.moments[name].reward for name in names])[decided].astype(np.float32),
        "trajectory": trajectory.astype(np.int64),
        "place": place.astype(np.int64),
        "episode": play.first + copy,
        "artificial": np.zeros(len(copy), bool),
    }
    ends = np.flatnonzero(np.diff(trajectory, append=-1) != 0)
    cut = ends[play.cut[copy[ends]]]
    if layout.alphabet is not None:
        critic["legal"] = _stacked([play.moments[name].legal for name in names])[decided]
        critic["chosen"] = _stacked([play.moments[name].picks for name in names])[decided].astype(np.int64)
        critic["cut"] = np.isin(np.arange(len(copy)), cut)
    elif layout.reads != "none" and len(cut):
        critic = _with_artificial(critic, cut, _last_vectors(play, layout, agents)[copy[cut], who[cut]])
    _check(critic["vector"])
    ids = _turn_ids(play, layout)[:, agents][decided]
    owned = {name: [k for k, agent in enumerate(names) if scenario.seats[agent] == name] for name in learning}
    columns = {CRITIC: critic | _silence(len(critic["agent"]))}
    for name, own in owned.items():
        rows = np.flatnonzero(np.isin(who, own))
        if len(rows):
            columns[name] = _own_columns(play, [names[k] for k in own], own, copy, who, step, rows) | {
                "row": rows,
                "episode": play.first + copy[rows],
                "turn": ids[rows],
                "agent": critic["agent"][rows],
            }
    return columns


def _stacked(steps: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """K lists of T arrays [N, ...] -> [N, K, T, ...]."""
    return np.moveaxis(np.array(steps), 2, 0)


def _vectors(play: ArrayPlay, layout: CriticLayout, agents: Sequence[int]) -> np.ndarray:
    """What the critic reads of each decision, [N, K, T, D]."""
    shape = (len(play.lengths), len(agents), len(play.states))
    vectors = np.zeros((*shape, layout.vector), np.float32)
    if layout.reads == "own":
        for k, place in enumerate(agents):
            seen = np.stack(play.moments[layout.agents[place]].features, axis=1)
            vectors[:, k, :, : seen.shape[-1]] = seen
    elif layout.reads != "none":
        vectors[..., : layout.vector - layout.joint] = np.stack(play.states, axis=1)[:, None]
    if layout.alphabet is not None:
        vectors[..., layout.vector - layout.joint :] = _others(play, layout, agents)
    return vectors


def _others(play: ArrayPlay, layout: CriticLayout, agents: Sequence[int]) -> np.ndarray:
    """What the other agents choose in the same step, one-hot, [N, K, T, all agents * A]."""
    assert layout.alphabet is not None
    every = [play.moments[name] for name in layout.agents]
    chosen = _stacked([moments.picks for moments in every])[..., None] == np.arange(layout.alphabet.size)
    chosen &= _stacked([moments.decided for moments in every])[..., None]
    joint = np.repeat(np.moveaxis(chosen, 1, 2)[:, None], len(agents), axis=1)
    for k, place in enumerate(agents):
        joint[:, k, :, place] = False
    return joint.reshape(*joint.shape[:3], -1)


def _last_vectors(play: ArrayPlay, layout: CriticLayout, agents: Sequence[int]) -> np.ndarray:
    """What the critic reads where the episode was cut, [N, K, D]."""
    vectors = np.zeros((len(play.lengths), len(agents), layout.vector), np.float32)
    if layout.reads != "own":
        vectors[:] = play.last_state[:, None]
        return vectors
    for k, place in enumerate(agents):
        seen = play.last_features[layout.agents[place]]
        vectors[:, k, : seen.shape[-1]] = seen
    return vectors


def _with_artificial(critic: Columns, cut: np.ndarray, vectors: np.ndarray) -> Columns:
    more = {key: column[cut] for key, column in critic.items()}
    more["vector"], more["reward"] = vectors, np.zeros(len(cut), np.float32)
    more["place"], more["artificial"] = more["place"] + 1, np.ones(len(cut), bool)
    return {key: np.concatenate([column, more[key]]) for key, column in critic.items()}


def _silence(count: int) -> Columns:
    """The critic's columns of moments and messages, where all is acting and nothing is said."""
    columns: Columns = {"phase": np.ones(count, np.int64), "round": np.zeros(count, np.int64)}
    columns["message_words"] = np.zeros((count, 1, 1), np.int64)
    for name in ("message_sender", "message_round", "message_age"):
        columns[name] = np.zeros((count, 1), np.int64)
    return columns


def _turn_ids(play: ArrayPlay, layout: CriticLayout) -> np.ndarray:
    """The number that each decision would have in its episode's record, [N, all agents, T]."""
    decided = np.moveaxis(_stacked([play.moments[name].decided for name in layout.agents]), 1, 2)
    numbers = decided.reshape(len(decided), -1).cumsum(-1).reshape(decided.shape) - 1
    return np.moveaxis(numbers, 1, 2)


def _own_columns(
    play: ArrayPlay,
    names: Sequence[str],
    own: Sequence[int],
    copy: np.ndarray,
    who: np.ndarray,
    step: np.ndarray,
    rows: np.ndarray,
) -> Columns:
    """The columns of one network, which plays `names`: the agents numbered `own` in `who`."""
    at = (copy[rows], np.searchsorted(own, who[rows]), step[rows])
    moments = [play.moments[name] for name in names]
    legal = _stacked([each.legal for each in moments])[at]
    return {
        "inputs": _stacked([each.inputs for each in moments])[at],
        "legal": legal[:, : 1 + int(legal.any(0).nonzero()[0].max())],
        "choice": _stacked([each.picks for each in moments])[at].astype(np.int64),
        "log_probs": _stacked([each.log_probs for each in moments])[at][:, None].astype(np.float32),
        "log_prob_length": np.ones(len(rows), np.int64),
        "talk": np.zeros(len(rows), bool),
    }


def _check(vectors: np.ndarray) -> None:
    if not np.isfinite(vectors).all():
        raise LearningError("the array env gave the critic a number that is not finite; fix state()")

"""Episodes to column batches: one for the critic, one for each learning policy.

The critic's batch has one row for each learning turn, then the artificial rows from which truncated trajectories are
bootstrapped. A policy's rows point into it by `row`. Turns are aligned by agent and turn id, never by position.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from marl.errors import LearningError
from marl.learning.features import Columns, CriticLayout, Reading, critic_columns, final_reading, reading
from marl.policies.encoding import Alphabet
from marl.types import Episode, Turn

CRITIC = "critic"
"""Module id of the critic; no policy may have this name."""


def critic_id(task: str | None = None) -> str:
    """The critic's module id: of the only scenario, or of one task among several."""
    return CRITIC if task is None else f"{CRITIC}-{task}"


def is_critic(module_id: str) -> bool:
    """Whether it is what `critic_id` gives."""
    return module_id == CRITIC or module_id.startswith(f"{CRITIC}-")


@dataclass(frozen=True)
class Trajectory:
    """One agent's own turns of one episode in order of time."""

    episode: Episode
    turns: list[Turn]


def trajectories(episodes: Sequence[Episode], learning: Collection[str]) -> list[Trajectory]:
    """The trajectories of all agents whose policy learns, failed episodes left out.

    Raises LearningError for a reward that is not finite or a turn without log-probabilities.
    """
    found = []
    for episode in episodes:
        if episode.outcome == "failed":
            continue
        for agent in episode.agents:
            turns = sorted((t for t in episode.turns if t.agent == agent and t.policy in learning), key=lambda t: t.id)
            for turn in turns:
                _check(episode, turn)
            if turns:
                found.append(Trajectory(episode, turns))
    return found


def _check(episode: Episode, turn: Turn) -> None:
    where = f"episode {episode.index}, turn {turn.id} of {turn.agent}"
    if not np.isfinite(turn.reward):
        raise LearningError(f"{where}: the reward is {turn.reward}; rewards must be finite numbers, so fix the env")
    if not turn.log_probs:
        raise LearningError(
            f"{where}: policy {turn.policy!r} is to learn but its decision has no log-probabilities; "
            "only a language model or a network can learn, so set learn: false or seat one of them"
        )


def column_batch(episodes: Sequence[Episode], learning: Collection[str], layout: CriticLayout) -> dict[str, Columns]:
    """Module id -> columns. `learning` names the policies that learn; a policy without turns has no entry.

    Critic (T rows, then the artificial ones): the columns of `critic_columns`, and `reward`, `trajectory`, `place`
    (the turn's place in its trajectory), `episode` (its number), `artificial`. Where the layout has an alphabet also
    `legal` [T, A] bool and `chosen` [T], in its numbers, and `cut` [T] bool, a trajectory's last turn where the episode
    was cut. Policies: the columns of `turn_columns` for language models,
    of `network_columns` for networks.
    Raises LearningError when no turn is left to learn from.
    """
    paths = trajectories(episodes, learning)
    if not paths:
        errors = sorted({episode.error for episode in episodes if episode.error})
        raise LearningError(f"no turn to learn from in {len(episodes)} episodes; failures: {errors or 'none'}")
    rows: list[Reading] = []
    extra: list[tuple[Reading, int, int]] = []
    reward, trajectory, place, episode = [], [], [], []
    owned: dict[str, list[tuple[int, Turn, Episode]]] = {}
    for number, path in enumerate(paths):
        for position, turn in enumerate(path.turns):
            owned.setdefault(turn.policy, []).append((len(rows), turn, path.episode))
            rows.append(reading(layout, path.episode, turn))
            reward.append(turn.reward)
            trajectory.append(number)
            place.append(position)
            episode.append(path.episode.index)
        after = final_reading(layout, path.episode, path.turns[-1])
        if after is not None:
            extra.append((after, number, len(path.turns)))
    critic = critic_columns(layout, rows + [row for row, _, _ in extra])
    critic["reward"] = np.array(reward + [0.0] * len(extra), np.float32)
    critic["trajectory"] = np.array(trajectory + [number for _, number, _ in extra], np.int64)
    critic["place"] = np.array(place + [position for _, _, position in extra], np.int64)
    critic["episode"] = np.array(episode + [paths[number].episode.index for _, number, _ in extra], np.int64)
    critic["artificial"] = np.arange(len(rows) + len(extra)) >= len(rows)
    if layout.alphabet is not None:
        critic |= _option_columns([turn for path in paths for turn in path.turns], layout.alphabet)
        ends = [turn is path.turns[-1] and turn.next_state is not None for path in paths for turn in path.turns]
        critic["cut"] = np.array(ends)
    return {CRITIC: critic, **{name: _own_columns(turns, layout) for name, turns in owned.items()}}


Owned = tuple[int, Turn, Episode]
"""(critic row, turn, its episode)."""


def _own_columns(turns: Sequence[Owned], layout: CriticLayout) -> Columns:
    if turns[0][1].inputs is not None:
        return network_columns(turns)
    columns = turn_columns(turns)
    if layout.alphabet is not None:
        numbers = [layout.alphabet.numbers(turn.agent, turn.phase, turn.options) for _, turn, _ in turns]
        columns["option_number"] = _padded(numbers, np.int64)[0]
    return columns


def _option_columns(turns: Sequence[Turn], letters: Alphabet) -> Columns:
    legal, chosen = np.zeros((len(turns), letters.size), bool), np.zeros(len(turns), np.int64)
    for row, turn in enumerate(turns):
        numbers = letters.numbers(turn.agent, turn.phase, turn.options)
        legal[row, list(numbers)] = True
        chosen[row] = numbers[turn.choice or 0]
    return {"legal": legal, "chosen": chosen}


def network_columns(turns: Sequence[Owned]) -> Columns:
    """Columns of T turns of a network: inputs [T, F] float32; legal [T, A] bool, up to the last output that is legal
    anywhere; choice [T], the output that was chosen; and what `turn_columns` has after it.
    """
    numbers = [[ids[0] for ids in turn.option_ids] for _, turn, _ in turns]
    legal = np.zeros((len(turns), 1 + max(map(max, numbers))), bool)
    for row, given in zip(legal, numbers, strict=True):
        row[given] = True
    return {
        "inputs": np.stack([turn.inputs for _, turn, _ in turns if turn.inputs is not None]),
        "legal": legal,
        "choice": np.array([turn.token_ids[0] for _, turn, _ in turns], np.int64),
        **_record_columns(turns),
    }


def turn_columns(turns: Sequence[Owned]) -> Columns:
    """Columns of (critic row, turn, episode) triples, T rows, padded on the right with 0:

    prompt_ids [T, P], prompt_length [T]; token_ids [T, K], token_length [T]; option_ids [T, O, L], option_length
    [T, O] (0 where there is no such option); choice [T] (-1 for free text); log_probs [T, C], log_prob_length [T];
    talk [T]; and row, episode, turn, agent [T] (the agent's place in the episode's list).
    """
    options = [list(turn.option_ids) for _, turn, _ in turns]
    most = max(map(len, options)) or 1
    longest = max((len(ids) for row in options for ids in row), default=1)
    option_ids = np.zeros((len(turns), most, longest), np.int64)
    option_length = np.zeros((len(turns), most), np.int64)
    for i, row in enumerate(options):
        for j, ids in enumerate(row):
            option_ids[i, j, : len(ids)] = ids
            option_length[i, j] = len(ids)
    prompt_ids, prompt_length = _padded([turn.prompt_ids for _, turn, _ in turns], np.int64)
    token_ids, token_length = _padded([turn.token_ids for _, turn, _ in turns], np.int64)
    return {
        "prompt_ids": prompt_ids,
        "prompt_length": prompt_length,
        "token_ids": token_ids,
        "token_length": token_length,
        "option_ids": option_ids,
        "option_length": option_length,
        "choice": np.array([-1 if turn.choice is None else turn.choice for _, turn, _ in turns], np.int64),
        **_record_columns(turns),
    }


def _record_columns(turns: Sequence[Owned]) -> Columns:
    log_probs, log_prob_length = _padded([turn.log_probs for _, turn, _ in turns], np.float32)
    return {
        "log_probs": log_probs,
        "log_prob_length": log_prob_length,
        "talk": np.array([turn.phase == "talk" for _, turn, _ in turns]),
        "row": np.array([row for row, _, _ in turns], np.int64),
        "episode": np.array([episode.index for _, _, episode in turns], np.int64),
        "turn": np.array([turn.id for _, turn, _ in turns], np.int64),
        "agent": np.array([episode.agents.index(turn.agent) for _, turn, episode in turns], np.int64),
    }


def _padded(sequences: Sequence[Sequence[float]], dtype: type) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    values: np.ndarray = np.zeros((len(sequences), max(int(lengths.max()), 1)), dtype)
    for i, sequence in enumerate(sequences):
        values[i, : len(sequence)] = sequence
    return values, lengths

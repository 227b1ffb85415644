"""What the critic reads, one row a turn: a vector, who decides in which phase, and a set of messages.

Messages are a set of (words, sender, round, age) entries, so that nothing depends on who spoke first or on who kept
silent. A word is a hashed id, and so is each word together with its place in the message.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from marl.errors import LearningError
from marl.learning.presets import Reads, preset
from marl.policies.encoding import Alphabet, alphabet, talks
from marl.rollout import opened
from marl.settings import Scenario
from marl.text import flat_size
from marl.types import Episode, Message, Phase, Turn

WORD_IDS = 2048
"""Size of the hashed vocabulary; id 0 is padding."""
MESSAGE_WORDS = 16
"""Words of one message that are read; each gives two ids."""
OLDEST = 7
"""Messages said this many decisions ago, or more, share one age."""
ROUNDS = 16

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class CriticLayout:
    """Sizes that the critic is built for. `reads`: see `marl.learning.presets.Reads`. `alphabet` numbers all options
    where the critic tells them apart; `messages` is whether there is any talk to read. With `text` it reads words
    alone.
    """

    agents: tuple[str, ...]
    vector: int
    reads: Reads
    alphabet: Alphabet | None = None
    messages: bool = True
    text: bool = False

    @property
    def joint(self) -> int:
        """How many numbers tell what the others do at the same time."""
        return 0 if self.alphabet is None else len(self.agents) * self.alphabet.size


def critic_layout(scenario: Scenario) -> CriticLayout:
    """Open the scenario's env once and measure it. Raises LearningError where the critic needs a `state()` in vain,
    and EnvError where the env raises.
    """
    table = opened(scenario)
    env, agents = table.env, tuple(table.env.possible_agents)
    algorithm = scenario.training.algorithm
    reads = preset(algorithm).critic
    if reads == "none":
        return CriticLayout(agents, 0, reads, messages=False)
    if scenario.training.critic.kind == "text":
        return CriticLayout(agents, 0, reads, messages=False, text=True)
    if reads == "own":
        widths = [flat_size(env.unwrapped.observation_space(agent)) for agent in agents]
        return CriticLayout(agents, max(widths), reads, messages=talks(scenario))
    size = table.see_state()[0].size
    if not size:
        raise LearningError(
            f"{algorithm}'s critic reads the env's state(), which {scenario.env.entry} does not have; "
            f"implement state() or set training.algorithm: {'vdn' if scenario.training.value_based else 'ippo'}"
        )
    letters = alphabet(scenario) if reads == "actions" else None
    layout = CriticLayout(agents, size, reads, letters, reads != "state" and talks(scenario))
    return replace(layout, vector=size + layout.joint)


@lru_cache(maxsize=65536)
def word_ids(text: str) -> tuple[int, ...]:
    """Hashed ids, in 1..WORD_IDS-1, of the message's words and of its words in their places."""
    words = re.findall(r"\w+|[^\w\s]", text.lower())[:MESSAGE_WORDS]
    keys = [*words, *(f"{place}:{word}" for place, word in enumerate(words))]
    return tuple(1 + zlib.crc32(key.encode()) % (WORD_IDS - 1) for key in keys)


@dataclass
class Reading:
    """One row of the critic's input before padding."""

    vector: np.ndarray
    agent: int
    phase: int
    round: int
    step: int
    messages: list[Message]
    text: str = ""


def reading(layout: CriticLayout, episode: Episode, turn: Turn) -> Reading:
    """What the critic reads at `turn`. Raises LearningError when the vector does not fit the layout."""
    if layout.text:
        said = [episode.messages[i] for i in turn.said]
        return _in_words(layout, turn, turn.state_text, said, turn.phase, turn.round, turn.step)
    own = layout.reads == "own"
    vector = _seen(layout, turn.features if own else turn.state, others(layout, episode, turn))
    messages = [episode.messages[i] for i in (turn.heard if own else turn.said)] if layout.messages else []
    phase = int(turn.phase == "act")
    return _checked(layout, Reading(vector, layout.agents.index(turn.agent), phase, turn.round, turn.step, messages))


def final_reading(layout: CriticLayout, episode: Episode, turn: Turn) -> Reading | None:
    """What the critic reads after `turn`, at which the episode was cut; None where the env showed nothing there, and
    for a critic that reads choices, which nobody has made there.
    """
    if layout.text:
        if turn.next_state is None:
            return None
        return _in_words(layout, turn, turn.next_state_text, episode.messages, "act", 0, turn.step + 1)
    own = layout.reads == "own"
    vector = turn.next_features if own else turn.next_state
    if vector is None or layout.reads in ("actions", "none"):
        return None
    everything = episode.messages if layout.messages else []
    messages = [message for message in everything if not own or turn.agent in message.hearers]
    return _checked(layout, Reading(vector, layout.agents.index(turn.agent), 1, 0, turn.step + 1, messages))


def _in_words(
    layout: CriticLayout,
    turn: Turn,
    state: str | None,
    messages: Sequence[Message],
    phase: Phase,
    round_: int,
    step: int,
) -> Reading:
    if state is None:
        raise LearningError(
            f"turn {turn.id} of {turn.agent} has no state_text, which a critic of kind text reads; play the episode "
            "under the scenario that trains with it"
        )
    text = joint_text(state, messages, turn.agent, phase, round_)
    return Reading(
        np.zeros(0, np.float32), layout.agents.index(turn.agent), int(phase == "act"), round_, step, [], text
    )


def joint_text(state: str, messages: Sequence[Message], agent: str, phase: Phase, round_: int) -> str:
    """All there is to know at a turn, line by line: the state, who said what in order of time, whose turn it is."""
    said = [f"{message.sender} said: {message.text}" for message in messages]
    doing = "acts" if phase == "act" else f"speaks in round {round_ + 1}"
    return "\n".join([state, *said, f"{agent} {doing}. Value:"])


def others(layout: CriticLayout, episode: Episode, turn: Turn) -> np.ndarray:
    """What the other agents choose at the same time as `turn`, one-hot, [agents * A]: in the same talk round, or with
    it in the same simultaneous step; who takes turns is alone. Empty where the critic does not read it.
    """
    chosen = np.zeros((len(layout.agents), layout.alphabet.size if layout.alphabet else 0), np.float32)
    if layout.alphabet is not None:
        now = (turn.step, turn.phase, turn.round)
        for other in episode.turns:
            if other.agent != turn.agent and (other.step, other.phase, other.round) == now and other.choice is not None:
                (number,) = layout.alphabet.numbers(other.agent, other.phase, [other.options[other.choice]])
                chosen[layout.agents.index(other.agent), number] = 1.0
    return chosen.ravel()


def _seen(layout: CriticLayout, vector: np.ndarray, joint: np.ndarray) -> np.ndarray:
    if layout.reads == "none":
        return np.zeros(0, np.float32)
    return np.concatenate([vector, joint]) if joint.size else vector


def _checked(layout: CriticLayout, row: Reading) -> Reading:
    if row.vector.size > layout.vector or (layout.reads != "own" and row.vector.size != layout.vector):
        raise LearningError(
            f"the critic was built for vectors of {layout.vector} numbers and was given {row.vector.size}; "
            "an env's state() and observations must keep one size"
        )
    if not np.isfinite(row.vector).all():
        raise LearningError(f"the env gave the critic a number that is not finite: {row.vector}; fix state()")
    return row


def critic_columns(layout: CriticLayout, rows: Sequence[Reading]) -> Columns:
    """Padded columns for T rows: vector [T, D], agent, phase, round [T], and M messages of W word ids each:
    message_words [T, M, W], message_sender, message_round, message_age [T, M] (a message without words is padding).
    For a critic that reads text also `text` [T, B] uint8: UTF-8, then zeros.
    """
    most = max((len(row.messages) for row in rows), default=0) or 1
    words = [[word_ids(message.text) for message in row.messages] for row in rows]
    longest = max((len(ids) for row in words for ids in row), default=0) or 1
    columns: Columns = {
        "vector": np.zeros((len(rows), layout.vector), np.float32),
        "agent": np.array([row.agent for row in rows], np.int64),
        "phase": np.array([row.phase for row in rows], np.int64),
        "round": np.array([min(row.round, ROUNDS - 1) for row in rows], np.int64),
        "message_words": np.zeros((len(rows), most, longest), np.int64),
        "message_sender": np.zeros((len(rows), most), np.int64),
        "message_round": np.zeros((len(rows), most), np.int64),
        "message_age": np.zeros((len(rows), most), np.int64),
    }
    for i, row in enumerate(rows):
        columns["vector"][i, : row.vector.size] = row.vector
        for j, (message, ids) in enumerate(zip(row.messages, words[i], strict=True)):
            columns["message_words"][i, j, : len(ids)] = ids
            columns["message_sender"][i, j] = layout.agents.index(message.sender)
            columns["message_round"][i, j] = min(message.round, ROUNDS - 1)
            columns["message_age"][i, j] = min(max(row.step - message.step, 0), OLDEST)
    if layout.text:
        columns["text"] = _as_bytes([row.text for row in rows])
    return columns


def _as_bytes(texts: Sequence[str]) -> np.ndarray:
    encoded = [text.encode() for text in texts]
    column = np.zeros((len(texts), max(map(len, encoded), default=0) or 1), np.uint8)
    for row, text in zip(column, encoded, strict=True):
        row[: len(text)] = np.frombuffer(text, np.uint8)
    return column

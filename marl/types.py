"""The records that every layer reads and writes. Plain data; numpy only.

Nobody changes a View or a Decision; they are not frozen because making one, which every turn does, would take six times
as long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Phase = Literal["talk", "act"]
Outcome = Literal["terminated", "truncated", "failed"]
FailureKind = Literal["reply", "call"]


@dataclass(frozen=True, slots=True)
class Message:
    """One utterance as delivered: `text` is what the hearers read, `sent` what the sender wrote.

    The two differ only under an intervention. `step` counts the env's decisions, `round` the talk rounds before it.
    """

    sender: str
    text: str
    sent: str
    step: int
    round: int
    hearers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParseFailure:
    """A reply that names no legal action. It is counted and handled by the scenario's rule, never guessed at.

    `kind` tells it from a "call" of a server that brought no reply at all, which is handled by the same rule.
    """

    text: str
    reason: str
    kind: FailureKind = "reply"


@dataclass(slots=True)
class View:
    """All that a policy may know for one turn.

    `options` are the legal texts: action names in the act phase; in the talk phase the channel's vocabulary, or
    empty for free text of at most `budget` tokens. `observation` is the agent's private observation as the env
    gave it, `inbox` the messages that it has heard (its own included). `rng` is the agent's own stream. `episode` is
    the number of the episode that goes on, None outside of any: a policy may keep work for the agent's next turn in it.
    `features`, float32 [O], is the observation flattened (`marl.text.flat_observation`), None where nobody did that.
    """

    agent: str
    phase: Phase
    prompt: str
    options: tuple[str, ...]
    budget: int
    observation: Any
    inbox: tuple[Message, ...]
    rng: np.random.Generator
    episode: int | None = None
    features: np.ndarray | None = field(default=None, compare=False)


@dataclass(slots=True)
class Decision:
    """What a policy decided for one view.

    `choice` indexes the view's options (None for free text). The token fields are filled by language models:
    `prompt_ids` and `token_ids` exactly as the model read and sampled them (`token_ids` ends with the stop token
    where one was sampled), `option_ids` the tokenized legal texts, and `log_probs` the log-probability under the
    sampling distribution, one per sampled token for free text, a single one for a choice. A small network has an
    output for each option in place of tokens (`token_ids` and `option_ids` hold their numbers, one an option), and
    `inputs`, float32 [F], is what it read.
    """

    text: str
    choice: int | None = None
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    option_ids: tuple[tuple[int, ...], ...] = ()
    log_probs: tuple[float, ...] = ()
    failure: ParseFailure | None = None
    inputs: np.ndarray | None = field(default=None, compare=False)


@dataclass(slots=True)
class Turn:
    """One agent's one decision in an episode.

    `id` is unique in the episode and increases with time. `state` (shape [S]) and `features` (the agent's flattened
    private observation, shape [O]) are float32. `heard` and `said` index `Episode.messages`: what the agent had
    heard, and all that had been said by anyone, when it decided. `reward` is what the agent received after this
    turn and before its next one; `last` marks its last turn of the episode. `paid` is what each agent received after
    this turn and before the next turn of anybody, agents that received nothing left out. Where the agent was cut off
    there by a truncation, `next_state` and `next_features` are what the env showed then, for the value that follows.
    `inputs` is what a small network read (see `Decision`). `state_text` and `next_state_text` are `describe_state()`
    at the same moments as `state` and `next_state`, kept where the critic reads text.
    """

    id: int
    agent: str
    policy: str
    phase: Phase
    step: int
    round: int
    prompt: str
    options: tuple[str, ...]
    text: str
    choice: int | None
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    option_ids: tuple[tuple[int, ...], ...]
    log_probs: tuple[float, ...]
    features: np.ndarray
    state: np.ndarray
    heard: tuple[int, ...]
    said: tuple[int, ...]
    reward: float = 0.0
    paid: dict[str, float] = field(default_factory=dict)
    last: bool = False
    failure: ParseFailure | None = None
    inputs: np.ndarray | None = None
    next_state: np.ndarray | None = None
    next_features: np.ndarray | None = None
    state_text: str | None = None
    next_state_text: str | None = None


@dataclass(slots=True)
class Episode:
    """The record of one rollout. `seed` replays it; `returns` holds each agent's sum of rewards.

    `situation` is the env's own words for its first state (`describe_state()`); `outcome` says how the episode
    ended, and `error` why it failed where it did.
    """

    scenario: str
    seed: int
    index: int
    agents: tuple[str, ...]
    situation: str
    turns: list[Turn] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    returns: dict[str, float] = field(default_factory=dict)
    success: float | None = None
    length: int = 0
    outcome: Outcome = "terminated"
    error: str | None = None

    def turns_of(self, agent: str) -> list[Turn]:
        """The agent's turns in order of time."""
        return [turn for turn in self.turns if turn.agent == agent]

    def failures(self, kind: FailureKind) -> int:
        """How many turns failed so: for a reply that names no legal action, or for want of any."""
        return sum(turn.failure is not None and turn.failure.kind == kind for turn in self.turns)

    @property
    def mean_return(self) -> float:
        """Mean over agents of the sum of rewards."""
        return float(np.mean(list(self.returns.values()))) if self.returns else 0.0

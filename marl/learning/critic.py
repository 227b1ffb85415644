"""The centralized critic, which exists in training only: what all kinds share, and the small network."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor, nn

from marl.learning.actor import BASES
from marl.learning.features import OLDEST, ROUNDS, WORD_IDS

BAG = 32


class MessageSet(nn.Module):
    """A sum over messages of what each says, who said it, in which round and how long ago (Zaheer et al., "Deep Sets",
    2017): no order of senders, no place for a missing one. [T, M, W] word ids -> [T, width]; no message gives zeros.
    """

    def __init__(self, agents: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORD_IDS, BAG, padding_idx=0)
        self.sender = nn.Embedding(agents, BAG)
        self.round = nn.Embedding(ROUNDS, BAG)
        self.age = nn.Embedding(OLDEST + 1, BAG)
        self.mix = nn.Linear(BAG, width)

    def forward(self, words: Tensor, sender: Tensor, round_: Tensor, age: Tensor) -> Tensor:
        """[T, width] from word ids [T, M, W] and sender, round, age [T, M]."""
        said = (words != 0).any(dim=-1, keepdim=True)
        bag = self.words(words).sum(dim=-2) + self.sender(sender) + self.round(round_) + self.age(age)
        return torch.where(said, torch.relu(self.mix(bag)), 0.0).sum(dim=-2)


class ValueScale(nn.Module):
    """Running mean and standard deviation of each head's value targets, one head an agent or one for all; `rescale`
    keeps the head's values unchanged.

    Van Hasselt et al., "Learning values across many orders of magnitude", 2016 (PopArt). The averages are debiased
    as Adam's are, so that the first batch already counts fully.
    """

    mean: Tensor
    square: Tensor
    weight: Tensor

    def __init__(self, agents: int, decay: float = 0.9, smallest: float = 1e-3) -> None:
        super().__init__()
        self.decay, self.smallest = decay, smallest
        self.register_buffer("mean", torch.zeros(agents))
        self.register_buffer("square", torch.zeros(agents))
        self.register_buffer("weight", torch.zeros(agents))

    def center_and_spread(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, [A] each; 0 and 1 for an agent that was never seen."""
        weight = self.weight.clamp(min=1e-8)
        center = self.mean / weight
        spread = (self.square / weight - center.square()).clamp(min=0.0).sqrt().clamp(min=self.smallest)
        unseen = self.weight == 0
        return torch.where(unseen, 0.0, center), torch.where(unseen, 1.0, spread)

    @torch.no_grad()
    def rescale(self, targets: Tensor, agent: Tensor, head: nn.Linear) -> None:
        """Take in targets [T] of agents [T], and correct `head` (as many outputs for each agent) so that its values
        stay.
        """
        old_center, old_spread = self.center_and_spread()
        for index in agent.unique().tolist():
            own = targets[agent == index]
            self.mean[index] = self.decay * self.mean[index] + (1 - self.decay) * own.mean()
            self.square[index] = self.decay * self.square[index] + (1 - self.decay) * own.square().mean()
            self.weight[index] = self.decay * self.weight[index] + (1 - self.decay)
        center, spread = self.center_and_spread()
        outputs = head.out_features // len(center)
        scale, shift = old_spread / spread, (old_center - center) / spread
        head.weight.mul_(scale.repeat_interleave(outputs).unsqueeze(-1))
        head.bias.mul_(scale.repeat_interleave(outputs)).add_(shift.repeat_interleave(outputs))


class CriticModule(TorchRLModule):
    """A critic: what it has read, [T, width], goes through one linear `head` to values, an output for each agent and,
    with `options`, for each of the agent's own options. What is read is for the columns to say: mappo and ippo differ
    in nothing else.

    model_config: agents (number), options (their number, 0 for V), heads ("agent" or "shared"), popart, seed, and what
    the kind of critic has more. `forward_train` returns `values` [T] or [T, options], normalized; `values_of` gives
    them in units of reward.
    """

    head: nn.Linear

    def setup(self) -> None:
        """Build the critic; its initial weights come from `seed` alone."""
        config = self.model_config
        self.shared, self.popart, self.options = config["heads"] == "shared", bool(config["popart"]), config["options"]
        heads = 1 if self.shared else int(config["agents"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(config["seed"]))
            self.head = nn.Linear(self.build_trunk(), heads * (self.options or 1))
        self.scale = ValueScale(heads)

    @abstractmethod
    def build_trunk(self) -> int:
        """Make the layers that read, and give the width of what they make of a row."""

    @abstractmethod
    def read(self, batch: dict[str, Any]) -> Tensor:
        """What the head values, [T, width]."""

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """The optimizer's groups of parameters, the critic's own with learning rate `lr` first."""
        return [{"params": list(self.parameters()), "lr": lr}]

    def begin(self) -> None:
        """An iteration begins, of which nothing may depend on what was read before: a resumed run has not read it."""

    def heads_of(self, agent: Tensor) -> Tensor:
        """Which head values an agent's turns, [T] from agents [T]."""
        return torch.zeros_like(agent) if self.shared else agent

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Tensor]:
        values = self.head(self.read(batch)).unflatten(-1, (-1, self.options or 1))
        own = values[torch.arange(len(values), device=values.device), self.heads_of(batch["agent"])]
        return {"values": own if self.options else own.squeeze(-1)}

    def pieces(self, batch: dict[str, Any], rows: Tensor, tokens: int) -> list[Tensor]:
        """The numbers `rows` [n] of rows of `batch` in pieces that are read at a time, int64: all of them at once."""
        return [rows] if len(rows) else []

    def values_at(self, batch: dict[str, Any], rows: Tensor, tokens: int) -> Tensor:
        """`values_of` for the rows of `batch` whose numbers are `rows` [n], in that order, read piece by piece."""
        pieces = self.pieces(batch, rows, tokens)
        if not pieces:
            return torch.zeros((0, self.options) if self.options else 0, device=self.head.weight.device)
        found = torch.cat([self.values_of({key: value[piece] for key, value in batch.items()}) for piece in pieces])
        order = torch.cat(pieces).argsort()[rows.argsort().argsort()]
        return found[order]

    @torch.no_grad()
    def values_of(self, batch: dict[str, Any]) -> Tensor:
        """[T] or [T, options] values in units of reward."""
        values = self._forward(batch)["values"]
        center, spread = (part[self.heads_of(batch["agent"])] for part in self.scale.center_and_spread())
        return values * spread + center if values.ndim == 1 else values * spread.unsqueeze(-1) + center.unsqueeze(-1)

    def take_in(self, targets: Tensor, agent: Tensor) -> None:
        """Let the scale follow targets [T] of agents [T]; with `popart` off it stays 1."""
        if self.popart:
            self.scale.rescale(targets, self.heads_of(agent), self.head)

    def normalized(self, targets: Tensor, agent: Tensor) -> Tensor:
        """[T] targets in the head's own units."""
        center, spread = (part[self.heads_of(agent)] for part in self.scale.center_and_spread())
        return (targets - center) / spread


class NetworkCritic(CriticModule):
    """A small network over vector, agent, phase and messages.

    model_config has also: vector (length), width, messages (whether there are any).
    """

    def build_trunk(self) -> int:
        """The layers of the network."""
        config = self.model_config
        config.pop(BASES, None)  # which are for language models
        agents, width = int(config["agents"]), int(config["width"])
        self.messages = MessageSet(agents, width) if config["messages"] else None
        self.agent = nn.Embedding(agents, width)
        self.moment = nn.Embedding(2 * ROUNDS, width)
        self.vector = nn.Linear(int(config["vector"]), width)
        self.trunk = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        return width

    def read(self, batch: dict[str, Any]) -> Tensor:
        """The last hidden layer, [T, width]."""
        moment = self.moment(batch["phase"] * ROUNDS + batch["round"])
        hidden = self.vector(batch["vector"]) + self.agent(batch["agent"]) + moment
        if self.messages is not None:
            hidden = hidden + self.messages(
                batch["message_words"], batch["message_sender"], batch["message_round"], batch["message_age"]
            )
        read: Tensor = self.trunk(hidden)
        return read

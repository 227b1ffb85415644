"""The actor over a small network: numbers in, no prompts and no token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from marl.learning.actor import BASES, ActorModule, Rows
from marl.learning.features import Columns
from marl.models import RowLogProbs
from marl.policies import NetworkPolicy
from marl.policies.network import network_policy
from marl.settings import NetworkSettings, Scenario


@dataclass(frozen=True)
class NetworkRows:
    """T decisions: what was read, `inputs` [T, F] float32; the outputs to choose from, `legal` [T, A] bool; and the one
    chosen, `choice` [T] int64.
    """

    inputs: Tensor
    legal: Tensor
    choice: Tensor

    def __len__(self) -> int:
        return len(self.choice)


class SmallNetworkActor(ActorModule[Rows]):
    """Wraps a `NetworkPolicy`; its parameters are the network's.

    model_config: name (the policy's), settings (NetworkSettings) and scenario as plain data, seed.
    """

    policy: NetworkPolicy
    kind: type[NetworkPolicy] = NetworkPolicy

    def setup(self) -> None:
        """Build the network; its initial weights come from `seed` alone."""
        config = self.model_config
        config.pop(BASES, None)  # which are for language models
        settings = NetworkSettings.model_validate(config["settings"])
        scenario = Scenario.model_validate(config["scenario"])
        self.policy = network_policy(config["name"], settings, scenario, seed=int(config["seed"]), kind=self.kind)
        self.network = self.policy.network


class NetworkActor(SmallNetworkActor[NetworkRows]):
    """The actor over a network that decides by what it reads now."""

    def rows(self, columns: Columns) -> NetworkRows:
        """The decisions of `marl.learning.batch.network_columns`."""
        return network_rows(columns, self.policy.encoding.outputs)

    def take(self, rows: NetworkRows, index: Tensor) -> NetworkRows:
        """The rows at `index`."""
        return NetworkRows(rows.inputs[index], rows.legal[index], rows.choice[index])

    def join(self, parts: Sequence[NetworkRows]) -> NetworkRows:
        """One after another."""
        return NetworkRows(*(torch.cat(columns) for columns in zip(*map(_columns, parts), strict=True)))

    def pieces(self, rows: NetworkRows, tokens: int) -> list[Tensor]:
        """`tokens` rows at a time: a row is read as one token would be."""
        return list(torch.arange(len(rows)).split(tokens))

    def read(self, rows: NetworkRows) -> RowLogProbs:
        """See `ActorModule.read`; K = 1, and the table's places are the network's outputs."""
        inputs, legal, choice = (column.to(self.network.head.weight.device) for column in _columns(rows))
        return distributed(self.network(inputs, legal), legal, choice)


def network_rows(columns: Columns, outputs: int) -> NetworkRows:
    """The decisions of `marl.learning.batch.network_columns`, by a network of so many outputs."""
    legal = torch.as_tensor(columns["legal"])
    whole = nn.functional.pad(legal, (0, outputs - legal.shape[1]), value=False)
    return NetworkRows(torch.as_tensor(columns["inputs"]), whole, torch.as_tensor(columns["choice"]))


def distributed(table: Tensor, legal: Tensor, choice: Tensor) -> RowLogProbs:
    """What T decisions have from the log-probabilities [T, A] of their legal outputs [T, A] and their choice [T]."""
    finite = table.masked_fill(~legal, 0.0)
    entropy = -(table.exp() * finite).sum(-1, keepdim=True)
    log_probs = table.gather(-1, choice.unsqueeze(-1))
    return RowLogProbs(log_probs, torch.ones_like(log_probs, dtype=torch.bool), entropy, table)


def _columns(rows: NetworkRows) -> tuple[Tensor, Tensor, Tensor]:
    return rows.inputs, rows.legal, rows.choice

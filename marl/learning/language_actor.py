"""The actor over a language model, and the way from columns to its rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from marl.errors import LearningError
from marl.learning.actor import BASES, ActorModule
from marl.learning.features import Columns
from marl.models import Row, RowLogProbs
from marl.policies import LanguageModelPolicy
from marl.policies.bases import Bases
from marl.settings import LanguageModelSettings


class LanguageModelActor(ActorModule[list[Row]]):
    """Wraps a `LanguageModelPolicy`. Its parameters are the network's, or with LoRA the policy's own adapter's alone.

    model_config: name (the policy's), settings (LanguageModelSettings as plain data), seed, checkpointing.
    """

    policy: LanguageModelPolicy

    def setup(self) -> None:
        """Load the language model, unless an actor of the same MultiRLModule has loaded it to be shared."""
        config = self.model_config
        settings = LanguageModelSettings.model_validate(config["settings"])
        bases = config.pop(BASES, None) or Bases()
        self.checkpointing = bool(config["checkpointing"])
        self.policy = bases.learner(config["name"], settings, int(config["seed"]))
        self.model = self.policy.model
        self.precision = self.model.precision
        self.lora = settings.lora is not None
        if self.policy.adapter is None:
            self.network = self.model.network
        else:
            own = self.model.adapter_parameters(self.policy.adapter)
            self.adapter = nn.ParameterDict({name.replace(".", "/"): parameter for name, parameter in own.items()})

    def train(self, mode: bool = True) -> LanguageModelActor:
        """Keep the network in evaluation mode: with dropout on, the ratio of an unchanged policy would not be 1."""
        super().train(mode)
        if hasattr(self, "model"):
            self.model.network.eval()
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LanguageModelActor:
        """Move or cast; the base goes with its adapters, although it is no part of this module."""
        super()._apply(fn, recurse)
        if hasattr(self, "adapter"):
            self.model.network._apply(fn)
        return self

    def pass_key(self) -> Hashable:
        """Adapters of one base go through it together."""
        policy = self.policy
        return id(self.model), policy.temperature, policy.scoring, policy.constraint, self.checkpointing

    def rows(self, columns: Columns) -> list[Row]:
        """The decisions of `marl.learning.batch.turn_columns`, under the policy's own adapter."""
        return rows_of(columns, self.policy.adapter)

    def take(self, rows: list[Row], index: Tensor) -> list[Row]:
        """The rows at `index`."""
        return [rows[place] for place in index.tolist()]

    def join(self, parts: Sequence[list[Row]]) -> list[Row]:
        """One after another; each row names its adapter."""
        return [row for part in parts for row in part]

    def pieces(self, rows: list[Row], tokens: int) -> list[Tensor]:
        """Rows with like prompts stay together, which are read once."""
        return [torch.tensor(piece) for piece in self.model.micro_batches(rows, tokens)]

    def read(self, rows: list[Row]) -> RowLogProbs:
        """Log-probabilities and entropies of rows, each under its own adapter, in the way of this policy."""
        return self.model.log_probs(
            rows,
            temperature=self.policy.temperature,
            scoring=self.policy.scoring,
            constraint=self.policy.constraint,
            checkpointing=self.checkpointing and torch.is_grad_enabled(),
        )

    @torch.no_grad()
    def read_reference(self, rows: list[Row]) -> RowLogProbs:
        """The same under the reference policy, which is the base with all adapters off; without gradient.

        Raises LearningError without LoRA: training then changes the network itself, and no other is in memory.
        """
        if not self.lora:
            raise LearningError(
                f"policy {self.policy.name!r} is trained as a whole, so its reference is not in memory; set lora"
            )
        return self.read([replace(row, adapter=None) for row in rows])


def rows_of(columns: Columns, adapter: str | None = None) -> list[Row]:
    """The T recorded decisions that `marl.learning.batch.turn_columns` padded, as the language model takes them."""
    prompts, tokens, options = columns["prompt_ids"], columns["token_ids"], columns["option_ids"]
    rows = []
    for i, choice in enumerate(columns["choice"].tolist()):
        prompt = tuple(prompts[i, : columns["prompt_length"][i]].tolist())
        said = tuple(tokens[i, : columns["token_length"][i]].tolist())
        lengths = columns["option_length"][i].tolist()
        legal = tuple(tuple(options[i, j, :length].tolist()) for j, length in enumerate(lengths) if length)
        rows.append(Row(prompt, said, legal, None if choice < 0 else choice, adapter))
    return rows

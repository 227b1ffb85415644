"""The decentralized actor: a language-model policy as an RLModule, and the way from columns to its rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import torch
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModule
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor, nn

from marl.errors import LearningError
from marl.learning.features import Columns
from marl.models import Row, RowLogProbs
from marl.policies.bases import Bases
from marl.settings import LanguageModelSettings

BASES = "bases"
"""Key of a module's config under which the actors of one MultiRLModule find each other's models."""


class ActorModule(TorchRLModule):
    """Wraps a `LanguageModelPolicy`. Its parameters are the network's, or with LoRA the policy's own adapter's alone:
    that is what is optimized, put into checkpoints and sent to env runners.

    model_config: name (the policy's), settings (LanguageModelSettings as plain data), seed, checkpointing.
    `forward_train` takes {"rows": list of T Row} and returns log_probs, entropy, mask, each [T, K]: the pass that
    acting uses, at acting's temperature.
    """

    def setup(self) -> None:
        """Load the language model, unless an actor of the same MultiRLModule has loaded it to be shared."""
        config = self.model_config
        settings = LanguageModelSettings.model_validate(config["settings"])
        bases = config.pop(BASES, None) or Bases()
        self.checkpointing = bool(config["checkpointing"])
        self.policy = bases.learner(config["name"], settings, int(config["seed"]))
        self.model = self.policy.model
        self.lora = settings.lora is not None
        if self.policy.adapter is None:
            self.network = self.model.network
        else:
            own = self.model.adapter_parameters(self.policy.adapter)
            self.adapter = nn.ParameterDict({name.replace(".", "/"): parameter for name, parameter in own.items()})

    def train(self, mode: bool = True) -> ActorModule:
        """Keep the network in evaluation mode: with dropout on, the ratio of an unchanged policy would not be 1."""
        super().train(mode)
        if hasattr(self, "model"):
            self.model.network.eval()
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ActorModule:
        """Move or cast; the base goes with its adapters, although it is no part of this module."""
        super()._apply(fn, recurse)
        if hasattr(self, "adapter"):
            self.model.network._apply(fn)
        return self

    def pass_key(self) -> Hashable:
        """Rows of actors with the same key can go through one pass of `read`."""
        policy = self.policy
        return id(self.model), policy.temperature, policy.scoring, policy.constraint, self.checkpointing

    def read(self, rows: Sequence[Row]) -> RowLogProbs:
        """Log-probabilities and entropies of rows, each under its own adapter, in the way of this policy."""
        return self.model.log_probs(
            rows,
            temperature=self.policy.temperature,
            scoring=self.policy.scoring,
            constraint=self.policy.constraint,
            checkpointing=self.checkpointing and torch.is_grad_enabled(),
        )

    @torch.no_grad()
    def read_reference(self, rows: Sequence[Row]) -> RowLogProbs:
        """The same under the reference policy, which is the base with all adapters off; without gradient.

        Raises LearningError without LoRA: training then changes the network itself, and no other is in memory.
        """
        if not self.lora:
            raise LearningError(
                f"policy {self.policy.name!r} is trained as a whole, so its reference is not in memory; set lora"
            )
        return self.read([replace(row, adapter=None) for row in rows])

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Tensor]:
        result = self.read(batch["rows"])
        return {"log_probs": result.log_probs, "entropy": result.entropy, "mask": result.mask}


class Modules(MultiRLModule):
    """The actors and, in training, the critic. Actors with LoRA share the bases that they name."""

    def setup(self) -> None:
        """Build all modules."""
        bases = Bases()
        for spec in self.rl_module_specs.values():
            if issubclass(spec.module_class, ActorModule):
                spec.model_config = {**spec.model_config, BASES: bases}
        super().setup()
        for spec in self.rl_module_specs.values():
            spec.model_config.pop(BASES, None)


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


def recorded(columns: Columns) -> tuple[Tensor, Tensor]:
    """Log-probabilities at the time of acting, [T, C] float32, and the mask of real ones, [T, C] bool."""
    log_probs = torch.as_tensor(columns["log_probs"])
    mask = torch.arange(log_probs.shape[1]) < torch.as_tensor(columns["log_prob_length"]).unsqueeze(-1)
    return log_probs, mask

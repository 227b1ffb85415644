"""The decentralized actor: a language model as an RLModule, and the way from columns to its rows."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor

from marl.learning.features import Columns
from marl.models import LanguageModel, Row


class ActorModule(TorchRLModule):
    """Wraps `LanguageModel`; the network's parameters are this module's.

    model_config: model (name or folder), temperature, seed. `forward_train` takes {"rows": list of T Row} and returns
    log_probs, entropy, mask, each [T, K]: the pass that acting uses, at acting's temperature.
    """

    def setup(self) -> None:
        """Load the language model."""
        config = self.model_config
        self.temperature = float(config["temperature"])
        self.model = LanguageModel.load(config["model"], seed=int(config["seed"]))
        self.network = self.model.network

    def train(self, mode: bool = True) -> ActorModule:
        """Keep the network in evaluation mode: with dropout on, the ratio of an unchanged policy would not be 1."""
        super().train(mode)
        if hasattr(self, "network"):
            self.network.eval()
        return self

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Tensor]:
        result = self.model.log_probs(batch["rows"], temperature=self.temperature)
        return {"log_probs": result.log_probs, "entropy": result.entropy, "mask": result.mask}


def rows_of(columns: Columns) -> list[Row]:
    """The T recorded decisions that `marl.learning.batch.turn_columns` padded, as the language model takes them."""
    prompts, tokens, options = columns["prompt_ids"], columns["token_ids"], columns["option_ids"]
    rows = []
    for i, choice in enumerate(columns["choice"].tolist()):
        prompt = tuple(prompts[i, : columns["prompt_length"][i]].tolist())
        said = tuple(tokens[i, : columns["token_length"][i]].tolist())
        lengths = columns["option_length"][i].tolist()
        legal = tuple(tuple(options[i, j, :length].tolist()) for j, length in enumerate(lengths) if length)
        rows.append(Row(prompt, said, legal, None if choice < 0 else choice))
    return rows


def recorded(columns: Columns) -> tuple[Tensor, Tensor]:
    """Log-probabilities at the time of acting, [T, C] float32, and the mask of real ones, [T, C] bool."""
    log_probs = torch.as_tensor(columns["log_probs"])
    mask = torch.arange(log_probs.shape[1]) < torch.as_tensor(columns["log_prob_length"]).unsqueeze(-1)
    return log_probs, mask

"""A language model that tells the Q value of each legal text, read off its hidden state after the text's last token."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from marl.errors import ModelError, ScenarioError
from marl.policies.language_model import LanguageModelPolicy, owner
from marl.policies.network import draw
from marl.policies.q_network import Explore, behavior
from marl.types import Decision, View

if TYPE_CHECKING:
    from torch import Tensor, nn

    from marl.models import Ids

HEAD = "q_head.safetensors"
"""In the folder of an exported policy: the linear layer that makes a value of a hidden state."""


class QLanguageModelPolicy(LanguageModelPolicy):
    """Takes the legal text of the largest Q value, `head` of the model's state after it; with `explore` it draws from
    what that gives. `temperature` and `scoring` change nothing. Free text has no list of values and is refused.

    Make it with `with_values`. Each draw comes from the view's own stream; recorded log-probabilities are those of the
    distribution drawn from.
    """

    head: nn.Linear
    explore: Explore | None = None

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view; see `Policy.decide`. Raises ScenarioError for a view without options."""
        import torch

        if not views:
            return []
        for view in views:
            if not view.options:
                raise ScenarioError(
                    f"{view.agent} is asked for free text, and policy {self.name!r} values what can be listed; give "
                    "channel.vocabulary, or topology: none"
                )
        prompts = [self.model.encode_prompt(view.prompt) for view in views]
        options = [tuple(map(self.model.encode_reply, view.options)) for view in views]
        with torch.inference_mode():
            q, legal = self.values(prompts, options, keys=list(map(owner, views)))
            table = behavior(q, legal, None if self.greedy else self.explore, prompts, options)
        picks = draw(table, np.array([view.rng.random() for view in views])).tolist()
        return [
            Decision(
                text=view.options[pick],
                choice=pick,
                prompt_ids=prompt,
                token_ids=given[pick],
                option_ids=given,
                log_probs=(float(row[pick]),),
            )
            for view, prompt, given, row, pick in zip(views, prompts, options, table, picks, strict=True)
        ]

    def values(
        self,
        prompts: Sequence[Ids],
        options: Sequence[Sequence[Ids]],
        *,
        keys: Sequence[Hashable] | None = None,
        checkpointing: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Q values [T, O], 0 behind a prompt's last option, and which are real [T, O]; with gradient where wanted."""
        import torch

        states = self.model.option_states(
            prompts, options, adapters=[self.adapter] * len(prompts), keys=keys, checkpointing=checkpointing
        )
        q = self.head(states).squeeze(-1)
        counts = torch.tensor([len(given) for given in options], device=q.device)
        legal = torch.arange(int(counts.max()), device=q.device) < counts.unsqueeze(-1)
        return torch.zeros(legal.shape, dtype=q.dtype, device=q.device).masked_scatter(legal, q), legal

    def export(self, folder: str | Path) -> None:
        """Write what decides: network and tokenizer, or the adapter; then the head, without which it is not whole."""
        from safetensors.torch import save_file

        super().export(folder)
        save_file({name: value.detach().cpu() for name, value in self.head.state_dict().items()}, Path(folder) / HEAD)


def with_values(policy: LanguageModelPolicy, *, seed: int = 0, folder: Path | None = None) -> QLanguageModelPolicy:
    """`policy` as one that decides by values, with a head drawn from `seed` or, given a `folder`, with that in there.

    The drawn one is small, so that learning begins with values near 0. Raises ModelError where the folder has none, or
    one for another model.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from torch import nn

    width, reader = policy.model.reader.head.weight.shape[1], policy.model.reader
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(width, 1)
        nn.init.normal_(head.weight, std=0.01 / width**0.5)
    nn.init.zeros_(head.bias)
    if folder is not None:
        try:
            head.load_state_dict(load_file(folder / HEAD))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"{folder} holds no {HEAD} for this model ({error}); give a folder that such a policy wrote"
            ) from error
    valued = QLanguageModelPolicy.__new__(QLanguageModelPolicy)
    vars(valued).update(vars(policy))
    valued.head = head.to(reader.device)
    return valued


def has_values(folder: str | Path) -> bool:
    """Whether `folder` was written by a policy that decides by values."""
    return (Path(folder).expanduser() / HEAD).is_file()

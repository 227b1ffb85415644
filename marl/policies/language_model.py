"""A language model as a policy: free talk is said, everything that has options is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from marl.models import LanguageModel
from marl.types import Decision, View


class LanguageModelPolicy:
    """Decides with `model` at `temperature`; `greedy` takes the likeliest text instead of sampling one.

    A batch of views costs at most one call of `say` and one of `choose`. Every random draw comes from the view's own
    stream. Recorded log-probabilities are those of the distribution at `temperature`, under `greedy` too.
    """

    def __init__(
        self,
        name: str,
        model: LanguageModel,
        temperature: float = 1.0,
        *,
        greedy: bool = False,
        trainable: bool = True,
    ) -> None:
        self.name = name
        self.model = model
        self.temperature = temperature
        self.greedy = greedy
        self.trainable = trainable

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view; see `Policy.decide`. Raises ModelError for what the model cannot do."""
        said = [index for index, view in enumerate(views) if not view.options]
        chosen = [index for index, view in enumerate(views) if view.options]
        decisions: dict[int, Decision] = {}
        if said:
            decisions.update(zip(said, self._say([views[index] for index in said]), strict=True))
        if chosen:
            decisions.update(zip(chosen, self._choose([views[index] for index in chosen]), strict=True))
        return [decisions[index] for index in range(len(views))]

    def export(self, folder: str | Path) -> None:
        """Write the network and the tokenizer as a Hugging Face folder, from which any program can load the actor."""
        self.model.save(folder)

    @classmethod
    def load(
        cls, name: str, folder: str | Path, temperature: float = 1.0, *, greedy: bool = False, trainable: bool = True
    ) -> LanguageModelPolicy:
        """The policy that was exported to `folder`. Raises ModelError where there is none."""
        return cls(name, LanguageModel.load(str(folder)), temperature, greedy=greedy, trainable=trainable)

    def _say(self, views: Sequence[View]) -> list[Decision]:
        prompts = [self.model.encode_prompt(view.prompt) for view in views]
        utterances = self.model.say(
            prompts,
            [view.budget for view in views],
            [view.rng for view in views],
            temperature=self.temperature,
            greedy=self.greedy,
        )
        return [
            Decision(
                text=self.model.decode(utterance.token_ids),
                prompt_ids=prompt,
                token_ids=utterance.token_ids,
                log_probs=utterance.log_probs,
            )
            for prompt, utterance in zip(prompts, utterances, strict=True)
        ]

    def _choose(self, views: Sequence[View]) -> list[Decision]:
        prompts = [self.model.encode_prompt(view.prompt) for view in views]
        options = [tuple(map(self.model.encode_reply, view.options)) for view in views]
        tables = self.model.choose(prompts, options, temperature=self.temperature)
        picks = [
            int(table.argmax()) if self.greedy else _draw(table, view.rng)
            for table, view in zip(tables, views, strict=True)
        ]
        return [
            Decision(
                text=view.options[pick],
                choice=pick,
                prompt_ids=prompt,
                token_ids=given[pick],
                option_ids=given,
                log_probs=(float(table[pick]),),
            )
            for view, prompt, given, table, pick in zip(views, prompts, options, tables, picks, strict=True)
        ]


def _draw(log_probs: np.ndarray, rng: np.random.Generator) -> int:
    """One draw by inverting the cumulative distribution."""
    cumulative = np.exp(log_probs).cumsum()
    return min(int(cumulative.searchsorted(rng.random() * cumulative[-1], side="right")), len(cumulative) - 1)

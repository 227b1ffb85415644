"""A language model as a policy: free talk is said, everything that has options is chosen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from marl.models import LanguageModel
from marl.types import Decision, View

if TYPE_CHECKING:
    from marl.models import Constraint
    from marl.models.loading import PrecisionName
    from marl.models.records import Ids
    from marl.models.scoring import Scoring


class LanguageModelPolicy:
    """Decides with `model`, read with its LoRA `adapter` (None: the model alone), at `temperature`.

    `scoring` tells how texts among options become a distribution. Free talk is drawn under `constraint`, and from the
    `top_k` or `top_p` likeliest tokens only. `greedy` takes the likeliest text instead of sampling one. Recorded
    log-probabilities are those of the distribution that is drawn from, under `greedy` too.

    A batch of views costs at most one call of `say` and one of `choose`. Every random draw comes from the view's own
    stream. What an agent's prompt has in common with its next one in the episode is read once.
    """

    def __init__(
        self,
        name: str,
        model: LanguageModel,
        temperature: float = 1.0,
        *,
        adapter: str | None = None,
        scoring: Scoring = "step",
        top_k: int | None = None,
        top_p: float | None = None,
        constraint: Constraint | None = None,
        greedy: bool = False,
        trainable: bool = True,
    ) -> None:
        self.name = name
        self.model = model
        self.temperature = temperature
        self.adapter = adapter
        self.scoring: Scoring = scoring
        self.top_k = top_k
        self.top_p = top_p
        self.constraint = constraint
        self.greedy = greedy
        self.trainable = trainable

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view; see `Policy.decide`. Raises ModelError for what the model cannot do."""
        return decide_with_one_model([self] * len(views), views)

    def distributions(self, views: Sequence[View]) -> list[np.ndarray]:
        """The probability of each of a view's options, [O], for every view."""
        return [np.exp(table) for table in _tables([(self, view) for view in views])[2]]

    def with_model(self, model: LanguageModel) -> LanguageModelPolicy:
        """The same policy deciding with another model, without an adapter."""
        other = copy.copy(self)
        other.model, other.adapter = model, None
        return other

    def export(self, folder: str | Path) -> None:
        """Write what decides as a Hugging Face folder: network and tokenizer, or the adapter as peft writes it.

        Raises ModelError for the base alone where other policies have adapters over it.
        """
        if self.adapter is None:
            self.model.save(folder)
        else:
            self.model.save_adapter(self.adapter, folder)

    @classmethod
    def load(
        cls,
        name: str,
        folder: str | Path,
        temperature: float = 1.0,
        *,
        greedy: bool = False,
        trainable: bool = True,
        precision: PrecisionName = "float32",
    ) -> LanguageModelPolicy:
        """The policy that was exported to `folder`; an adapter's base is loaded by the name in there.

        Raises ModelError where there is none.
        """
        model, adapter = load_exported(name, folder, partial(LanguageModel.load, precision=precision))
        return cls(name, model, temperature, adapter=adapter, greedy=greedy, trainable=trainable)

    def say_key(self) -> Hashable:
        """Policies of one model with the same key can be asked in one call of `say`."""
        return self.temperature, self.greedy, self.top_k, self.top_p, self.constraint

    def choose_key(self) -> Hashable:
        """The same for `choose`."""
        return self.temperature, self.scoring


Asked = list[tuple[LanguageModelPolicy, View]]


def decide_with_one_model(policies: Sequence[LanguageModelPolicy], views: Sequence[View]) -> list[Decision]:
    """One decision for each view by the policy beside it; all `policies` have the same model."""
    groups: dict[tuple[bool, Hashable], list[int]] = {}
    for index, (policy, view) in enumerate(zip(policies, views, strict=True)):
        key = policy.choose_key() if view.options else policy.say_key()
        groups.setdefault((bool(view.options), key), []).append(index)
    decisions: dict[int, Decision] = {}
    for (among_options, _), members in groups.items():
        verb: Callable[[Asked], list[Decision]] = _choose if among_options else _say
        decisions.update(zip(members, verb([(policies[i], views[i]) for i in members]), strict=True))
    return [decisions[index] for index in range(len(views))]


def load_exported(
    name: str, folder: str | Path, load: Callable[[str], LanguageModel]
) -> tuple[LanguageModel, str | None]:
    """What `LanguageModelPolicy.export` wrote to `folder`: the model, and the name that its adapter has there.

    `load` gives the model of a folder, or the base that an adapter names.
    """
    from marl.models.adapter_folder import base_name, is_adapter

    if not is_adapter(folder):
        return load(str(folder)), None
    model = load(base_name(folder))
    adapter = adapter_name(model, name)
    model.load_adapter(adapter, folder)
    return model, adapter


def adapter_name(model: LanguageModel, policy: str) -> str:
    """A name for `policy`'s adapter that `model` has not given yet."""
    plain = policy.replace(".", "_")
    names = [plain, *(f"{plain}_{number}" for number in range(2, len(model.adapters) + 2))]
    return next(name for name in names if name not in model.adapters)


def owner(view: View) -> tuple[int, str] | None:
    """Whose prompt it is, for a model that keeps what the agent's next one has in common with it."""
    return None if view.episode is None else (view.episode, view.agent)


def _say(asked: Asked) -> list[Decision]:
    policy, model = asked[0][0], asked[0][0].model
    prompts = [model.encode_prompt(view.prompt) for _, view in asked]
    utterances = model.say(
        prompts,
        [view.budget for _, view in asked],
        [view.rng for _, view in asked],
        temperature=policy.temperature,
        greedy=policy.greedy,
        top_k=policy.top_k,
        top_p=policy.top_p,
        constraint=policy.constraint,
        adapters=[each.adapter for each, _ in asked],
        keys=[owner(view) for _, view in asked],
    )
    return [
        Decision(
            text=model.decode(utterance.token_ids),
            prompt_ids=prompt,
            token_ids=utterance.token_ids,
            log_probs=utterance.log_probs,
        )
        for prompt, utterance in zip(prompts, utterances, strict=True)
    ]


def _tables(asked: Asked) -> tuple[list[Ids], list[tuple[Ids, ...]], list[np.ndarray]]:
    """Prompts, options and the options' log-probabilities, for views that have options."""
    policy, model = asked[0][0], asked[0][0].model
    prompts = [model.encode_prompt(view.prompt) for _, view in asked]
    options = [tuple(map(model.encode_reply, view.options)) for _, view in asked]
    tables = model.choose(
        prompts,
        options,
        temperature=policy.temperature,
        scoring=policy.scoring,
        adapters=[each.adapter for each, _ in asked],
        keys=[owner(view) for _, view in asked],
    )
    return prompts, options, tables


def _choose(asked: Asked) -> list[Decision]:
    prompts, options, tables = _tables(asked)
    picks = [
        int(table.argmax()) if each.greedy else _draw(table, view.rng)
        for table, (each, view) in zip(tables, asked, strict=True)
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
        for (_, view), prompt, given, table, pick in zip(asked, prompts, options, tables, picks, strict=True)
    ]


def _draw(log_probs: np.ndarray, rng: np.random.Generator) -> int:
    """One draw by inverting the cumulative distribution."""
    cumulative = np.exp(log_probs).cumsum()
    return min(int(cumulative.searchsorted(rng.random() * cumulative[-1], side="right")), len(cumulative) - 1)

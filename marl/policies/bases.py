"""One language model in memory for all policies that leave its weights as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from marl.models import LanguageModel
from marl.policies.language_model import LanguageModelPolicy, adapter_name, load_exported
from marl.policies.protocol import Policy
from marl.settings import LanguageModelSettings

if TYPE_CHECKING:
    from marl.models import Constraint

Key = tuple[str, str, int]


class Bases:
    """Loads models by name: each once for all LoRA policies and all that do not learn, anew for each that learns whole.

    What `policies` share is in memory already.
    """

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._models: dict[Key, LanguageModel] = {}
        for policy in policies:
            if isinstance(policy, LanguageModelPolicy) and (policy.adapter is not None or not policy.trainable):
                model = policy.model
                if model.name != "scratch":  # which is another network for every seed
                    self._models[model.name, model.precision, 0] = model

    def get(self, settings: LanguageModelSettings, seed: int) -> LanguageModel:
        """The model that a policy with these settings reads; `seed` decides the weights of `scratch`."""
        key = (settings.model, settings.precision, seed if settings.model == "scratch" else 0)
        if settings.learn and settings.lora is None:
            return _load(settings, seed)
        if key not in self._models:
            self._models[key] = _load(settings, seed)
        return self._models[key]

    def learner(self, name: str, settings: LanguageModelSettings, seed: int) -> LanguageModelPolicy:
        """The policy `name` before any training, with an adapter of its own where its settings have `lora`."""
        model, adapter = self.get(settings, seed), None
        if settings.lora is not None:
            adapter = adapter_name(model, name)
            model.add_adapter(adapter, rank=settings.lora.rank, alpha=settings.lora.alpha, seed=seed)
        return policy_with(name, settings, model, adapter)

    def exported(self, name: str, settings: LanguageModelSettings, seed: int, folder: Path) -> LanguageModelPolicy:
        """The trained policy `name` that was exported to `folder`: a network, or an adapter over a base by name."""

        def load(model: str) -> LanguageModel:
            if model == str(folder):
                return LanguageModel.load(model, precision=settings.precision)
            return self.get(settings.model_copy(update={"model": model}), seed)

        model, adapter = load_exported(name, folder, load)
        return policy_with(name, settings, model, adapter)


def policy_with(
    name: str, settings: LanguageModelSettings, model: LanguageModel, adapter: str | None = None
) -> LanguageModelPolicy:
    """The policy that `settings` describe, with `model` and `adapter`. Raises ModelError for a faulty constraint."""
    return LanguageModelPolicy(
        name,
        model,
        settings.temperature,
        adapter=adapter,
        scoring=settings.scoring,
        top_k=settings.top_k,
        top_p=settings.top_p,
        constraint=_constraint(settings),
        trainable=settings.learn,
    )


def _constraint(settings: LanguageModelSettings) -> Constraint | None:
    from marl.models import Constraint

    given = settings.constraint
    return None if given is None else Constraint(given.kind, given.texts, given.pattern)


def _load(settings: LanguageModelSettings, seed: int) -> LanguageModel:
    return LanguageModel.load(settings.model, seed=seed, precision=settings.precision)

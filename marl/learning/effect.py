"""Which settings of training nothing reads, so that whoever gives one of them can be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel

from marl.learning.presets import Preset, QPreset, preset
from marl.training_settings import TrainingSettings

KEPT_READY = ("training.q.", "training.mirror_descent.")


def without_effect(training: TrainingSettings, *, given: Collection[str] = ()) -> dict[str, str]:
    """The settings that are not as they are by default, or are among the `given`, and have no effect: dotted name ->
    beside what.

    `{"training.clip": "training.algorithm: dqn"}`. Nothing that is changed among them changes a run by a bit.
    """
    parts, q, critic = preset(training.algorithm), training.q, training.critic
    values = isinstance(parts, QPreset)
    advantage, surrogate = ("", "") if isinstance(parts, QPreset) else (parts.advantage, parts.surrogate)
    reads = {
        **dict.fromkeys(("epochs", "minibatches"), isinstance(parts, Preset) and not parts.one_step),
        **dict.fromkeys(("clip", "credit"), surrogate == "ppo"),
        "gae_lambda": advantage in ("gae", "counterfactual"),
        "group": advantage == "group",
        "role_decay": advantage == "role",
        "mirror_descent": surrogate == "mirror_descent",
        **dict.fromkeys(("reference", "action_entropy", "message_entropy", "signaling", "tokens_a_batch"), not values),
        "critic.lr": parts.critic != "none",
        **dict.fromkeys(
            ("critic.width", "critic.epochs", "critic.heads", "critic.popart", "critic.value_clip"),
            parts.critic != "none" and not values,
        ),
        "q": values,
        "q.mixer_width": isinstance(parts, QPreset) and parts.mixing == "monotonic",
    }
    found = {name: f"training.algorithm: {training.algorithm}" for name, used in reads.items() if not used}
    if values:
        idle = ("ucb",) if q.explore == "epsilon" else ("epsilon", "anneal")
        found |= {f"q.{name}": f"training.q.explore: {q.explore}" for name in idle}
    if critic.kind == "network":
        found |= {f"critic.{name}": "training.critic.kind: network" for name in ("model", "trunk", "trunk_lr")}
    elif critic.trunk == "frozen":
        found["critic.trunk_lr"] = "training.critic.trunk: frozen"
    return {
        full: why
        for name, why in found.items()
        for key, usual in _settings(training, name).items()
        if (full := f"training.{key}") in given or not usual
    }


def _settings(training: TrainingSettings, name: str) -> dict[str, bool]:
    """`name`, or the settings of the section of that name, and whether each is as by default."""
    *parents, leaf = name.split(".")
    owner: BaseModel = training
    for parent in parents:
        owner = getattr(owner, parent)
    value, usual = getattr(owner, leaf), type(owner).model_fields[leaf].default
    if isinstance(value, BaseModel) and isinstance(usual, BaseModel):
        return {f"{name}.{key}": getattr(value, key) == getattr(usual, key) for key in type(value).model_fields}
    return {name: value == usual}


def warning_of(training: TrainingSettings, overrides: Sequence[str] = ()) -> str | None:
    """What to tell whoever starts such a training, after `key=value` overrides of its file; None where all counts.

    What an override gave is told. What the file gave is told where the file chose the algorithm, too; an override that
    chooses another one leaves some of it idle as a matter of course. So are `q` and `mirror_descent`, which say by
    their names whose they are.
    """
    keys = [override.partition("=")[0].strip() for override in overrides]
    file_chose = not {"training", "training.algorithm"}.intersection(keys)
    return _told(
        {
            name: why
            for name, why in without_effect(training, given=keys).items()
            if any(f"{name}.".startswith(f"{key}.") for key in keys) or (file_chose and not name.startswith(KEPT_READY))
        }
    )


def _told(idle: Mapping[str, str]) -> str | None:
    if not idle:
        return None
    beside: dict[str, list[str]] = {}
    for name, why in idle.items():
        beside.setdefault(why, []).append(name)
    parts = [f"{', '.join(names)} (beside {why})" for why, names in beside.items()]
    return f"settings without effect: {'; '.join(parts)}. Leave them out, or see docs/scenarios.md for what reads them"

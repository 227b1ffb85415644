"""The run card: how this page came to be, in enough detail to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marl.report import formats
from marl.report.inputs import RunInputs
from marl.settings import APISettings, LanguageModelSettings, LeagueSettings, MixtureSettings, NetworkSettings, Scenario

_KNOWN = {"seed", "command", "status", "versions", "parameters", "model", "started", "finished", "duration_s"}


def card_rows(inputs: RunInputs) -> list[tuple[str, str]]:
    """Label and value of each line; what the run did not record is left out."""
    scenario, card = inputs.scenario, inputs.card
    training = scenario.training
    rows = [
        ("Scenario", f"{scenario.name} ({scenario.kind})"),
        ("Environment", f"{scenario.env.entry} {_settings(scenario.env.kwargs)}".strip()),
        ("Channel", _channel(scenario)),
        ("Seats", _seats(scenario)),
        ("Model", str(card.get("model") or _models(scenario))),
        ("API calls", _calls(inputs.usage)),
        ("Parameters", _parameters(card.get("parameters"))),
        ("Algorithm", _algorithm(scenario)),
        ("Training", f"{training.iterations} iterations of {training.episodes} episodes{_turns(inputs.metrics)}"),
        (
            "Evaluation",
            f"{scenario.evaluation.episodes} episodes an arm; {scenario.analysis.episodes} a tournament profile",
        ),
        ("First PPO ratio", _ratio(inputs.metrics)),
        ("Seed", str(card.get("seed", scenario.seed))),
        ("Command", str(card.get("command") or "")),
        ("Started", str(card.get("started") or "")),
        ("Finished", str(card.get("finished") or "")),
        ("Duration", _duration(inputs)),
    ]
    rows += [
        (key.replace("_", " ").capitalize(), str(value)) for key, value in sorted(card.items()) if _extra(key, value)
    ]
    return [(label, value) for label, value in rows if value]


def version_rows(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Package and version, as recorded when the run was made."""
    return [(str(name), str(version)) for name, version in (card.get("versions") or {}).items()]


def _extra(key: str, value: Any) -> bool:
    return key not in _KNOWN and isinstance(value, str | int | float) and not isinstance(value, bool)


def _settings(kwargs: Mapping[str, Any]) -> str:
    return "(" + ", ".join(f"{key}={value}" for key, value in kwargs.items()) + ")" if kwargs else ""


def _channel(scenario: Scenario) -> str:
    channel = scenario.channel
    hears = channel.topology if isinstance(channel.topology, str) else f"{len(channel.topology.edges)} directed links"
    says = f"one of {len(channel.vocabulary)} words" if channel.vocabulary else f"at most {channel.budget} tokens"
    rounds = f"{channel.talk_rounds} talk round{'' if channel.talk_rounds == 1 else 's'}"
    return f"{hears}, {rounds} before each decision, {says} a message"


def _seats(scenario: Scenario) -> str:
    return ", ".join(f"{agent}: {policy}" for agent, policy in scenario.seats.items())


def _models(scenario: Scenario) -> str:
    names = {}
    for name, policy in scenario.policies.items():
        if isinstance(policy, LanguageModelSettings):
            names[name] = f"{policy.model} ({name})"
        elif isinstance(policy, NetworkSettings):
            names[name] = f"{policy.activation} network of {' and '.join(map(str, policy.hidden))} units ({name})"
        elif isinstance(policy, APISettings):
            names[name] = f"{policy.model} at {policy.base_url} ({name})"
        elif isinstance(policy, LeagueSettings):
            names[name] = f"past checkpoints of {policy.of} ({name})"
        elif isinstance(policy, MixtureSettings):
            names[name] = f"{len(set(policy.folders))} trained policies ({name})"
    return ", ".join(names.values())


def _calls(usage: Mapping[str, Any] | None) -> str:
    """What API policies came to, in the words that the run recorded."""
    total = (usage or {}).get("total", {})
    return " ".join(str(record["summary"]) for record in total.values())


def _parameters(held: Any) -> str:
    if isinstance(held, Mapping):
        return ", ".join(f"{name}: {formats.count(value)}" for name, value in held.items())
    return formats.count(held) if held is not None else ""


_CRITICS = {
    "mappo": "centralized critic",
    "coma": "centralized critic of joint actions",
    "ippo": "independent critics",
    "reinforce": "independent critics",
}


def _algorithm(scenario: Scenario) -> str:
    training = scenario.training
    critic = _CRITICS.get(training.algorithm, "no critic")
    steps = f"learning rate {training.lr:g}, {training.epochs} epochs, clip {training.clip:g}"
    return f"{training.algorithm.upper()} with {critic}, {steps}"


def _turns(metrics: Sequence[Mapping[str, Any]]) -> str:
    turns = [row["turns"] for row in metrics if formats.is_number(row.get("turns"))]
    return f", {formats.count(max(turns))} turns" if turns else ""


def _ratio(metrics: Sequence[Mapping[str, Any]]) -> str:
    off = [
        row["losses/first_ratio_deviation"]
        for row in metrics
        if formats.is_number(row.get("losses/first_ratio_deviation"))
    ]
    return f"1 within {max(off):.0e} in every iteration" if off else ""


def _duration(inputs: RunInputs) -> str:
    if formats.is_number(inputs.card.get("duration_s")):
        return formats.duration(inputs.card["duration_s"])
    seconds = [row["time_s"] for row in inputs.metrics if formats.is_number(row.get("time_s"))]
    return f"{formats.duration(max(seconds))} of training" if seconds else ""

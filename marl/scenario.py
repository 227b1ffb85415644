"""A scenario: env, channel, seats, training, evaluation and analysis settings, one YAML file, validated."""

from __future__ import annotations

import difflib
import importlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from marl.errors import ScenarioError

Kind = Literal["cooperative", "competitive", "mixed"]


class Settings(BaseModel):
    """Refuses unknown keys, and never changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EnvSettings(Settings):
    """`entry` is "module:attribute" of anything that returns a PettingZoo env when called with `kwargs`."""

    entry: str = Field(pattern=r"^[\w.]+:[\w.]+$")
    kwargs: dict[str, Any] = {}
    text: str | None = Field(default=None, pattern=r"^[\w.]+:[\w.]+$")


class EdgeList(Settings):
    """A topology as directed edges: [[speaker, hearer], ...]."""

    edges: list[tuple[str, str]]


class ChannelSettings(Settings):
    """Who hears whom, how often they talk before a decision, and how much one message may hold.

    `vocabulary` limits messages to the listed texts; without it a message is free text of at most `budget` tokens.
    """

    topology: Literal["broadcast", "none"] | EdgeList = "broadcast"
    talk_rounds: int = Field(default=1, ge=0, le=16)
    budget: int = Field(default=8, ge=1, le=512)
    vocabulary: list[str] | None = Field(default=None, min_length=1)
    intervention: Literal["none", "off", "scrambled"] = "none"

    @model_validator(mode="after")
    def _vocabulary_is_a_set(self) -> ChannelSettings:
        words = self.vocabulary or []
        if len(set(words)) != len(words) or any(not word.strip() for word in words):
            raise ValueError("vocabulary must hold different, non-empty texts")
        return self


class LanguageModelSettings(Settings):
    """A causal LM: "nano" (in the package), "scratch" (the same network, untrained), a folder or a hub name."""

    kind: Literal["language_model"] = "language_model"
    model: str = "nano"
    learn: bool = True
    temperature: float = Field(default=1.0, gt=0)


class ScriptedSettings(Settings):
    """`entry` is "module:attribute" of a function View -> text; `kwargs` are bound to it."""

    kind: Literal["scripted"]
    entry: str = Field(pattern=r"^[\w.]+:[\w.]+$")
    kwargs: dict[str, Any] = {}


class HumanSettings(Settings):
    """A person at the keyboard."""

    kind: Literal["human"]


class APISettings(Settings):
    """A chat model behind a server that speaks the OpenAI protocol; `docs/api_models.md` explains every key.

    It cannot be trained. `api_key_env` names the environment variable that holds the key; no key stands in a scenario.
    """

    kind: Literal["api"]
    model: str = Field(min_length=1)
    base_url: str = "https://api.openai.com/v1"
    api_key_env: str | None = None
    learn: bool = False
    system: str = ""
    temperature: float | None = Field(default=1.0, ge=0, description="null leaves it to the server")
    max_tokens: int = Field(default=32, ge=1, description="of a reply that picks an option; talk has its budget")
    thinking_tokens: int = Field(default=0, ge=0, description="room for hidden reasoning, beside either limit")
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    send_seed: bool = True
    logprobs: bool = False
    extra: dict[str, Any] = Field(default={}, description="further fields of each request")
    timeout_s: float = Field(default=60.0, gt=0, description="of one request, from its first byte to its last")
    retries: int = Field(default=4, ge=0)
    backoff_s: float = Field(default=0.5, gt=0, description="the first wait before a retry; each further one doubles")
    longest_wait_s: float = Field(default=60.0, gt=0)
    concurrency: int = Field(default=8, ge=1, le=256)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    input_price: float | None = Field(default=None, ge=0, description="of a million prompt tokens")
    output_price: float | None = Field(default=None, ge=0, description="of a million completion tokens")
    cost_limit: float | None = Field(default=None, gt=0)

    @field_validator("learn")
    @classmethod
    def _cannot_learn(cls, learn: bool) -> bool:
        if learn:
            raise ValueError("an API model cannot be trained, its weights are the server's; leave learn out")
        return learn

    @field_validator("api_key_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            # What was given may be the key itself, so it is not repeated.
            raise ValueError("give the NAME of the environment variable that holds the key, for example OPENAI_API_KEY")
        return name

    @field_validator("base_url")
    @classmethod
    def _is_a_plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise ValueError("give http(s)://host[:port]/v1 without a name or a password; a key goes into api_key_env")
        return url

    @field_validator("extra")
    @classmethod
    def _adds_and_never_replaces(cls, extra: dict[str, Any]) -> dict[str, Any]:
        own = {"model", "messages", "temperature", "seed", "logprobs", "max_tokens", "max_completion_tokens"}
        taken = sorted((own | {"stream", "n"}) & set(extra))
        if taken:
            raise ValueError(f"{taken} cannot stand here; {sorted(own)} have keys of their own, or are the policy's")
        try:
            json.dumps(extra)
        except (TypeError, ValueError) as error:
            raise ValueError(f"not JSON: {error}; give texts, numbers, lists and mappings") from error
        return extra

    @model_validator(mode="after")
    def _limit_has_prices(self) -> APISettings:
        if self.cost_limit is not None and (self.input_price is None or self.output_price is None):
            raise ValueError("cost_limit needs input_price and output_price, each for a million tokens")
        return self


PolicySettings = Annotated[
    LanguageModelSettings | ScriptedSettings | HumanSettings | APISettings, Field(discriminator="kind")
]


class CriticSettings(Settings):
    """The critic network; it exists in training only."""

    width: int = Field(default=64, ge=1)
    lr: float = Field(default=3e-3, gt=0)
    epochs: int = Field(default=8, ge=1)


class TrainingSettings(Settings):
    """PPO with a centralized (`mappo`) or an independent (`ippo`) critic.

    Entropy coefficients go linearly from the first to the second number over the run.
    """

    algorithm: Literal["mappo", "ippo"] = "mappo"
    iterations: int = Field(default=40, ge=1)
    episodes: int = Field(default=64, ge=1, description="episodes per iteration")
    epochs: int = Field(default=3, ge=1)
    minibatches: int = Field(default=2, ge=1)
    lr: float = Field(default=3e-4, gt=0)
    gamma: float = Field(default=1.0, ge=0, le=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.2, gt=0)
    action_entropy: tuple[float, float] = (0.05, 0.0)
    message_entropy: tuple[float, float] = (0.0, 0.0)
    grad_clip: float = Field(default=1.0, gt=0)
    critic: CriticSettings = CriticSettings()
    evaluate_every: int = Field(default=5, ge=1)
    evaluation_episodes: int = Field(default=64, ge=1)
    checkpoint_every: int = Field(default=10, ge=1)
    env_runners: int = Field(default=0, ge=0)
    silent_twin: bool = Field(default=True, description="`marl run` also trains the same policies with the channel off")


class EvaluationSettings(Settings):
    """Each arm is played on the same `episodes` seeds; intervals hold at `confidence`."""

    episodes: int = Field(default=256, ge=2)
    arms: list[Literal["normal", "off", "scrambled"]] = ["normal", "off", "scrambled"]
    confidence: float = Field(default=0.95, gt=0, lt=1)


class AnalysisSettings(Settings):
    """The tournament: each seat plays its trained policy, the untrained copy and these scripted `strategies`."""

    episodes: int = Field(default=64, ge=2, description="episodes per profile")
    strategies: dict[str, ScriptedSettings] = {}


class Scenario(Settings):
    """Everything that `marl run` needs. `seats` names each agent's policy; one name is one set of weights."""

    name: str = Field(pattern=r"^[\w-]+$")
    title: str
    kind: Kind
    seed: int = Field(default=0, ge=0)
    env: EnvSettings
    channel: ChannelSettings = ChannelSettings()
    seats: dict[str, str]
    policies: dict[str, PolicySettings]
    on_parse_failure: Literal["retry", "forfeit", "default"] = "default"
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    analysis: AnalysisSettings = AnalysisSettings()

    @model_validator(mode="after")
    def _seats_are_filled(self) -> Scenario:
        unknown = sorted(set(self.seats.values()) - set(self.policies))
        if unknown:
            raise ValueError(f"seats name policies {unknown} that `policies` lacks; it has {sorted(self.policies)}")
        return self


SCENARIO_PACKAGE = "scenarios"


def packaged_scenarios() -> dict[str, Path]:
    """Name to file of every scenario that ships with Parley, in order of name."""
    folder = Path(str(resources.files(SCENARIO_PACKAGE)))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_attribute(entry: str, key: str) -> Any:
    """Import "module:attribute". `key` is the scenario key that named it, for the error's text."""
    module_name, _, attribute = entry.partition(":")
    try:
        target: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise ScenarioError(
            f"{key}: cannot import {module_name!r} from {entry!r} ({error}); "
            'give "module:attribute" of an importable module'
        ) from error
    for part in attribute.split("."):
        if not hasattr(target, part):
            names = [name for name in vars(target) if not name.startswith("_")]
            close = difflib.get_close_matches(part, names, n=3, cutoff=0.4)
            raise ScenarioError(f"{key}: {module_name!r} has no {part!r}; close names there: {close or sorted(names)}")
        target = getattr(target, part)
    return target


def load_scenario(source: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a packaged scenario by name, or any YAML file by path, apply `key=value` overrides, and validate.

    Override keys are dotted paths (`training.lr=0.001`, `env.kwargs.valleys=6`); values are YAML. Raises
    ScenarioError with one line for each fault: the key, what was given and what is allowed.
    """
    path = _find(source)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ScenarioError(f"{path}: expected a mapping of scenario keys, found {type(data).__name__}")
    for override in overrides:
        _apply(data, override)
    return validate_scenario(data, str(path))


def validate_scenario(data: Mapping[str, Any], where: str = "scenario") -> Scenario:
    """Build a Scenario from plain data; `where` opens the error's text."""
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(dict(fault))}" for fault in error.errors())
        raise ScenarioError(f"{where} is not a valid scenario:\n{faults}") from error


def dump_scenario(scenario: Scenario) -> str:
    """The scenario as YAML, every default written out; `load_scenario` reads it back to an equal one."""
    return yaml.safe_dump(scenario.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


_TAGS = {"EdgeList", "language_model", "scripted", "human", "api"}


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        if path.is_file():
            return path
        raise ScenarioError(
            f"scenario file {str(path)!r} does not exist; give a YAML file or one of the packaged names"
        )
    known = packaged_scenarios()
    if str(source) in known:
        return known[str(source)]
    close = difflib.get_close_matches(str(source), known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ScenarioError(f"no scenario {str(source)!r}{hint}; packaged: {', '.join(known)}; or give a YAML file's path")


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise ScenarioError(f"override {override!r} is not key=value; for example training.iterations=20")
    *parents, leaf = key.strip().split(".")
    node: Any = data
    for part in parents:
        node = node.setdefault(part, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        raise ScenarioError(f"override {override!r}: {'.'.join(parents)} holds a value, not further keys")
    try:
        node[leaf] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ScenarioError(
            f"override {override!r}: {value!r} is not valid YAML; quote it, for example 'text'"
        ) from error


def _fault(fault: dict[str, Any]) -> str:
    """One line for one pydantic fault: the key as it stands in the file, what was given, what is allowed."""
    location = [str(part) for part in fault["loc"]]
    # pydantic also puts the tried member of a union into the path; the file has no such key.
    key = ".".join(part for part in location if part not in _TAGS and not part.startswith("literal[")) or "scenario"
    if fault["type"] == "extra_forbidden":
        allowed = _allowed_keys(location[:-1])
        close = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{key}: unknown key{hint} (allowed here: {', '.join(allowed)})"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "string_pattern_mismatch" and ":" in str(fault["ctx"]["pattern"]):
        message = 'give "module:attribute", for example "envs.lewis:parallel_env"'
    given = "" if fault["type"] in {"missing", "value_error"} else f" (given: {fault.get('input')!r:.200})"
    return f"{key}: {message}{given}"


def _allowed_keys(location: Sequence[str]) -> list[str]:
    """Field names of the settings class at `location`, walking unions and mappings by what pydantic put in the path."""
    classes: list[type[BaseModel]] = [Scenario]
    for part in location:
        found: list[type[BaseModel]] = []
        for cls in classes:
            if part in cls.model_fields:
                found += _models_in(cls.model_fields[part].annotation)
        tagged = [cls for cls in classes if _tag(cls) == part or cls.__name__ == part]
        classes = found or tagged or classes
    return sorted({name for cls in classes for name in cls.model_fields})


def _tag(cls: type[BaseModel]) -> str | None:
    field = cls.model_fields.get("kind")
    values = getattr(field.annotation, "__args__", ()) if field is not None else ()
    return values[0] if values else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]

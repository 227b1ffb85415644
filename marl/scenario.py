"""Reading scenarios: packaged or own YAML files, overrides, validation, and the errors that name the fault."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from marl.errors import ScenarioError
from marl.settings import Scenario

SCENARIO_PACKAGE = "scenarios"
S = TypeVar("S", bound=BaseModel)


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


def make_env(scenario: Scenario) -> Any:
    """The scenario's PettingZoo env as it is, without a channel.

    Raises ScenarioError where its maker refuses the arguments, or where it is not PettingZoo or does not fit the seats.
    """
    from pettingzoo import AECEnv, ParallelEnv

    maker = load_attribute(scenario.env.entry, "env.entry")
    try:
        env = maker(**scenario.env.kwargs)
    except (TypeError, ValueError, LookupError, AssertionError, OSError, RuntimeError) as error:
        raise ScenarioError(f"env.kwargs: {scenario.env.entry} refuses {scenario.env.kwargs}: {error}") from error
    except ImportError as error:
        raise ScenarioError(f"env.entry: {scenario.env.entry} cannot be made here: {error}") from error
    if not isinstance(env, ParallelEnv | AECEnv):
        raise ScenarioError(
            f"env.entry: {scenario.env.entry} returns {type(env).__name__}, "
            "which is not a PettingZoo ParallelEnv or AECEnv"
        )
    agents = list(env.possible_agents)
    if set(agents) != set(scenario.seats):
        raise ScenarioError(f"seats: name exactly the env's agents {agents}; given: {sorted(scenario.seats)}")
    return env


def load_scenario(source: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a packaged scenario by name, or any YAML file by path, apply `key=value` overrides, and validate.

    Override keys are dotted paths (`training.lr=0.001`, `env.kwargs.valleys=6`); values are YAML. Raises
    ScenarioError with one line for each fault: the key, what was given and what is allowed.
    """
    path = find_file(source, packaged_scenarios())
    return validate_scenario(overridden(read_yaml(path), overrides), str(path))


def evaluated(scenario: Scenario) -> Scenario:
    """The scenario as evaluations play it, with `evaluation.env_kwargs` over the env's own."""
    kwargs = scenario.env.kwargs | scenario.evaluation.env_kwargs
    return scenario.model_copy(update={"env": scenario.env.model_copy(update={"kwargs": kwargs})})


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping of keys. Raises ScenarioError for a file that holds none."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{str(path)!r} cannot be read ({error}); give a YAML file") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ScenarioError(f"{path}: expected a mapping of keys, found {type(data).__name__}")
    return data


def overridden(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`data` itself, with `key=value` overrides applied. Raises ScenarioError for one that is not such."""
    for override in overrides:
        _apply(data, override)
    return data


def validate_scenario(data: Mapping[str, Any], where: str = "scenario") -> Scenario:
    """Build a Scenario from plain data; `where` opens the error's text."""
    return validated(Scenario, data, where)


def validated(cls: type[S], data: Mapping[str, Any], where: str, what: str = "scenario") -> S:
    """Settings of class `cls`, a `what`, from plain data. Raises ScenarioError with one line for each fault."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(cls, dict(fault))}" for fault in error.errors())
        raise ScenarioError(f"{where} is not a valid {what}:\n{faults}") from error


def dump_scenario(scenario: BaseModel) -> str:
    """Settings as YAML, every default written out; what read them before reads them back to equal ones."""
    return yaml.safe_dump(scenario.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


_TAGS = {"EdgeList", "language_model", "network", "scripted", "human", "api", "league", "mixture"}


def find_file(source: str | Path, known: Mapping[str, Path]) -> Path:
    """A YAML file, by its path or by a name that is `known`. Raises ScenarioError where there is none."""
    path = Path(source)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        if path.is_file():
            return path
        raise ScenarioError(
            f"scenario file {str(path)!r} does not exist; give a YAML file or one of the packaged names"
        )
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


def _fault(cls: type[BaseModel], fault: dict[str, Any]) -> str:
    """One line for one pydantic fault: the key as it stands in the file, what was given, what is allowed."""
    location = [str(part) for part in fault["loc"]]
    # pydantic also puts the tried member of a union into the path; the file has no such key.
    key = ".".join(part for part in location if part not in _TAGS and not part.startswith("literal[")) or "scenario"
    if fault["type"] == "extra_forbidden":
        allowed = _allowed_keys(cls, location[:-1])
        close = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{key}: unknown key{hint} (allowed here: {', '.join(allowed)})"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] in {"model_type", "dict_type"}:
        message = "give a mapping of keys to values"
    if fault["type"] == "string_pattern_mismatch" and ":" in str(fault["ctx"]["pattern"]):
        message = 'give "module:attribute", for example "envs.lewis:parallel_env"'
    given = "" if fault["type"] in {"missing", "value_error"} else f" (given: {fault.get('input')!r:.200})"
    return f"{key}: {message}{given}"


def _allowed_keys(root: type[BaseModel], location: Sequence[str]) -> list[str]:
    """Field names of the settings class at `location`, walking unions and mappings by what pydantic put in the path."""
    classes: list[type[BaseModel]] = [root]
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

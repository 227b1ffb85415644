"""From a scenario's settings to policies."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from marl.errors import ScenarioError, StoreError
from marl.multi_task import AnyScenario, home_of
from marl.policies.api import APIPolicy
from marl.policies.bases import Bases, policy_with
from marl.policies.human import HumanPolicy
from marl.policies.language_model import LanguageModelPolicy
from marl.policies.league import LeaguePolicy
from marl.policies.network import NetworkPolicy, network_policy
from marl.policies.protocol import Policy
from marl.policies.q_language_model import has_values, with_values
from marl.policies.q_network import QNetworkPolicy
from marl.policies.scripted import ScriptedPolicy
from marl.scenario import load_attribute
from marl.seeding import seed_of
from marl.settings import (
    APISettings,
    LanguageModelSettings,
    LeagueSettings,
    MixtureSettings,
    NetworkSettings,
    Scenario,
    ScriptedSettings,
)

LEAGUE = "league.json"
"""In the folder of an exported league: the folders of its `members`, and their `probabilities`."""


def build_policies(
    scenario: AnyScenario,
    *,
    seed: int,
    trained: str | Path | None = None,
    bases: Bases | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Policy]:
    """Every policy that the scenario names, or those among them that are named in `only`, by name.

    With `trained`, a folder that holds `<policy name>/` for every learning policy, these take their weights from there.
    Where the scenario's algorithm is value-based, those that learn take the option of the largest value, and so does a
    language model that does not learn and was exported from such a run.
    LoRA policies and language models that do not learn share what is in memory, in `bases` too; an untrained adapter
    changes nothing, so the base plays alone. `seed` decides the weights of networks and `scratch` models. Raises
    ModelError, ScenarioError or StoreError for what is missing.
    """
    policies: dict[str, Policy] = {}
    bases = Bases() if bases is None else bases
    wanted = {name: settings for name, settings in scenario.policies.items() if only is None or name in only}
    for name, settings in wanted.items():
        learns, own = getattr(settings, "learn", False), model_seed(seed, name)
        folder = _folder(name, trained) if trained is not None and learns else None
        valued = learns and scenario.training.value_based
        if isinstance(settings, LanguageModelSettings):
            policies[name] = _language_model(name, settings, own, folder, bases, valued)
        elif isinstance(settings, NetworkSettings):
            kind = QNetworkPolicy if valued else NetworkPolicy
            policies[name] = network_policy(name, settings, home_of(scenario, name), seed=own, folder=folder, kind=kind)
        elif isinstance(settings, ScriptedSettings):
            policies[name] = scripted_policy(name, settings)
        elif isinstance(settings, APISettings):
            policies[name] = APIPolicy(name, settings)
        elif isinstance(settings, MixtureSettings):
            policies[name] = _mixture(name, settings, scenario, own, bases)
        elif not isinstance(settings, LeagueSettings):
            policies[name] = HumanPolicy(name)
    for name, settings in wanted.items():
        if isinstance(settings, LeagueSettings):
            policies[name] = _league(
                name, settings, scenario, seed, None if trained is None else Path(trained), policies
            )
    return policies


def _league(
    name: str,
    settings: LeagueSettings,
    scenario: AnyScenario,
    seed: int,
    trained: Path | None,
    policies: Mapping[str, Policy],
) -> LeaguePolicy:
    """The league that training exported to `trained`; before any training, the policy that it starts from."""
    if trained is None:
        return LeaguePolicy(name, [policies[settings.of]], [1.0], scenario.seed)
    folder = trained / name
    if not (folder / LEAGUE).is_file():
        raise StoreError(f"{trained} holds no league {name!r}; finish the training or export it there")
    note = json.loads((folder / LEAGUE).read_text(encoding="utf-8"))
    bases, of = Bases(policies.values()), [settings.of]
    members = [
        build_policies(scenario, seed=seed, trained=folder / member, bases=bases, only=of)[settings.of]
        for member in note["members"]
    ]
    return LeaguePolicy(name, members, note["probabilities"], scenario.seed)


def _mixture(name: str, settings: MixtureSettings, scenario: AnyScenario, seed: int, bases: Bases) -> LeaguePolicy:
    home, reads_as = home_of(scenario, name), settings.of or name
    members = {
        folder: frozen_policy(reads_as, settings.policy, home, folder, seed, bases, values=settings.values)
        for folder in dict.fromkeys(settings.folders)
    }
    playing = [members[folder] for folder in settings.folders]
    return LeaguePolicy(name, playing, settings.probabilities, home.seed, settings.together)


def frozen_policy(
    name: str,
    settings: LanguageModelSettings | NetworkSettings,
    scenario: Scenario,
    folder: str | Path,
    seed: int,
    bases: Bases,
    *,
    values: bool = False,
) -> Policy:
    """The policy that was exported to `folder`, reading as policy `name` of the scenario does; it learns no more.

    With `values` it takes the option of the largest Q value. Raises StoreError where there is no such folder.
    """
    path, own = Path(folder), settings.model_copy(update={"learn": False})
    if not path.is_dir():
        raise StoreError(f"policies.{name}: no folder {str(folder)!r}; name folders of exported policies")
    if isinstance(own, NetworkSettings):
        kind = QNetworkPolicy if values else NetworkPolicy
        return network_policy(name, own, scenario, seed=seed, folder=path, kind=kind)
    policy = bases.exported(name, own, seed, path)
    return with_values(policy, folder=path) if values else policy


def scripted_policy(name: str, settings: ScriptedSettings) -> ScriptedPolicy:
    """The policy that answers with the function named by `settings.entry`. Raises ScenarioError where there is none."""
    function = load_attribute(settings.entry, f"policies.{name}.entry")
    if not callable(function):
        raise ScenarioError(f"policies.{name}.entry: {settings.entry!r} is not a function of a view")
    return ScriptedPolicy(name, function, **settings.kwargs)


def model_seed(seed: int, name: str) -> int:
    """The seed of policy `name`'s untrained weights in a run with root seed `seed`."""
    return seed_of(seed, "policy", name)


def _folder(name: str, trained: str | Path) -> Path:
    folder = Path(trained) / name
    if not folder.is_dir():
        raise StoreError(f"{trained} holds no trained policy {name!r}; finish the training or export it there")
    return folder


def _language_model(
    name: str, settings: LanguageModelSettings, seed: int, folder: Path | None, bases: Bases, valued: bool
) -> LanguageModelPolicy:
    if folder is None:
        policy = policy_with(name, settings, bases.get(settings, seed))
    else:
        policy = bases.exported(name, settings, seed, folder)
    if valued:
        return with_values(policy, seed=seed, folder=folder)
    if not settings.learn and has_values(settings.model):
        return with_values(policy, folder=Path(settings.model).expanduser())
    return policy

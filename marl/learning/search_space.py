"""What a search file may hold, and the trials that it stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import Field, model_validator
from ray import tune
from ray.tune.search.variant_generator import generate_variants

from marl.scenario import load_scenario, read_yaml, validated
from marl.settings import Scenario, Settings


class Space(Settings):
    """The values of one field: every one of `grid`; or one drawn from `choice`, evenly, or evenly in the logarithm."""

    grid: list[Any] | None = Field(default=None, min_length=1)
    choice: list[Any] | None = Field(default=None, min_length=1)
    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Space:
        given = [name for name in Space.model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(Space.model_fields)}; given: {given or 'none'}")
        for low, high in filter(None, (self.uniform, self.loguniform)):
            if not low < high or (self.loguniform and low <= 0):
                raise ValueError(f"{given[0]} goes from a lower to a higher number, loguniform from above 0")
        return self

    def domain(self) -> Any:
        """The same for Ray Tune."""
        if self.grid is not None:
            return tune.grid_search(self.grid)
        if self.choice is not None:
            return tune.choice(self.choice)
        return tune.uniform(*self.uniform) if self.uniform is not None else tune.loguniform(*(self.loguniform or ()))


class SearchSettings(Settings):
    """A search over fields of a scenario by their dotted names: `samples` times the whole of all grids.

    `scheduler: asha` stops the worse trials early (Li et al., "A system for massively parallel hyperparameter tuning",
    2020): none before `grace` iterations, and at each rung all but the best 1 / `reduction`.
    """

    scenario: str
    space: dict[str, Space] = Field(min_length=1)
    set: dict[str, Any] = Field(default={}, description="fields that are the same in every trial")
    metric: str = "evaluation/normal"
    mode: Literal["max", "min"] = "max"
    samples: int = Field(default=1, ge=1)
    concurrent: int = Field(default=1, ge=1)
    scheduler: Literal["none", "asha"] = "none"
    grace: int = Field(default=5, ge=1)
    reduction: float = Field(default=3, gt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    loggers: list[Literal["wandb", "mlflow"]] = []

    def trials(self) -> list[dict[str, Any]]:
        """{field: value} of every trial; the draws depend on `seed` alone."""
        random = np.random.RandomState(self.seed)
        spec = {name: space.domain() for name, space in self.space.items()}
        # Tune's own paths go down at dots and slashes of a key; a list of pairs keeps names whole.
        names = list(spec)
        nested = {str(place): spec[name] for place, name in enumerate(names)}
        found = []
        for _ in range(self.samples):
            for _, values in generate_variants({"config": nested}, random_state=random):
                found.append({name: _plain(values["config"][str(place)]) for place, name in enumerate(names)})
        return found

    def scenario_of(self, values: dict[str, Any]) -> Scenario:
        """The trial's scenario. Raises ScenarioError for a field that there is not, or a value that it cannot have."""
        fields = {**self.set, **values}
        overrides = [f"{name}={yaml.safe_dump(value, default_flow_style=True)}" for name, value in fields.items()]
        return load_scenario(self.scenario, overrides)


def load_search(path: str | Path) -> SearchSettings:
    """Read a search file; a scenario file that it names is looked for beside it first.

    Raises ScenarioError, naming each fault.
    """
    path = Path(path)
    settings = validated(SearchSettings, read_yaml(path), str(path), "search")
    beside = path.parent / settings.scenario
    return settings.model_copy(update={"scenario": str(beside.resolve())}) if beside.is_file() else settings


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value

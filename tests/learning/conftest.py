"""A fast scenario and one Ray for all tests that need it; `toy_games` and `handmade` become importable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from marl.scenario import validate_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

if TYPE_CHECKING:
    from marl.learning.policy_runner import PolicyRunners

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "models"))  # api_server
torch.set_num_threads(1)


@pytest.fixture
def make_scenario() -> Callable[..., Scenario]:
    """doors(agents, talk_rounds, env kwargs..., training={...}) with the nano model in every seat.

    `policies` are settings of language models by name; the agents then have them in turn.
    """

    def make(
        agents: int = 1,
        *,
        talk_rounds: int = 0,
        vocabulary: list[str] | None = None,
        training: dict[str, Any] | None = None,
        policies: dict[str, dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> Scenario:
        names = list(policies or {"guest": {}})
        small = {"iterations": 4, "episodes": 6, "epochs": 1, "minibatches": 2, "evaluate_every": 100}
        return validate_scenario(
            {
                "name": "doors",
                "title": "Doors",
                "kind": "cooperative",
                "env": {"entry": "toy_games:Doors", "kwargs": {"agents": agents, **kwargs}},
                "channel": {
                    "talk_rounds": talk_rounds,
                    "budget": 3,
                    "topology": "broadcast",
                    "vocabulary": vocabulary,
                },
                "seats": {f"guest_{number}": names[number % len(names)] for number in range(agents)},
                "policies": {
                    name: {"kind": "language_model", "model": "nano", **settings}
                    for name, settings in (policies or {"guest": {}}).items()
                },
                "training": {**small, **(training or {})},
            }
        )

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[[Scenario, str], Path]:
    """Create a run directory for a scenario and give its path."""

    def make(scenario: Scenario, name: str = "run") -> Path:
        return RunDirectory.create(tmp_path / name, scenario).path

    return make


@pytest.fixture(scope="session")
def ray_of_two() -> Iterator[None]:
    """A local Ray with room for two actors."""
    import ray

    from marl.learning.cluster import ensure_ray

    ensure_ray(2)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def two_runners(ray_of_two: None) -> Iterator[PolicyRunners]:
    """Two Ray actors that play with any policies."""
    from marl.learning.policy_runner import PolicyRunners

    runners = PolicyRunners(2)
    yield runners
    runners.close()

"""A fast scenario and one Ray for all tests that need it; `toy_games` and `handmade` become importable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from marl.scenario import load_scenario, validate_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

if TYPE_CHECKING:
    from marl.learning.algorithm import MultiAgentAlgorithm
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


LEWIS = [
    *("training.iterations=4", "training.episodes=8", "training.evaluation_episodes=4", "training.evaluate_every=2"),
    *("training.checkpoint_every=1", "training.critic.epochs=2", "evaluation.episodes=8", "analysis.episodes=4"),
    "training.q={updates: 3, batch: 8, buffer: 60, target_every: 4}",
]


@pytest.fixture
def make_lewis() -> Callable[..., Scenario]:
    """lewis(sender's kind, receiver's kind, overrides...): four iterations of eight episodes of `lewis`."""

    def make(sender: str, receiver: str, *overrides: str) -> Scenario:
        kinds = f"policies={{sender: {{kind: {sender}}}, receiver: {{kind: {receiver}}}}}"
        return load_scenario("lewis", [*LEWIS, kinds, *overrides])

    return make


@pytest.fixture
def make_matrix() -> Callable[..., Scenario]:
    """matrix(payoffs, seed, zero_sum, training settings...): a bimatrix game between two small networks."""

    def make(payoffs: list[list[float]], seed: int, *, zero_sum: bool = False, **training: Any) -> Scenario:
        return validate_scenario(
            {
                "name": "matrix",
                "title": "Matrix",
                "kind": "mixed" if zero_sum else "cooperative",
                "seed": seed,
                "env": {"entry": "toy_games:Matrix", "kwargs": {"payoffs": payoffs, "zero_sum": zero_sum}},
                "channel": {"topology": "none"},
                "seats": {"guest_0": "row", "guest_1": "column"},
                "policies": {name: {"kind": "network", "hidden": [16]} for name in ("row", "column")},
                "training": training,
            }
        )

    return make


@pytest.fixture
def build() -> Iterator[Callable[[Scenario], MultiAgentAlgorithm]]:
    """Scenario -> the algorithm that trains it, stopped after the test."""
    from marl.learning.algorithm import MultiAgentAlgorithm
    from marl.learning.config import MultiAgentConfig

    made: list[MultiAgentAlgorithm] = []

    def make(scenario: Scenario) -> MultiAgentAlgorithm:
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


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

"""Value-based learning against value iteration, a coordination game and the two-step game; resumed, on actors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.maze import parallel_env
from marl import experiment
from marl.errors import LearningError, ScenarioError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.q_learner import QLearner
from marl.learning.task import Task
from marl.learning.trainer import Trainer
from marl.policies import build_policies
from marl.rollout import play
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

Maker = Callable[..., Scenario]
Kinds = tuple[str, str]
NETWORKS = ("network", "network")
MIXED = ("network", "language_model")


def learner_of(algorithm: MultiAgentAlgorithm) -> QLearner:
    assert isinstance(algorithm.learner, QLearner)
    return algorithm.learner


def test_dqn_has_the_values_of_value_iteration(build: Any) -> None:
    """Forced moves are no turns, so that the discount is one a decision; the truth is computed from the walls."""
    gamma, env = 0.9, {"size": 3, "view": "full", "number": 3, "budget": 60}
    scenario = load_scenario(
        "maze",
        [
            f"env.kwargs={env}",
            "policies.walker={kind: network, hidden: [64]}",
            *("training.algorithm=dqn", f"training.gamma={gamma}", "training.lr=0.003", "training.grad_clip=10"),
            *("training.iterations=30", "training.episodes=16"),
            "training.q={epsilon: [1.0, 1.0], updates: 40, batch: 64, target_every: 20}",
        ],
    )
    algorithm = build(scenario)
    for _ in range(scenario.training.iterations):
        algorithm.train()
    (buffer,) = learner_of(algorithm).buffers.values()
    rows = buffer.sample(len(buffer))
    actor = learner_of(algorithm)._q_actors()["walker"]
    with torch.no_grad():
        found, _ = actor.values({"inputs": rows["0/now/inputs"], "legal": rows["0/now/legal"]})
    truth = optimal_values(env, gamma)
    errors = {}
    for inputs, action, values in zip(rows["0/now/inputs"], rows["0/choice"], found.numpy(), strict=True):
        cell = int(inputs[36:45].argmax())
        errors[cell, int(action)] = abs(values[action] - truth[cell, int(action)])
    assert len(errors) == len(truth) > 6, "every decision of the maze was met"
    assert max(errors.values()) < 0.05


def optimal_values(env: dict[str, Any], gamma: float) -> dict[tuple[int, int], float]:
    """Q*[cell, side] by value iteration over the cells with more than one open side that can be met before the goal."""
    game = parallel_env(**env)
    game.reset(seed=0)
    size, goal = env["size"], game.goal
    steps = ((-1, 0), (0, 1), (1, 0), (0, -1))

    def after(cell: tuple[int, int], side: int) -> tuple[int, int]:
        return cell[0] + steps[side][0], cell[1] + steps[side][1]

    def sides(cell: tuple[int, int]) -> list[int]:
        return [side for side in range(4) if game.open[cell][side]]

    def settled(cell: tuple[int, int]) -> tuple[int, int]:
        while cell != goal and len(sides(cell)) == 1:
            cell = after(cell, sides(cell)[0])
        return cell

    cells, waiting = set(), [settled(game.cell)]
    while waiting:
        cell = waiting.pop()
        if cell != goal and cell not in cells:
            cells.add(cell)
            waiting += [settled(after(cell, side)) for side in sides(cell)]
    q = {(cell, side): 0.0 for cell in cells for side in sides(cell)}
    for _ in range(200):
        for cell, side in q:
            following = settled(after(cell, side))
            best = 1.0 if following == goal else gamma * max(q[following, other] for other in sides(following))
            q[cell, side] = best
    return {(cell[0] * size + cell[1], side): value for (cell, side), value in q.items()}


LEVERS = [[0.2, 0.0, 0.1], [0.0, 1.0, 0.3], [0.1, 0.2, 0.4]]


@pytest.mark.parametrize("algorithm_name", ["dqn", "vdn", "qmix"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_coordination_game_is_solved(make_matrix: Maker, build: Any, algorithm_name: str, seed: int) -> None:
    """Levers 1 and 1 pay 1.0; uniform play earns 0.256."""
    training = {"iterations": 20, "episodes": 16, "lr": 0.01, "q": {"updates": 10, "batch": 32, "target_every": 10}}
    algorithm = build(make_matrix(LEVERS, seed, algorithm=algorithm_name, **training))
    for _ in range(20):
        algorithm.train()
    assert algorithm.play(Task((0, 1), 5))[0].mean_return == 1.0
    assert algorithm.row["charts/epsilon"] == pytest.approx(0.05)


def two_step(algorithm: str, seed: int) -> Scenario:
    """As published: full exploration and learning rate 5e-4, gamma 0.99."""
    return load_scenario(
        "two_step",
        [
            "policies={first: {kind: network}, second: {kind: network}}",
            *(f"seed={seed}", f"training.algorithm={algorithm}", "training.iterations=150", "training.episodes=32"),
            *("training.lr=0.0005", "training.critic.lr=0.0005", "training.gamma=0.99", "training.grad_clip=10"),
            "training.q={epsilon: [1, 1], updates: 32, batch: 64, target_every: 100, buffer: 5000, huber: 100}",
        ],
    )


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm_name", "payoff"), [("qmix", 8.0), ("vdn", 7.0), ("dqn", 7.0)])
def test_the_two_step_game_needs_monotonic_mixing(build: Any, algorithm_name: str, payoff: float) -> None:
    """Rashid et al., 2018: QMIX finds the 8, VDN and independent learners stay at 7; here after 9600 env steps."""
    for seed in range(3):
        algorithm = build(two_step(algorithm_name, seed))
        for _ in range(150):
            algorithm.train()
        assert algorithm.env_steps == 9600
        assert algorithm.play(Task((0,), 1))[0].mean_return == payoff


def test_dqn_teaches_a_language_model_to_choose(make_scenario: Callable[..., Scenario], build: Any) -> None:
    """Name the color of the door: 1 for the right one of three, so that guessing earns 1/3."""
    training = {
        **{"algorithm": "dqn", "iterations": 20, "episodes": 24, "lr": 0.001},
        "q": {"updates": 8, "batch": 32, "target_every": 8, "epsilon": (1.0, 0.1)},
    }
    algorithm = build(make_scenario(training=training))
    for _ in range(20):
        algorithm.train()
    assert np.mean([episode.mean_return for episode in algorithm.play(Task(tuple(range(24)), 7))]) >= 0.95


def test_evaluation_is_greedy_and_training_explores(make_lewis: Maker, build: Any) -> None:
    algorithm = build(make_lewis(*NETWORKS, "training.algorithm=dqn"))
    log_probs = [
        {
            turn.log_probs[0]
            for episode in algorithm.play(Task(tuple(range(8)), 3, explore=on))
            for turn in episode.turns
        }
        for on in (False, True)
    ]
    assert log_probs[0] == {0.0}
    assert all(value < -1.0 for value in log_probs[1]), "epsilon is 1"


def state_of(algorithm: MultiAgentAlgorithm) -> Any:
    state = learner_of(algorithm).get_state()
    return flat({name: state[name] for name in ("rl_module", "optimizer", "q_learning")})


def flat(value: Any) -> Any:
    """Comparable: arrays and tensors as lists."""
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [flat(item) for item in value]
    return flat(value.tolist()) if isinstance(value, np.ndarray | torch.Tensor) else value


@pytest.mark.parametrize(
    ("policies", "algorithm", "explore"),
    [(NETWORKS, "qmix", "epsilon"), (NETWORKS, "dqn", "ucb"), (MIXED, "vdn", "ucb")],
)
def test_resumed_training_is_straight_training(
    make_lewis: Maker, tmp_path: Path, policies: Kinds, algorithm: str, explore: str
) -> None:
    """Weights, target networks, buffers with their generators, counts, epsilon and optimizers, to the last bit."""
    scenario = make_lewis(*policies, f"training.algorithm={algorithm}", f"training.q.explore={explore}")
    states = []
    for name, pauses in (("straight", [4]), ("broken", [2, 4])):
        run = RunDirectory.create(tmp_path / name, scenario)
        for pause in pauses:
            with Trainer(scenario, run.path, resume=True) as trainer:
                trainer.run(should_stop=lambda row, last=pause: row["iteration"] == last)
                states.append(state_of(trainer.algorithm))
    assert states[0] == states[2]
    assert states[0] != states[1]
    rows = [RunDirectory(tmp_path / name).metrics() for name in ("straight", "broken")]
    one, two = ([row["losses/td_loss"] for row in given if row["iteration"]] for given in rows)
    assert len(one) == 4
    assert one == two


@pytest.mark.parametrize("policies", [NETWORKS, MIXED])
def test_what_is_exported_plays_as_the_live_policies_do(make_lewis: Maker, tmp_path: Path, policies: Kinds) -> None:
    scenario = make_lewis(*policies, "training.algorithm=vdn")
    run = RunDirectory.create(tmp_path / "run", scenario)
    with Trainer(scenario, run.path) as trainer:
        trainer.run()
        trainer.export(tmp_path / "policies")
        live = play(scenario, trainer.policies(), range(8), seed=5)
    again = build_policies(scenario, seed=9, trained=tmp_path / "policies")
    loaded = play(scenario, again, range(8), seed=5)
    one, two = ([[turn.text for turn in episode.turns] for episode in played] for played in (live, loaded))
    assert one == two


@pytest.mark.slow
def test_a_run_is_evaluated_analyzed_and_reported(make_lewis: Maker, tmp_path: Path) -> None:
    scenario = make_lewis(*NETWORKS, "training.algorithm=qmix")
    run = experiment.run(scenario, tmp_path / "run")
    assert {"normal", "untrained", experiment.TWIN} <= set(run.read_json("evaluation.json")["arms"])
    assert run.has("analysis.json")
    assert (run.path / "report.html").is_file()
    best = experiment.policies_of(run, checkpoint="best")
    assert len(play(scenario, best, range(2), seed=1)) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("policies", "explore"), [(NETWORKS, "epsilon"), (NETWORKS, "ucb"), (MIXED, "epsilon")])
def test_two_env_runners_explore_as_none_does(
    make_lewis: Maker, ray_of_two: None, build: Any, policies: Kinds, explore: str
) -> None:
    found = []
    for runners in (0, 2):
        more = ["training.algorithm=vdn", f"training.q.explore={explore}", f"training.env_runners={runners}"]
        algorithm = build(make_lewis(*policies, "training.episodes=40", "training.q.buffer=200", *more))
        texts: list[list[str]] = []
        original = algorithm.play

        def noted(task: Task, play: Any = original, texts: Any = texts) -> Any:
            episodes = play(task)
            texts += [[turn.text for turn in episode.turns] for episode in episodes]
            return episodes

        algorithm.play = noted
        algorithm.train()
        algorithm.train()
        found.append((texts, state_of(algorithm)))
    assert found[0] == found[1]


def test_free_talk_is_refused_before_anything_runs() -> None:
    with pytest.raises(ScenarioError, match=r"dqn learns a value of each option.*free text.*channel\.vocabulary"):
        load_scenario("scout_hunt", ["training.algorithm=dqn"])


def test_episodes_that_are_only_cut_teach_nothing(make_scenario: Callable[..., Scenario], build: Any) -> None:
    algorithm = build(make_scenario(cut=True, training={"algorithm": "dqn"}))
    with pytest.raises(LearningError, match="no transition to learn from in 6 episodes"):
        algorithm.train()


def test_qmix_needs_a_state(make_scenario: Callable[..., Scenario], build: Any) -> None:
    with pytest.raises(LearningError, match=r"qmix's critic reads the env's state\(\).*algorithm: vdn"):
        build(make_scenario(2, stateless=True, training={"algorithm": "qmix"}))


def test_half_precision_that_overflows_is_refused(make_scenario: Callable[..., Scenario], build: Any) -> None:
    scenario = make_scenario(policies={"guest": {"precision": "float16"}}, training={"algorithm": "dqn"})
    with pytest.raises(LearningError, match="float16"):
        build(scenario)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("tau=0", "q.tau"),
        ("epsilon=[2, 0]", "q.epsilon"),
        ("explore=greedy", "q.explore"),
        ("target=3", "target_every"),
    ],
)
def test_impossible_settings_are_named(change: str, named: str) -> None:
    with pytest.raises(ScenarioError, match=named):
        load_scenario("two_step", [f"training.q.{change}"])

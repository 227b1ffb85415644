from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import CRITIC, column_batch
from marl.learning.config import MultiAgentConfig
from marl.learning.features import Columns
from marl.learning.learner import ITERATION
from marl.learning.task import Task
from marl.settings import Scenario
from marl.types import Episode


@pytest.fixture
def build(make_scenario: Callable[..., Scenario]) -> Iterator[Callable[..., MultiAgentAlgorithm]]:
    made: list[MultiAgentAlgorithm] = []

    def make(*args: int, **kwargs: object) -> MultiAgentAlgorithm:
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(make_scenario(*args, **kwargs))))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def columns_of(algorithm: MultiAgentAlgorithm, episodes: list[Episode]) -> dict[str, Columns]:
    return column_batch(episodes, set(algorithm.actors()), algorithm.config.layout)


def update(algorithm: MultiAgentAlgorithm, columns: dict[str, Columns], iteration: int = 0) -> dict[str, float]:
    batch = MultiAgentBatch({name: SampleBatch(own) for name, own in columns.items()}, env_steps=1)
    algorithm.learner_group.update(batch=batch, timesteps={ITERATION: iteration})
    return algorithm.learner.report()


def weights(algorithm: MultiAgentAlgorithm, module: str) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in algorithm.learner.module[module].parameters()]


def test_the_first_ratio_is_one_for_messages_and_choices(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(2, talk_rounds=1)
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(8)), 5)))
    assert columns["guest"]["talk"].any()
    assert not columns["guest"]["talk"].all()
    row = update(algorithm, columns)
    assert row["losses/first_ratio_deviation"] < 1e-5
    assert {"losses/policy_loss", "losses/value_loss", "losses/approx_kl", "losses/explained_variance"} <= set(row)
    assert row["losses/entropy_action"] > 0
    assert row["losses/entropy_message"] > 0


def test_the_deviation_is_measured_where_the_weights_differ(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build()
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(6)), 5)))
    with torch.no_grad():
        for parameter in algorithm.actors()["guest"].parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    assert update(algorithm, columns)["losses/first_ratio_deviation"] > 1e-3


def test_an_update_moves_actor_and_critic(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build()
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(6)), 5)))
    before = {name: weights(algorithm, name) for name in ("guest", CRITIC)}
    update(algorithm, columns)
    for name, old in before.items():
        assert any(not torch.equal(a, b) for a, b in zip(old, weights(algorithm, name), strict=True)), name


def test_a_positive_advantage_makes_the_decision_likelier(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(training={"epochs": 3, "minibatches": 1, "action_entropy": (0.0, 0.0)})
    episodes = algorithm.play(Task(tuple(range(12)), 5))
    for episode in episodes:
        episode.turns[0].reward = float(episode.turns[0].choice == 0)
    columns = columns_of(algorithm, episodes)
    chosen = torch.as_tensor(columns["guest"]["choice"] == 0)
    assert chosen.any()
    assert not chosen.all()
    update(algorithm, columns)
    actor = algorithm.actors()["guest"]
    with torch.no_grad():
        new = actor.forward_train({"rows": algorithm.learner._rows["guest"]})["log_probs"][:, 0]
    gain = new - torch.as_tensor(columns["guest"]["log_probs"][:, 0])
    assert float(gain[chosen].mean()) > 0 > float(gain[~chosen].mean())


def test_advantages_are_gae_over_each_agents_turns_with_a_bootstrap_where_cut(
    build: Callable[..., MultiAgentAlgorithm],
) -> None:
    algorithm = build(2, steps=3, cut=True, training={"gamma": 0.9, "gae_lambda": 0.8})
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(3)), 5)))
    critic = {key: torch.as_tensor(value) for key, value in columns[CRITIC].items()}
    values = algorithm.learner.critic().values_of(critic).tolist()
    trajectory, artificial = critic["trajectory"].tolist(), critic["artificial"].tolist()
    assert sum(artificial) == 6
    advantages = algorithm.learner._estimate(critic).tolist()
    for number in set(trajectory):
        rows = [row for row, own in enumerate(trajectory) if own == number and not artificial[row]]
        (after,) = [values[row] for row, own in enumerate(trajectory) if own == number and artificial[row]]
        following = [values[row] for row in rows[1:]] + [after]
        deltas = [
            float(critic["reward"][row]) + 0.9 * nxt - values[row] for row, nxt in zip(rows, following, strict=True)
        ]
        for place, row in enumerate(rows):
            expected = sum((0.9 * 0.8) ** (k - place) * deltas[k] for k in range(place, len(rows)))
            assert advantages[row] == pytest.approx(expected, abs=1e-5)
    assert all(advantages[row] == 0.0 for row, fake in enumerate(artificial) if fake)


def test_artificial_rows_have_no_part_in_normalization_nor_in_the_value_loss(
    build: Callable[..., MultiAgentAlgorithm],
) -> None:
    algorithm = build(1, steps=2, cut=True, training={"minibatches": 1})
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(6)), 5)))
    critic = {key: torch.as_tensor(value) for key, value in columns[CRITIC].items()}
    advantages = algorithm.learner._estimate(critic)
    actors = algorithm.learner._actor_tensors("guest", columns["guest"], advantages)
    real = advantages[~critic["artificial"]]
    torch.testing.assert_close(actors["advantage"], objectives.normalize(real))
    out = algorithm.learner.critic().forward_train(critic)
    loss = algorithm.learner.compute_loss_for_module(
        module_id=CRITIC, config=algorithm.config, batch=critic, fwd_out=out
    )
    spoiled = {"values": torch.where(critic["artificial"], 1e6, out["values"])}
    again = algorithm.learner.compute_loss_for_module(
        module_id=CRITIC, config=algorithm.config, batch=critic, fwd_out=spoiled
    )
    torch.testing.assert_close(loss, again)


def test_every_row_is_seen_once_an_epoch_in_an_order_of_seed_and_iteration(
    build: Callable[..., MultiAgentAlgorithm],
) -> None:
    algorithm = build(training={"epochs": 2, "minibatches": 3})
    learner = algorithm.learner
    actors = {"guest": {"index": torch.arange(10), "talk": torch.zeros(10, dtype=torch.bool)}}

    def orders(iteration: int) -> list[list[int]]:
        learner.before_gradient_based_update(timesteps={ITERATION: iteration})
        learner._rows = {"guest": range(10)}
        return [batch.policy_batches["guest"]["index"].tolist() for batch in learner._minibatches(actors)]

    first = orders(0)
    assert len(first) == 6
    for epoch in (first[:3], first[3:]):
        assert sorted(row for part in epoch for row in part) == list(range(10))
    assert first[:3] != first[3:]
    assert orders(0) == first != orders(1)


def test_a_gradient_that_is_not_finite_is_an_error_and_changes_nothing(
    build: Callable[..., MultiAgentAlgorithm],
) -> None:
    algorithm = build()
    learner = algorithm.learner
    parameter = next(iter(learner._params.values()))
    before = weights(algorithm, "guest")
    with pytest.raises(LearningError, match="not finite"):
        learner.apply_gradients({parameter: torch.full_like(parameter, float("nan"))})
    assert all(torch.equal(a, b) for a, b in zip(before, weights(algorithm, "guest"), strict=True))


def test_recorded_log_probabilities_of_other_tokens_are_refused(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build()
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(6)), 5)))
    columns["guest"]["log_prob_length"][:] = 0
    with pytest.raises(LearningError, match="other tokens"):
        update(algorithm, columns)


def test_actor_and_critic_have_their_own_learning_rates(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(training={"lr": 2e-4, "critic": {"lr": 5e-3}})
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in algorithm.learner._named_optimizers.items()}
    assert sorted(rates.values()) == [2e-4, 5e-3]


LORA = {"lora": {"rank": 4, "alpha": 8}}


def test_one_agents_training_leaves_the_adapters_of_others_and_the_base(
    build: Callable[..., MultiAgentAlgorithm],
) -> None:
    algorithm = build(2, talk_rounds=1, policies={"one": LORA, "two": LORA}, training={"lr": 1e-2})
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(8)), 5)))
    assert algorithm.actors()["one"].model is algorithm.actors()["two"].model
    base = {
        name: p.detach().clone()
        for name, p in algorithm.actors()["one"].model.network.named_parameters()
        if "lora" not in name
    }
    before = {name: weights(algorithm, name) for name in ("one", "two")}
    update(algorithm, {name: own for name, own in columns.items() if name != "two"})
    after = {name: weights(algorithm, name) for name in ("one", "two")}
    assert all(torch.equal(a, b) for a, b in zip(before["two"], after["two"], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before["one"], after["one"], strict=True))
    network = dict(algorithm.actors()["one"].model.network.named_parameters())
    assert all(torch.equal(network[name], value) for name, value in base.items())


def test_the_first_ratio_of_adapters_is_one_and_both_are_trained(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(2, talk_rounds=1, policies={"one": LORA, "two": LORA}, training={"lr": 1e-2})
    for iteration in range(2):  # in the second the adapters differ from the base and from each other
        before = {name: weights(algorithm, name) for name in ("one", "two")}
        columns = columns_of(algorithm, algorithm.play(Task(tuple(range(8)), 5 + iteration)))
        assert update(algorithm, columns, iteration)["losses/first_ratio_deviation"] < 1e-5
        for name, old in before.items():
            assert any(not torch.equal(a, b) for a, b in zip(old, weights(algorithm, name), strict=True))


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.3), ("float16", 0.05)])
def test_half_precision_learns_with_a_ratio_near_one(
    build: Callable[..., MultiAgentAlgorithm], precision: str, tolerance: float
) -> None:
    """Acting and training lay their tokens out otherwise, so each rounds otherwise: 8 and 11 bits of mantissa."""
    algorithm = build(2, talk_rounds=1, policies={"guest": {"precision": precision}})
    before = weights(algorithm, "guest")
    row = update(algorithm, columns_of(algorithm, algorithm.play(Task(tuple(range(8)), 5))))
    assert 0 < row["losses/first_ratio_deviation"] < tolerance
    after = weights(algorithm, "guest")
    assert {weight.dtype for weight in after} == {torch.float32}
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert ("losses/skipped_steps" in row) == (precision == "float16")


def test_the_loss_scale_leaves_the_gradient_as_it_is_and_gives_way_to_overflow(
    build: Callable[..., MultiAgentAlgorithm],
) -> None:
    training = {"minibatches": 1, "critic": {"epochs": 1}}
    algorithm = build(policies={"guest": {"precision": "float16"}}, training=training)
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(6)), 5)))
    learner, seen = algorithm.learner, []
    apply = learner.apply_gradients
    learner.apply_gradients = lambda gradients: seen.append(max(float(g.abs().max()) for g in gradients.values()))  # type: ignore[method-assign]
    for scale in (1.0, 2.0**12):
        learner.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        update(algorithm, columns)
    assert len(seen) == 4, "a step of the actors and one of the critic in each update"
    assert seen[0] == pytest.approx(seen[2], rel=0.05)
    learner.apply_gradients = apply  # type: ignore[method-assign]
    learner.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120)
    before = weights(algorithm, "guest")
    row = update(algorithm, columns)
    assert row["losses/skipped_steps"] == 1.0
    assert all(torch.equal(a, b) for a, b in zip(before, weights(algorithm, "guest"), strict=True))
    assert learner.scaler.get_scale() == 2.0**119
    learner.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    learner._backward = lambda actor, loss: learner.scaler.scale(loss * float("inf")).backward()  # type: ignore[method-assign]
    with pytest.raises(LearningError, match="precision: bfloat16"):
        update(algorithm, columns)


def test_value_clipping_holds_predictions_near_where_they_were(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(training={"critic": {"value_clip": 0.1}})
    learner = algorithm.learner
    batch = {
        "before": torch.tensor([0.0, 0.0]),
        "target": torch.tensor([1.0, 1.0]),
        "learned": torch.tensor([True, True]),
    }
    for moved, wanted in (([0.5, 0.5], 0.5 * 0.9**2), ([-0.5, -0.5], 0.5 * 1.5**2)):
        out = {"values": torch.tensor(moved)}
        loss = learner.compute_loss_for_module(module_id=CRITIC, config=algorithm.config, batch=batch, fwd_out=out)
        assert float(loss) == pytest.approx(wanted)


def test_credit_a_turn_has_one_ratio_for_a_message(build: Callable[..., MultiAgentAlgorithm]) -> None:
    rows = []
    for credit in ("token", "turn"):
        algorithm = build(2, talk_rounds=1, training={"credit": credit, "epochs": 3, "lr": 3e-3})
        rows.append(update(algorithm, columns_of(algorithm, algorithm.play(Task(tuple(range(8)), 5)))))
    assert rows[0]["losses/first_ratio_deviation"] < 1e-5 > rows[1]["losses/first_ratio_deviation"]
    assert rows[0]["losses/policy_loss"] != rows[1]["losses/policy_loss"]


def test_ippo_trains_in_an_env_without_a_state(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(stateless=True, training={"algorithm": "ippo"})
    algorithm.train()
    assert algorithm.row["charts/episodes_failed"] == 0
    assert algorithm.row["losses/value_loss"] > 0


def test_signaling_makes_messages_tell_where_rewards_do_not_ask_for_it(
    build: Callable[..., MultiAgentAlgorithm],
) -> None:
    entropy = {"message_entropy": (0.0, 0.0), "action_entropy": (0.0, 0.0)}
    told = {}
    for coefficient in (0.0, 5.0):
        training = {"epochs": 8, "minibatches": 1, "signaling": (coefficient, coefficient), **entropy}
        algorithm = build(2, talk_rounds=1, vocabulary=["ba", "du", "ki"], training=training)
        columns = columns_of(algorithm, algorithm.play(Task(tuple(range(16)), 5)))
        row = update(algorithm, columns)
        assert ("losses/signaling" in row) == (coefficient > 0)
        said, actor = columns["guest"], algorithm.actors()["guest"]
        talk = [place for place, flag in enumerate(said["talk"]) if flag]
        with torch.no_grad():
            table = actor.read(actor.take(actor.rows(said), torch.tensor(talk))).table
        told[coefficient] = objectives.signaling_bonus(
            table, objectives.average_message(table), torch.ones(len(talk), dtype=torch.bool)
        ).item()
    assert told[5.0] > told[0.0] + 0.05


def test_signaling_is_not_for_free_text(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(2, talk_rounds=1, training={"signaling": (1.0, 0.0)})
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(4)), 5)))
    with pytest.raises(LearningError, match=r"training\.signaling"):
        update(algorithm, columns)


def test_the_actors_rate_falls_linearly_and_the_critics_stays(build: Callable[..., MultiAgentAlgorithm]) -> None:
    algorithm = build(training={"lr": 2e-4, "anneal_lr": True, "iterations": 4, "critic": {"lr": 5e-3}})
    columns = columns_of(algorithm, algorithm.play(Task(tuple(range(4)), 5)))
    for iteration, share in ((0, 1.0), (1, 0.75), (3, 0.25)):
        update(algorithm, columns, iteration)
        assert algorithm.learner.learning_rate("guest") == pytest.approx(share * 2e-4)
        assert algorithm.learner.learning_rate(CRITIC) == 5e-3

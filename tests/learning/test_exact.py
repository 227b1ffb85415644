import numpy as np
import pytest

from envs.kuhn_poker import Exact, equilibrium, information_sets, nash_conv
from envs.matrix_game import Exact as MatrixExact
from envs.matrix_game import parallel_env
from marl.errors import LearningError, ScenarioError
from marl.learning.exact import ExactMeasure
from marl.learning.trainer import Trainer
from marl.policies import build_policies
from marl.scenario import load_scenario
from marl.store import RunDirectory

NETWORK = "{kind: network, hidden: [16]}"
SMALL = ["training.iterations=3", "training.episodes=16", "training.evaluate_every=1", "training.evaluation_episodes=4"]


def kuhn(*overrides, network=True):
    kind = NETWORK if network else "{kind: language_model, model: nano}"
    seats = [f"policies.first={kind}", f"policies.second={kind}"]
    return load_scenario("kuhn_poker", [*seats, "evaluation.exact=envs.kuhn_poker:Exact", *overrides])


def pairs(policy):
    return [np.array([1 - policy[name], policy[name]]) for name in information_sets()]


def test_a_plan_is_worth_what_its_policy_is():
    game, rng = Exact(), np.random.default_rng(0)
    for policy in (equilibrium(0.2), dict(zip(information_sets(), rng.random(12).tolist(), strict=True))):
        assert game.measures(game.plan(pairs(policy)))["nash_conv"] == pytest.approx(nash_conv(policy), abs=1e-12)


def test_the_average_of_plans_plays_as_a_policy_drawn_anew_for_each_game():
    game = Exact()
    never, always = (dict.fromkeys(information_sets(), share) for share in (0.0, 1.0))
    always = {**always, "jack pass bet": 0.0, "queen pass bet": 0.0, "king pass bet": 0.0}
    never = {**never, "jack pass bet": 1.0, "queen pass bet": 1.0, "king pass bet": 1.0}
    plan = (game.plan(pairs(never)) + game.plan(pairs(always))) / 2
    # Whoever passed is the one that never bets first and always calls: the other is never there.
    assert game.measures(plan)["value"] == pytest.approx(
        game.measures(game.plan(pairs({**never, "jack": 0.5, "queen": 0.5, "king": 0.5} | tail(never, always))))[
            "value"
        ]
    )


def tail(never, always):
    """player_1's sets, half and half: one decision, so the average policy is the mean of probabilities."""
    return {name: (never[name] + always[name]) / 2 for name in information_sets()[6:]}


@pytest.mark.parametrize("network", [True, False])
def test_what_is_measured_is_what_the_policies_play(network):
    scenario = kuhn(network=network)
    policies = build_policies(scenario, seed=0)
    measure = ExactMeasure(scenario)
    shares = {}
    for name, view in zip(measure.game.names, measure.views, strict=True):
        [mix] = policies[scenario.seats[view.agent]].distributions([view])
        assert mix.sum() == pytest.approx(1.0)
        shares[name] = float(mix[1] / mix.sum())
    assert measure.row(policies)["exact/nash_conv"] == pytest.approx(nash_conv(shares), abs=1e-5)


def test_uniform_play_of_rock_paper_scissors_is_the_equilibrium():
    game = MatrixExact(parallel_env("rock_paper_scissors"))
    found = game.measures(game.plan([np.full(3, 1 / 3)] * 2))
    assert found["nash_conv"] == pytest.approx(0.0, abs=1e-12)
    assert game.measures(game.plan([np.array([1.0, 0.0, 0.0])] * 2))["nash_conv"] == pytest.approx(2.0)
    with pytest.raises(ValueError, match="single round"):
        MatrixExact(parallel_env("rock_paper_scissors", rounds=2))


def test_later_iterations_count_more():
    scenario = load_scenario(
        "rock_paper_scissors",
        [f"policies.first={NETWORK}", f"policies.second={NETWORK}", "evaluation.exact=envs.matrix_game:Exact"],
    )
    measure = ExactMeasure(scenario)
    one, two = (build_policies(scenario, seed=seed) for seed in (0, 1))
    measure.take_in(one, 1)
    measure.take_in(two, 3)
    expected = (measure.plan(one) + 3 * measure.plan(two)) / 4
    np.testing.assert_allclose(measure.total / measure.weight, expected, atol=1e-12)


def test_training_measures_and_a_resumed_run_goes_on_with_the_same_average(tmp_path):
    scenario = kuhn(*SMALL)
    for name, stops in (("whole", []), ("parts", [2])):
        RunDirectory.create(tmp_path / name, scenario)
        for stop in stops:
            with Trainer(scenario, tmp_path / name) as trainer:
                trainer.run(should_stop=lambda row, stop=stop: row["iteration"] == stop)
        with Trainer(scenario, tmp_path / name, resume=True) as trainer:
            trainer.run()
    rows = [RunDirectory(tmp_path / name).metrics() for name in ("whole", "parts")]
    keys = ("exact/nash_conv", "exact/average_nash_conv")
    assert [[row.get(key) for key in keys] for row in rows[0]] == [[row.get(key) for key in keys] for row in rows[1]]
    assert "exact/average_nash_conv" not in rows[0][0]
    assert rows[0][-1]["exact/average_nash_conv"] > 0


def test_policies_without_distributions_and_games_with_talk_are_refused():
    scenario = kuhn("policies.second={kind: scripted, entry: 'marl.policies.scripted:random'}")
    measure = ExactMeasure(scenario)
    with pytest.raises(LearningError, match=r"'second'.*ScriptedPolicy.*leave evaluation.exact out"):
        measure.plan(build_policies(scenario, seed=0))
    with pytest.raises(ScenarioError, match="without talk"):
        ExactMeasure(kuhn("channel={topology: broadcast, talk_rounds: 1, vocabulary: [hello]}"))


def test_who_sits_under_an_agents_own_name_is_measured_there():
    scenario = kuhn()
    one, two = (build_policies(scenario, seed=seed) for seed in (0, 1))
    measure = ExactMeasure(scenario)
    mixed = measure.plan({**one, "player_1": two["second"]})
    np.testing.assert_array_equal(mixed[:6], measure.plan(one)[:6])
    np.testing.assert_array_equal(mixed[6:], measure.plan(two)[6:])

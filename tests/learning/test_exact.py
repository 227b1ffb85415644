import numpy as np
import pytest

from envs.kuhn_poker import information_set, nash_conv
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
    return load_scenario("kuhn_poker", [*seats, *overrides])


@pytest.mark.parametrize("network", [True, False])
def test_what_is_measured_is_what_the_policies_play(network):
    scenario = kuhn(network=network)
    policies = build_policies(scenario, seed=0)
    measure = ExactMeasure(scenario)
    shares = {}
    for (_, observation), view in zip(measure.game.situations, measure.views, strict=True):
        [mix] = policies[scenario.seats[view.agent]].distributions([view])
        assert mix.sum() == pytest.approx(1.0)
        shares[information_set(observation)] = float(mix[1] / mix.sum())
    assert measure.row(policies)["exact/nash_conv"] == pytest.approx(nash_conv(shares), abs=1e-5)


def test_later_iterations_count_more():
    scenario = load_scenario(
        "rock_paper_scissors",
        [f"policies.first={NETWORK}", f"policies.second={NETWORK}"],
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
    (own, _), (_, other), found = (
        np.split(measure.plan(who), 2) for who in (one, two, {**one, "player_1": two["second"]})
    )
    np.testing.assert_array_equal(found, [own, other])


def test_a_game_may_bring_its_own_measure():
    measure = ExactMeasure(kuhn("evaluation.exact=marl.learning.tree_measure:TreeMeasure"))
    assert len(measure.views) == 12
    with pytest.raises(ScenarioError, match="exact"):
        kuhn("evaluation.exact=trees")

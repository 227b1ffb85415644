"""What the classes of `marl.training_settings` refuse, and what they say."""

from __future__ import annotations

import pytest

from marl.errors import ScenarioError
from marl.scenario import load_scenario
from marl.training_settings import TrainingSettings


def test_what_is_not_given_is_as_it_always_was() -> None:
    training = TrainingSettings()
    assert not training.gradient_checkpointing
    assert (training.signaling, training.q.overestimate) == ((0.0, 0.0), 1.0)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.stop.return=9", "unknown key"),
        ("training.stop.env_steps=0", "greater than or equal to 1"),
        ("training.stop.time_s=0", "greater than 0"),
        ("training.stop.return_at_least=.nan", "finite number"),
        ("training.stop.plateau.patience=0", "greater than or equal to 1"),
        ("training.stop.plateau.mode=most", "'max' or 'min'"),
        ("training.checkpoints_kept=0", "greater than or equal to 1"),
        ("training.loggers=[neptune]", "'wandb' or 'mlflow'"),
    ],
)
def test_stop_rules_are_checked(override: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load_scenario("lewis", [override])
    assert load_scenario("lewis", ["training.stop.plateau.patience=2"]).training.stop.plateau is not None


@pytest.mark.parametrize("value", [".inf", ".nan", "-0.1", "[0.1]", "[0.1, .nan]", "[-1, 0]", "fast"])
def test_a_price_that_is_no_finite_number_from_0_up_is_refused(value: str) -> None:
    for key in ("action_entropy", "message_entropy", "signaling"):
        with pytest.raises(ScenarioError, match=key):
            load_scenario("lewis", [f"training.{key}={value}"])


def test_one_number_is_a_schedule_that_stays() -> None:
    training = load_scenario("lewis", ["training.action_entropy=0.01", "training.q.epsilon=1e-1"]).training
    assert (training.action_entropy, training.q.epsilon) == ((0.01, 0.01), (0.1, 0.1))


def test_only_what_infinity_turns_off_may_be_infinite() -> None:
    training = load_scenario("lewis", [f"training.{key}=.inf" for key in ("grad_clip", "clip", "q.huber")]).training
    assert training.grad_clip == training.clip == training.q.huber == float("inf")
    for key in ("lr", "critic.lr", "mirror_descent.temperature", "stop.time_s"):
        with pytest.raises(ScenarioError, match="finite number"):
            load_scenario("lewis", [f"training.{key}=.inf"])

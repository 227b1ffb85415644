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

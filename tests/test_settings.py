"""What the classes of `marl.settings` refuse, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from marl.errors import ScenarioError
from marl.scenario import dump_scenario, load_scenario, validate_scenario
from marl.settings import LanguageModelSettings, Scenario

LORA = {"rank": 4, "alpha": 8}


def with_policies(**policies: dict[str, Any]) -> Scenario:
    data = load_scenario("lewis").model_dump()
    given = {name: {"kind": "language_model", **settings} for name, settings in policies.items()}
    return validate_scenario(data | {"policies": data["policies"] | given})


def test_what_is_not_given_is_as_it_always_was() -> None:
    policy = LanguageModelSettings()
    assert (policy.lora, policy.scoring, policy.precision) == (None, "step", "float32")
    assert (policy.top_k, policy.top_p, policy.constraint) == (None, None, None)


def test_every_key_survives_the_file() -> None:
    constraint = {"kind": "words", "texts": ["ba", "du"]}
    first = with_policies(
        sender={"lora": LORA, "scoring": "sum", "constraint": constraint, "precision": "bfloat16"},
        receiver={"learn": False, "top_k": 5, "top_p": 0.5},
    )
    import yaml

    assert validate_scenario(yaml.safe_load(dump_scenario(first))) == first
    policy = first.policies["sender"]
    assert isinstance(policy, LanguageModelSettings)
    assert policy.constraint is not None
    assert policy.constraint.texts == ("ba", "du")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"top_k": 5}, ["policies.sender", "learn: false", "log-probability"]),
        ({"top_p": 0.9}, ["learn: false"]),
        ({"top_p": 1.5, "learn": False}, ["top_p", "less than or equal to 1"]),
        ({"top_k": 0, "learn": False}, ["top_k", "greater than or equal to 1"]),
        ({"lora": LORA, "learn": False}, ["lora needs learn: true"]),
        ({"lora": LORA, "model": "scratch"}, ["random", "leave lora out"]),
        ({"lora": {"rank": 0}}, ["lora.rank"]),
        ({"lora": {"ranks": 4}}, ["did you mean 'rank'?"]),
        ({"scoring": "mean"}, ["scoring", "'step', 'sum', 'token' or 'word'"]),
        ({"precision": "int4"}, ["precision", "'float32', 'bfloat16' or 'float16'"]),
        ({"constraint": {"kind": "words"}}, ["constraint", "needs `texts`"]),
        ({"constraint": {"kind": "regex", "texts": ["a"]}}, ["needs `pattern`"]),
        ({"constraint": {"kind": "regex", "pattern": "a", "texts": ["a"]}}, ["nothing but that"]),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        with_policies(sender=settings)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_adapters_of_one_model_have_one_rank() -> None:
    with pytest.raises(ScenarioError, match=r"'nano' need one lora\.rank; given: sender 4, receiver 8"):
        with_policies(sender={"lora": LORA}, receiver={"lora": {"rank": 8}})
    with_policies(sender={"lora": LORA}, receiver={"lora": {"rank": 4, "alpha": 32}})


def mixture(**settings: Any) -> dict[str, Any]:
    given = {"kind": "mixture", "policy": {"kind": "network"}, "folders": ["a", "b"], "probabilities": [0.5, 0.5]}
    return {**given, **settings}


def test_a_mixture_is_a_distribution_and_those_drawn_together_share_it() -> None:
    assert with_policies(one=mixture(), two=mixture(folders=["c", "d"], together="x")).policies["one"].kind == "mixture"
    with pytest.raises(ScenarioError, match="one probability for each of the 2 folders, with the sum 1; given 1"):
        with_policies(one=mixture(probabilities=[1.0]))
    with pytest.raises(ScenarioError, match="drawn together need the same probabilities"):
        with_policies(one=mixture(together="x"), two=mixture(together="x", probabilities=[0.1, 0.9]))
    with pytest.raises(ScenarioError, match=r"policies.one.policy.hiden: unknown key; did you mean 'hidden'"):
        with_policies(one=mixture(policy={"kind": "network", "hiden": [3]}))


def test_best_responses_are_trained_as_the_scenario_says_but_for_what_psro_says() -> None:
    given = ["training.lr=0.02", "training.critic.width=7", "psro.training={algorithm: ippo, critic: {epochs: 2}}"]
    psro = load_scenario("lewis", given).psro
    assert psro.training is not None
    assert (psro.training.algorithm, psro.training.lr) == ("ippo", 0.02)
    assert (psro.training.critic.width, psro.training.critic.epochs) == (7, 2)
    assert load_scenario("lewis").psro.training is None
    with pytest.raises(ScenarioError, match=r"psro.training.itrations: unknown key; did you mean 'iterations'"):
        load_scenario("lewis", ["psro.training={itrations: 3}"])
    with pytest.raises(ScenarioError, match=r"psro.meta_solver: .*'nash', 'uniform', 'alpha_rank' or 'correlated'"):
        load_scenario("lewis", ["psro.meta_solver=best"])


@pytest.mark.parametrize("algorithm", ["vdn", "qmix"])
def test_rivals_are_no_team(algorithm: str) -> None:
    with pytest.raises(ScenarioError, match=r"play against each other.*take dqn"):
        load_scenario("rock_paper_scissors", [f"training.algorithm={algorithm}"])
    alone = "policies.second={kind: scripted, entry: 'marl.policies.scripted:random'}"
    assert load_scenario("rock_paper_scissors", [f"training.algorithm={algorithm}", alone]).training.value_based

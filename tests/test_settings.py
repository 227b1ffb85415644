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

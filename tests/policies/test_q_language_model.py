from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from marl.errors import ModelError, ScenarioError
from marl.policies import LanguageModelPolicy, build_policies
from marl.policies.q_language_model import HEAD, QLanguageModelPolicy, has_values, with_values
from marl.scenario import load_scenario
from marl.testing import check_policy
from marl.types import View


@pytest.fixture(scope="module")
def policy() -> QLanguageModelPolicy:
    return with_values(LanguageModelPolicy.load("guest", "nano"), seed=3)


def view(*options: str, prompt: str = "Your door is red. Choose:") -> View:
    return View("guest_0", "act", prompt, options, 8, None, (), np.random.default_rng(0))


def test_values_are_the_head_of_each_texts_last_state(policy: QLanguageModelPolicy) -> None:
    prompts = [policy.model.encode_prompt(text) for text in ("Choose:", "Your door is red. Choose:")]
    options = [tuple(map(policy.model.encode_reply, given)) for given in (("red", "green", "blue"), ("red", "blue"))]
    q, legal = policy.values(prompts, options)
    assert legal.tolist() == [[True] * 3, [True, True, False]]
    for row, (prompt, given) in enumerate(zip(prompts, options, strict=True)):
        for place, option in enumerate(given):
            state = policy.model.network.base_model(torch.tensor([[*prompt, *option]])).last_hidden_state[0, -1]
            assert q[row, place].item() == pytest.approx(policy.head(state).item(), abs=1e-5)
    assert q[1, 2] == 0.0


def test_it_keeps_the_contract_and_takes_the_best(policy: QLanguageModelPolicy) -> None:
    views = [view("red", "green", "blue"), view("left", "right", prompt="Go:")]
    check_policy(policy, views)
    for each, decision in zip(views, policy.decide(views), strict=True):
        q, _ = policy.values([decision.prompt_ids], [decision.option_ids])
        assert decision.choice == int(q[0].argmax())
        assert decision.text == each.options[decision.choice]


def test_free_text_is_refused(policy: QLanguageModelPolicy) -> None:
    with pytest.raises(ScenarioError, match=r"values what can be listed; give channel\.vocabulary"):
        policy.decide([view()])


def test_what_was_exported_is_valued_as_before_in_its_own_run_and_as_a_frozen_model(
    policy: QLanguageModelPolicy, tmp_path: Path
) -> None:
    policy.export(tmp_path / "walker")
    assert has_values(tmp_path / "walker")
    trained = build_policies(load_scenario("maze", ["training.algorithm=dqn"]), seed=9, trained=tmp_path)["walker"]
    frozen = build_policies(
        load_scenario("maze", [f"policies.other={{kind: language_model, model: {tmp_path / 'walker'}, learn: false}}"]),
        seed=1,
        only=["other"],
    )["other"]
    prompt = policy.model.encode_prompt("Choose:")
    options = tuple(map(policy.model.encode_reply, ("up", "down")))
    truth, _ = policy.values([prompt], [options])
    for again in (trained, frozen):
        assert isinstance(again, QLanguageModelPolicy)
        assert torch.equal(again.values([prompt], [options])[0], truth)


def test_a_folder_without_a_head_is_refused(policy: QLanguageModelPolicy, tmp_path: Path) -> None:
    policy.model.save(tmp_path / "walker")
    with pytest.raises(ModelError, match=HEAD):
        build_policies(load_scenario("maze", ["training.algorithm=dqn"]), seed=0, trained=tmp_path)

"""What half precision is worth: the same decisions nearly, weights and gradients in float32."""

import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models import LanguageModel, Row

PROMPTS = ["You see: the stag is in the north valley.\nChoose: north, south, hare\nAnswer:", "Your door is red.\nSay:"]
TEXTS = ("north", "south", "hare")
TOLERANCE = {"bfloat16": 0.15, "float16": 0.02}
"""Nats by which a log-probability may differ from float32's: 8 and 11 bits of mantissa."""


@pytest.fixture(scope="module")
def exact():
    return LanguageModel.load("nano")


def rows(model):
    options = tuple(map(model.encode_reply, TEXTS))
    prompts = [model.encode_prompt(text) for text in PROMPTS]
    return [Row(prompts[0], options[1], options, 1), Row(prompts[1], model.encode_reply("red door"))]


@pytest.mark.parametrize("precision", list(TOLERANCE))
def test_half_precision_is_close_to_float32_and_is_not_float32(exact, precision):
    half = LanguageModel.load("nano", precision=precision)
    expected, given = (model.log_probs(rows(model)).log_probs for model in (exact, half))
    difference = float((expected - given).detach().abs().max())
    assert 0 < difference < TOLERANCE[precision]
    given.sum().backward()
    assert {p.dtype for p in half.network.parameters()} == {torch.float32}
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in half.network.parameters())


@pytest.mark.parametrize("precision", list(TOLERANCE))
def test_acting_and_training_agree_within_the_precision(precision):
    half = LanguageModel.load("nano", precision=precision)
    given = rows(half)
    [table] = half.choose([given[0].prompt_ids], [given[0].option_ids])
    [said] = half.say([given[1].prompt_ids], [6], [np.random.default_rng(0)])
    result = half.log_probs([given[0], Row(given[1].prompt_ids, said.token_ids)]).log_probs.detach()
    assert abs(float(result[0, 0]) - table[1]) < TOLERANCE[precision]
    np.testing.assert_allclose(result[1, : len(said.log_probs)], said.log_probs, atol=TOLERANCE[precision])


def test_an_unknown_precision_is_named():
    with pytest.raises(ModelError, match=r"'int4'; give one of float32, bfloat16, float16"):
        LanguageModel.load("nano", precision="int4")

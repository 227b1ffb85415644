"""The state at a text's last token against transformers' own model, alone and padded on either side."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from marl.models import LanguageModel

TEXTS = ("the stag is in the north valley", "north", "the stag is in the south", "north")


@pytest.fixture(params=["nano", "gpt2"])
def model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LanguageModel:
    """Rotary and learned positions: the latter are wrong wherever padding shifts them."""
    return LanguageModel.load("nano" if request.param == "nano" else str(folders["gpt2"]))


def truth(model: LanguageModel, side: str) -> torch.Tensor:
    """What the network's own classes say, padded on `side` with positions and mask as they must be."""
    prompts = [model.encode_prompt(text) for text in TEXTS]
    most, rows = max(map(len, prompts)), []
    mask = torch.zeros(len(prompts), most, dtype=torch.long)
    for row, ids in enumerate(prompts):
        gap = most - len(ids)
        rows.append([0] * gap + list(ids) if side == "left" else [*ids, *[0] * gap])
        mask[row, slice(gap, None) if side == "left" else slice(len(ids))] = 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    states = model.network.base_model(torch.tensor(rows), attention_mask=mask, position_ids=positions).last_hidden_state
    ends = [most - 1 if side == "left" else len(ids) - 1 for ids in prompts]
    return states[torch.arange(len(prompts)), ends]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("gradient", [False, True])
def test_the_state_read_is_that_of_the_last_real_token(model: LanguageModel, side: str, gradient: bool) -> None:
    with torch.set_grad_enabled(gradient):
        found = model.last_states([model.encode_prompt(text) for text in TEXTS])
        assert found.shape == (len(TEXTS), model.width)
        torch.testing.assert_close(found, truth(model, side), rtol=1e-4, atol=1e-4)
        assert found.requires_grad == gradient
    assert not torch.allclose(found[0], found[2], atol=1e-3), "another last word is another state"


def test_adapters_are_off() -> None:
    model = LanguageModel.load("nano")
    prompts = [model.encode_prompt(text) for text in TEXTS]
    with torch.no_grad():
        before = model.last_states(prompts)
        model.add_adapter("one", rank=2, alpha=4)
        for parameter in model.adapter_parameters("one").values():
            parameter.add_(0.5)
        torch.testing.assert_close(model.last_states(prompts), before)

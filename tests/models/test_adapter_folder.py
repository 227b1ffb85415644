"""An adapter's folder is peft's own: peft gives the same logits from it, and so do both ways of loading it here."""

import json

import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models import LanguageModel, Row
from marl.models.adapter_folder import base_name, is_adapter

PROMPTS = [(20, 30, 40, 50), (60, 61)]
OPTIONS = [((21, 22), (23,), (21, 24, 25))] * 2


@pytest.fixture(params=["llama", "gpt2"])
def trained(request, folders, tmp_path):
    """A base with two adapters that change its answers, and the folder of one of them."""
    model = LanguageModel.load(str(folders[request.param]))
    torch.manual_seed(1)
    for name in ("first", "second"):
        model.add_adapter(name, rank=4, alpha=8, seed=0)
        with torch.no_grad():
            for parameter in model.adapter_parameters(name).values():
                parameter.add_(0.2 * torch.randn(parameter.shape))
    model.save_adapter("second", tmp_path / "second")
    return model, tmp_path / "second"


def test_peft_gives_the_same_logits(trained):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model, folder = trained
    base = AutoModelForCausalLM.from_pretrained(base_name(folder), dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, str(folder)).eval()
    logits = theirs(input_ids=torch.tensor([[20, 30, 40]])).logits[0, -1].log_softmax(-1)
    result = model.log_probs([Row((20, 30, 40), (token,), adapter="second") for token in range(50)])
    np.testing.assert_allclose(result.log_probs[:, 0].detach(), logits[:50].detach(), atol=1e-5)
    alone = model.log_probs([Row((20, 30, 40), (token,)) for token in range(50)])
    assert float((alone.log_probs - result.log_probs).detach().abs().max()) > 0.05


def test_it_is_loaded_beside_its_base_and_into_its_weights(trained):
    model, folder = trained
    expected = model.choose(PROMPTS, OPTIONS, adapters=["second"] * 2)
    beside = LanguageModel.load(base_name(folder))
    beside.load_adapter("again", folder)
    np.testing.assert_array_equal(beside.choose(PROMPTS, OPTIONS, adapters=["again"] * 2), expected)
    into = LanguageModel.load(str(folder))
    assert into.adapters == ()
    np.testing.assert_allclose(into.choose(PROMPTS, OPTIONS), expected, atol=1e-4)


def test_a_merged_adapter_is_a_network_like_any_other(trained, tmp_path):
    model, folder = trained
    merged = LanguageModel.load(str(folder))
    assert all(parameter.requires_grad for parameter in merged.network.parameters()), "it can be trained further"
    merged.save(tmp_path / "whole")
    assert not is_adapter(tmp_path / "whole")
    expected = model.choose(PROMPTS, OPTIONS, adapters=["second"] * 2)
    np.testing.assert_allclose(
        LanguageModel.load(str(tmp_path / "whole")).choose(PROMPTS, OPTIONS), expected, atol=1e-4
    )


def test_the_folder_holds_the_adapter_and_not_the_base(trained):
    model, folder = trained
    assert is_adapter(folder)
    weights = sum(p.numel() * 4 for p in model.adapter_parameters("second").values())
    size = (folder / "adapter_model.safetensors").stat().st_size
    assert weights <= size < weights + 10_000
    assert (folder / "tokenizer.json").is_file()
    assert not (folder / "model.safetensors").exists()


def test_a_base_with_adapters_is_not_saved_as_a_whole(trained, tmp_path):
    with pytest.raises(ModelError, match="save_adapter"):
        trained[0].save(tmp_path / "whole")
    with pytest.raises(ModelError, match="no adapter 'third'"):
        trained[0].save_adapter("third", tmp_path / "third")


@pytest.mark.parametrize("text", ["", "{}", '{"base_model_name_or_path": null}'])
def test_a_folder_that_names_no_base(tmp_path, text):
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError, match="base"):
        LanguageModel.load(str(tmp_path))


def test_a_base_that_is_gone_is_named(trained):
    _, folder = trained
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "./gone"}))
    with pytest.raises(ModelError, match=r"no folder \./gone"):
        LanguageModel.load(str(folder))


def test_an_adapter_of_another_network_is_refused(trained, folders):
    model, folder = trained
    other = LanguageModel.load(str(folders["gpt2" if "llama" in model.name else "llama"]))
    with pytest.raises(ModelError, match="no adapter of this network"):
        other.load_adapter("second", folder)

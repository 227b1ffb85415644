import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from marl.errors import ModelError
from marl.models import loading
from marl.models.loading import load_parts


@pytest.mark.parametrize("name", ["", "./not/there", "a/b/c", "/nowhere/at/all"])
def test_names_that_lead_nowhere_say_what_is_allowed(name):
    with pytest.raises(ModelError, match="folder"):
        load_parts(name, 0)


def test_a_hub_name_that_cannot_be_had_is_a_model_error():
    with pytest.raises(ModelError, match="nobody/nothing"):
        load_parts("nobody/nothing-by-this-name", 0)


def test_folder_without_configuration(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json"):
        load_parts(str(tmp_path), 0)


def test_folder_without_tokenizer(folders, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folders["llama"] / name, tmp_path)
    with pytest.raises(ModelError, match="tokenizer"):
        load_parts(str(tmp_path), 0)


def test_folder_without_weights(folders, tmp_path):
    shutil.copytree(folders["llama"], tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no causal language model"):
        load_parts(str(tmp_path / "model"), 0)


def test_damaged_weights_file(folders, tmp_path):
    shutil.copytree(folders["llama"], tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="no causal language model"):
        load_parts(str(tmp_path / "model"), 0)


def test_weights_that_are_missing_are_not_made_up(folders, tmp_path):
    shutil.copytree(folders["gpt2"], tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights.pop("transformer.h.1.mlp.c_fc.weight")
    save_file(weights, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights for \['transformer.h.1.mlp.c_fc.weight'\], 1 in all"):
        load_parts(str(tmp_path / "model"), 0)


def test_a_network_that_is_no_causal_language_model(folders, tmp_path):
    shutil.copytree(folders["llama"], tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ModelError, match="no causal language model"):
        load_parts(str(tmp_path / "model"), 0)


def test_scratch_weights_come_from_the_seed_alone(folders, monkeypatch):
    monkeypatch.setattr(loading, "NANO", folders["llama"])
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, _ = load_parts("scratch", 7)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    again, _ = load_parts("scratch", 7)
    other, _ = load_parts("scratch", 8)
    trained, _ = load_parts("nano", 7)
    key = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], trained.state_dict()[key])


def test_small_models_use_one_thread_unless_told_otherwise(folders, monkeypatch):
    threads = torch.get_num_threads()
    try:
        monkeypatch.setenv("MARL_TORCH_THREADS", "2")
        load_parts(str(folders["llama"]), 0)
        assert torch.get_num_threads() == 2
        monkeypatch.delenv("MARL_TORCH_THREADS")
        load_parts(str(folders["llama"]), 0)
        assert torch.get_num_threads() == 1
        monkeypatch.setenv("MARL_TORCH_THREADS", "many")
        with pytest.raises(ModelError, match="MARL_TORCH_THREADS"):
            load_parts(str(folders["llama"]), 0)
    finally:
        torch.set_num_threads(threads)


def test_weights_are_float32(folders):
    network, _ = load_parts(str(folders["gpt2"]), 0)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from marl.errors import ModelError
from marl.models import LanguageModel, Row


def rng():
    return np.random.default_rng(0)


def test_importing_the_package_loads_no_torch():
    code = "import marl, marl.models, marl.policies, sys; print({'torch', 'transformers', 'ray'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_saved_folder_loads_anywhere_and_gives_the_same_values(model, tmp_path):
    options = [((10,), (11, 12), (11, 13))]
    model.save(tmp_path / "actor")
    again = LanguageModel.load(str(tmp_path / "actor"))
    np.testing.assert_array_equal(again.choose([(5, 6)], options)[0], model.choose([(5, 6)], options)[0])
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "actor")
    assert torch.equal(network.get_output_embeddings().weight, model.network.get_output_embeddings().weight)
    assert AutoTokenizer.from_pretrained(tmp_path / "actor").encode(" north") == list(model.encode_reply("north"))
    assert (again.stop_id, again.context) == (model.stop_id, model.context)


def test_saving_replaces_the_old_folder_whole(llama, tmp_path):
    (tmp_path / "actor").mkdir()
    (tmp_path / "actor" / "stale.txt").write_text("old")
    llama.save(tmp_path / "actor")
    assert not (tmp_path / "actor" / "stale.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["actor"]


def test_tokens_are_never_encoded_again_between_acting_and_training(model):
    said = model.say([(5, 6, 7)] * 20, [8] * 20, [np.random.default_rng(index) for index in range(20)])
    texts = [model.tokenizer.decode(utterance.token_ids) for utterance in said]
    moved = [tuple(model.tokenizer.encode(text)) != u.token_ids for text, u in zip(texts, said, strict=True)]
    assert any(moved), "the tokenizer gives back every sampled text as it was sampled; this test shows nothing"
    model.tokenizer = model._texts = None
    result = model.log_probs([Row((5, 6, 7), utterance.token_ids) for utterance in said])
    for index, utterance in enumerate(said):
        count = len(utterance.token_ids)
        np.testing.assert_allclose(result.log_probs[index, :count].detach(), utterance.log_probs, atol=1e-5)


def test_prompt_longer_than_the_context(model):
    assert model.context == 128
    fits, long = (5,) * 120, (5,) * 129
    assert len(model.say([fits], [8], [rng()])[0].token_ids) <= 8
    with pytest.raises(ModelError, match="context of 128"):
        model.say([fits], [9], [rng()])
    with pytest.raises(ModelError, match="129 tokens"):
        model.choose([long], [((10,), (11,))])
    with pytest.raises(ModelError, match="context of 128"):
        model.log_probs([Row(long, (), ((10,), (11,)), 0)])


def test_empty_prompts_are_refused(model):
    with pytest.raises(ModelError, match="no tokens"):
        model.say([()], [4], [rng()])
    with pytest.raises(ModelError, match="no tokens"):
        model.choose([()], [((10,), (11,))])


@pytest.mark.parametrize("options", [[], [()], [(10,), (10,)]])
def test_unusable_option_lists_are_refused(model, options):
    with pytest.raises(ModelError, match="option"):
        model.choose([(5, 6)], [options])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperature_is_positive(model, temperature):
    with pytest.raises(ModelError, match="temperature"):
        model.choose([(5, 6)], [((10,), (11,))], temperature=temperature)


def test_damaged_weights_are_an_error_in_every_verb(llama):
    with torch.no_grad():
        llama.network.model.norm.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        llama.say([(5, 6)], [4], [rng()])
    with pytest.raises(ModelError, match="not finite"):
        llama.choose([(5, 6)], [((10,), (11,))])
    with pytest.raises(ModelError, match="not finite"):
        llama.log_probs([Row((5, 6), (7,))])


def test_nothing_asked_nothing_answered(model):
    assert model.say([], [], []) == []
    assert model.choose([], []) == []


def test_a_model_travels_between_processes(llama):
    copy = pickle.loads(pickle.dumps(llama))
    np.testing.assert_array_equal(
        copy.choose([(5, 6)], [((10,), (11,))])[0], llama.choose([(5, 6)], [((10,), (11,))])[0]
    )


def test_updated_weights_are_used_at_once(llama):
    before = llama.choose([(5, 6)], [((10,), (11,))])[0]
    with torch.no_grad():
        llama.network.model.norm.weight.mul_(3.0)
    assert not np.allclose(before, llama.choose([(5, 6)], [((10,), (11,))])[0])

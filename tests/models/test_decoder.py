import numpy as np

from marl.models import LanguageModel
from marl.models.decoder import FAMILIES, Decoder
from marl.models.forward import Reader


def streams(count):
    return [np.random.default_rng(index) for index in range(count)]


def test_known_families_step_fast_and_no_others(family_model):
    known = family_model.network.config.model_type in FAMILIES
    assert (family_model.reader.decoder is not None) == known


def test_texts_are_those_of_the_networks_own_step(family_model, ragged):
    reader = family_model.reader
    if reader.decoder is None:
        return
    prompts = [tuple(token % 200 + 10 for token in prompt) for prompt in ragged(16, seed=2)]
    fast = family_model.say(prompts, [8] * 16, streams(16))
    kept, reader.decoder = reader.decoder, None
    try:
        plain = family_model.say(prompts, [8] * 16, streams(16))
    finally:
        reader.decoder = kept
    assert [said.token_ids for said in fast] == [said.token_ids for said in plain]
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5)


def test_it_is_used(llama, monkeypatch):
    steps = []
    own = Decoder.__call__
    monkeypatch.setattr(Decoder, "__call__", lambda self, *given: steps.append(1) or own(self, *given))
    [said] = llama.say([(5, 6, 7)], [6], streams(1))
    assert len(steps) == len(said.token_ids)  # the prompt, and each token but the last


def test_a_network_that_does_more_is_not_stepped_fast(llama):
    llama.network.model.layers[0].register_forward_hook(lambda module, arguments, output: output * 1.01)
    reader = Reader(llama.network)
    assert reader.cached
    assert reader.decoder is None


def test_half_precision_steps_plainly(folders):
    assert LanguageModel.load(str(folders["llama"]), precision="bfloat16").reader.decoder is None

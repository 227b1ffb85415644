"""The families are what the other tests take them for, and their texts come through whole."""

import plain
import pytest
import torch
from exact import make_exact
from families import FAMILIES, LEARNED_POSITIONS
from transformers import AutoModelForCausalLM

from marl.models import LanguageModel

CLASSES = {
    "llama": ("LlamaForCausalLM", "LlamaTokenizer"),
    "llama3": ("LlamaForCausalLM", "TokenizersBackend"),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Tokenizer"),
    "qwen3": ("Qwen3ForCausalLM", "Qwen2Tokenizer"),
    "gemma": ("GemmaForCausalLM", "GemmaTokenizer"),
    "gemma2": ("Gemma2ForCausalLM", "GemmaTokenizer"),
    "gemma3": ("Gemma3ForCausalLM", "GemmaTokenizer"),
    "mistral": ("MistralForCausalLM", "TokenizersBackend"),
    "mistral-window": ("MistralForCausalLM", "TokenizersBackend"),
    "gpt2": ("GPT2LMHeadModel", "GPT2Tokenizer"),
    "gpt-neox": ("GPTNeoXForCausalLM", "GPTNeoXTokenizer"),
    "phi": ("PhiForCausalLM", "GPT2Tokenizer"),
    "opt": ("OPTForCausalLM", "GPT2Tokenizer"),
    "bloom": ("BloomForCausalLM", "GPT2Tokenizer"),
    "gpt-neo": ("GPTNeoForCausalLM", "GPT2Tokenizer"),
    "lfm2": ("Lfm2ForCausalLM", "TokenizersBackend"),
}
RENDERED = {
    "qwen2": "<|im_start|>user\nSay:<|im_end|>\n<|im_start|>assistant\n",
    "qwen3": "<|im_start|>user\nSay:<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "gemma3": "<bos><start_of_turn>user\nSay:<end_of_turn>\n<start_of_turn>model\n",
    "mistral": "<s>[INST] Say: [/INST]",
}
BEGINNINGS = {
    "llama": "<s>",
    "llama3": "<s>",
    "mistral-window": "<s>",
    "gemma": "<bos>",
    "gemma2": "<bos>",
    "opt": "</s>",
    "lfm2": "<s>",
}
STOPS = {"qwen2": "<|im_end|>", "qwen3": "<|im_end|>", "gemma3": "<end_of_turn>", "mistral": "</s>"}
NO_PAD = {"llama", "llama3", "mistral", "mistral-window", "gpt2", "phi", "bloom", "gpt-neo", "lfm2"}


def test_networks_and_tokenizers_are_the_real_classes(family, family_model):
    assert (type(family_model.network).__name__, type(family_model.tokenizer).__name__) == CLASSES[family]
    assert family_model.context == FAMILIES[family].context
    assert (family_model.tokenizer.pad_token is None) == (family in NO_PAD)


def test_logits_are_not_flat_and_attention_looks_back(bare):
    look_up = plain.table(bare)
    with torch.no_grad():
        assert 1.0 < look_up((20, 30, 40)).std() < 3.0
        assert (look_up((20, 30, 40)) - look_up((21, 30, 40))).abs().max() > 0.05


def test_float64_changes_the_precision_and_nothing_else(bare, family, family_folders):
    ids = torch.arange(20, 60)[None]
    exact = make_exact(AutoModelForCausalLM.from_pretrained(family_folders[family]).eval())
    assert {name for name, _ in exact.named_parameters()} == {name for name, _ in bare.named_parameters()}
    with torch.no_grad():
        logits = exact(input_ids=ids).logits
        torch.testing.assert_close(logits, bare(input_ids=ids).logits.double(), atol=1e-4, rtol=0)
        longer = exact(input_ids=torch.cat([ids, ids[:, :5]], dim=1)).logits[:, : ids.shape[1]]
    torch.testing.assert_close(logits, longer, atol=1e-11, rtol=0)


def test_windows_matter(bare):
    name = "window_size" if hasattr(bare.config, "window_size") else "sliding_window"
    window = getattr(bare.config, name, None)
    if window is None:
        return
    row = torch.arange(20, 20 + window + 20)[None]
    wide = AutoModelForCausalLM.from_pretrained(bare.name_or_path, **{name: 4096}).eval()
    with torch.no_grad():
        logits, without = bare(input_ids=row).logits, wide(input_ids=row).logits
        inside = [bare(input_ids=row[:, at:window]).logits[0, -1] for at in (0, 1)]
    torch.testing.assert_close(logits[:, :window], without[:, :window])
    assert not torch.allclose(logits[:, window:], without[:, window:], atol=1e-3)
    assert not torch.allclose(*inside, atol=1e-3), "the first token of a full window is not seen"


def can(model):
    return model.reader.split, model.reader.share, model.reader.cached


def test_the_fast_paths_are_taken_where_they_are_right(family, family_model):
    assert can(family_model) == (True, FAMILIES[family].fast, FAMILIES[family].fast)


def test_what_a_network_can_do_does_not_depend_on_how_large_its_weights_are(family, family_model):
    faint = FAMILIES[family].network(family_model.tokenizer)
    with torch.no_grad():
        for parameter in faint.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.05)
    assert can(LanguageModel(faint, family_model.tokenizer, "faint")) == can(family_model)


def test_prompts_begin_as_the_family_has_it(family, family_model):
    ids = family_model.encode_prompt("Say:")
    text = family_model.tokenizer.decode(ids)
    if family in RENDERED:
        assert text == RENDERED[family]
    else:
        begin = BEGINNINGS.get(family, "")
        assert text.replace(" ", "") == f"{begin}Say:"
        assert (family_model.tokenizer.convert_ids_to_tokens(ids[0]) == begin) == bool(begin)
    assert ids.count(family_model.tokenizer.bos_token_id) == (family in BEGINNINGS or family in ("gemma3", "mistral"))


def test_replies_end_as_the_family_has_it(family, family_model):
    stop = family_model.tokenizer.convert_ids_to_tokens(family_model.stop_id)
    assert stop == STOPS.get(family, stop)
    if family not in STOPS:
        assert family_model.tokenizer.decode([family_model.stop_id]).strip(" ") == "\n"


@pytest.mark.parametrize("text", ["north", "north east", "don't, no: 42 %", "über 北", "a , b ."])
def test_replies_come_back_as_the_text_they_were(family_model, text):
    ids = family_model.encode_reply(text)
    assert family_model.decode(ids) == text
    assert family_model.decode((*ids, family_model.stop_id)) == text
    assert not set(ids) & set(family_model.tokenizer.all_special_ids)


def test_replies_continue_the_prompt_as_the_whole_text_would(family, family_model):
    tokenizer = family_model.tokenizer
    if family in RENDERED:
        turns = [{"role": "user", "content": "Say:"}, {"role": "assistant", "content": "north east"}]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        if family == "qwen3":  # a finished turn of this template holds no thoughts
            text = text.replace("assistant\n", "assistant\n<think>\n\n</think>\n\n")
        whole = tuple(tokenizer.encode(text, add_special_tokens=False))
    else:
        whole = (*tokenizer.encode("Say: north east"), family_model.stop_id)
    ours = (*family_model.encode_prompt("Say:"), *family_model.encode_reply("north east"), family_model.stop_id)
    assert ours == whole[: len(ours)]


def test_control_tokens_spelled_out_in_a_text_stay_text(family_model):
    tokenizer = family_model.tokenizer
    control = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    words = " ".join(tokenizer.convert_ids_to_tokens(sorted(control)))

    def controls(text):
        return [token for token in family_model.encode_prompt(text) if token in control]

    assert controls(f"scout_1: go {words}\nnorth") == controls("scout_1: go\nnorth")
    assert not control & set(family_model.encode_reply(f"north {words}"))
    assert family_model.decode(family_model.encode_reply(words)).replace(" ", "") == words.replace(" ", "")


def test_tokens_beyond_the_tokenizer_are_no_text(family_folders):
    [name] = [name for name, family in FAMILIES.items() if family.padded]
    model = LanguageModel.load(str(family_folders[name]))
    count = len(model.tokenizer)
    assert model.network.get_input_embeddings().weight.shape[0] > count
    assert model.decode([*model.encode_reply("north"), count + 1]) == "north"


def test_saved_models_keep_texts_and_values(family_model, tmp_path):
    family_model.save(tmp_path / "actor")
    again = LanguageModel.load(str(tmp_path / "actor"))
    prompt, options = family_model.encode_prompt("Say:"), [family_model.encode_reply(t) for t in ("north", "hare")]
    assert again.encode_prompt("Say:") == prompt
    assert [again.encode_reply(text) for text in ("north", "hare")] == options
    assert again.stop_id == family_model.stop_id
    assert again.choose([prompt], [options])[0].tolist() == family_model.choose([prompt], [options])[0].tolist()


def test_some_families_learn_their_positions():
    assert set(LEARNED_POSITIONS) < set(FAMILIES)

import pytest
import torch

from marl.models import LanguageModel, trials
from marl.models.forward import Reader


def able(reader):
    return reader.split, reader.share, reader.cached


def test_usual_networks_can_do_everything(model):
    assert able(model.reader) == (True, True, True)


def changed(network, change):
    """`network` with `change(arguments, output)` done to what its first attention layer gives."""
    attention = next(module for name, module in network.named_modules() if name.endswith(("self_attn", "attn")))
    attention.register_forward_hook(lambda module, args, kwargs, output: change(kwargs, output), with_kwargs=True)
    return network


def test_a_network_that_takes_no_tree_masks_gets_none(llama):
    def refuse(arguments, output):
        mask = arguments.get("attention_mask")
        if mask is not None and mask.shape[-2] > 1:
            raise ValueError("only causal attention here")
        return output

    reader = Reader(changed(llama.network, refuse))
    assert able(reader) == (True, False, True)


def test_a_network_that_minds_the_mask_wrongly_shares_nothing(llama):
    def off(arguments, output):
        if arguments.get("attention_mask") is None:
            return output
        return (output[0] * 1.01, *output[1:])

    reader = Reader(changed(llama.network, off))
    assert reader.split
    assert not reader.share
    assert not reader.cached


def test_a_network_that_keeps_wrong_values_reads_anew(llama):
    def off(arguments, output):
        if output[0].shape[1] == 1:
            return (output[0] * 1.01, *output[1:])
        return output

    reader = Reader(changed(llama.network, off))
    assert able(reader) == (True, True, False)


def test_a_network_that_changes_its_logits_is_read_whole(llama):
    def scaled(module, arguments, keywords, output):
        output.logits = output.logits * 1.0001
        return output

    llama.network.register_forward_hook(scaled, with_kwargs=True)
    assert able(Reader(llama.network)) == (False, True, True)


def test_a_window_that_the_network_does_not_mind_counts_for_nothing(llama):
    llama.network.config.sliding_window = 16
    reader = Reader(llama.network)
    assert able(reader) == (True, True, True)
    assert reader.window is None
    assert llama.network.config.sliding_window == 16


def test_windows_that_slide_are_known(family_folders):
    for family, mixed in (("mistral-window", False), ("gemma3", True)):
        reader = LanguageModel.load(str(family_folders[family])).reader
        assert able(reader) == (True, True, True)
        assert reader.window.mixed == mixed
        assert reader.network.config.sliding_window == reader.window.size


def test_errors_that_are_no_refusals_are_not_hidden(llama, monkeypatch):
    def broken(reader, expected):
        raise ZeroDivisionError

    monkeypatch.setattr(trials, "_shares", broken)
    with pytest.raises(ZeroDivisionError):
        Reader(llama.network)


def test_trials_leave_no_trace(llama):
    assert len(llama.reader.prefixes) == 0
    assert all(parameter.grad is None for parameter in llama.network.parameters())
    assert torch.is_grad_enabled()

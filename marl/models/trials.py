"""What a network can do, found out by trying: architectures differ in ways that no configuration tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from marl.errors import ModelError
from marl.models.decoder import Decoder
from marl.models.masks import Window

if TYPE_CHECKING:
    from marl.models.forward import Reader

TOLERANCE = 5e-5
"""Largest error, in standard deviations of the logits, of a network that computes the same thing another way.

Right ones stay below 4e-6 in float32, wrong ones above 7e-4.
"""

HALF_TOLERANCE = 5e-2
"""The same for half precision."""

_REFUSALS = (ModelError, RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError)
"""What networks raise that cannot take what they are given."""


def run(reader: Reader) -> None:
    """Switch on what `reader`'s network does rightly: `split`, `share`, `cached`, `decoder`."""
    with torch.inference_mode():
        reader.split = reader.head is not None and _tried(_splits, reader)
        expected = _after_each(reader)
        # A network that masks by place in the row (GPT-Neo's local layers) is right only in rows below its window.
        if not isinstance(getattr(reader.network.config, "window_size", None), int):
            reader.share = _tried(_shares, reader, expected)
            reader.cached = _tried(_caches, reader, expected)
        if reader.split and reader.cached and reader.precision is None:
            reader.decoder = Decoder.of(reader.network)
            if reader.decoder is not None and not _tried(_decodes, reader, expected):
                reader.decoder = None
        if reader.window is not None and not _tried(_minds, reader, expected):
            reader.window = None
        if reader.window is not None and not _tried(_slides, reader):
            reader.share = reader.cached = False  # rows of their own, which the network masks by itself


def _tried(trial: Callable[..., bool], *arguments: Reader | Tensor) -> bool:
    try:
        return trial(*arguments)
    except _REFUSALS:
        return False


def _sequences(reader: Reader) -> list[tuple[int, ...]]:
    """Ragged sequences with shared beginnings, one a prefix of another."""
    vocabulary = reader.network.get_input_embeddings().weight.shape[0]
    token = [1 + (7 * index) % (vocabulary - 1) for index in range(8)]
    return [tuple(token[:4]), tuple(token[:6]), (*token[:4], *token[6:]), (*token[:5], token[7])]


def _after_each(reader: Reader) -> Tensor:
    """The logits after each of the sequences [4, V], by what is switched on now."""
    from marl.models.forward import Reading

    readings = [Reading(sequence, len(sequence) - 1) for sequence in _sequences(reader)]
    pair_cost, reader.pair_cost = reader.pair_cost, 0.0
    try:
        logits, places = reader.read(readings)
    finally:
        reader.pair_cost = pair_cost
    return logits[np.concatenate(places)]


def _splits(reader: Reader) -> bool:
    """Bit for bit: the head reads the inner model's states, and its logits are the network's but for the soft cap."""
    seen: list[tuple[Tensor, Tensor]] = []
    ids = torch.tensor([_sequences(reader)[1]], device=reader.device)
    hook = reader.head.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    try:
        logits = reader.call({"input_ids": ids})
    finally:
        hook.remove()
    reader.split = True
    try:
        states = reader.call({"input_ids": ids})
    finally:
        reader.split = False
    return len(seen) == 1 and torch.equal(seen[0][0], states) and torch.equal(reader.capped(seen[0][1]), logits)


def _shares(reader: Reader, expected: Tensor) -> bool:
    """Tree masks give the same logits."""
    before, reader.share = reader.share, True
    try:
        return _same(reader, _after_each(reader), expected)
    finally:
        reader.share = before


def _caches(reader: Reader, expected: Tensor) -> bool:
    """Going on from ragged kept beginnings, a token and a token more, gives the same logits."""
    from marl.models.states import Speech, prefill

    sequences = _sequences(reader)
    heads = [Speech(sequence[:-2], 2, np.random.default_rng(0)) for sequence in sequences]
    before, reader.cached = reader.cached, True
    try:
        _, states, places = prefill(reader, heads, [], len(heads), 2)
        given = expected
        for back in (-2, -1):
            tokens = np.zeros(len(heads), dtype=np.int64)
            tokens[places] = [sequence[back] for sequence in sequences]
            given = states.step(tokens)[torch.from_numpy(places).to(reader.device)]
    finally:
        reader.cached = before
    return _same(reader, given, expected)


def _decodes(reader: Reader, expected: Tensor) -> bool:
    """The decoder gives the same logits, for whole sequences, trees, and a token more."""
    return _same(reader, _after_each(reader), expected) and _caches(reader, expected)


@contextmanager
def _short_window(reader: Reader) -> Iterator[tuple[bool, bool]]:
    """A window of two tokens, and every sequence a row of its own. Gives what the reader was able to do."""
    config, window, able = reader.network.config.get_text_config(), reader.window, (reader.share, reader.cached)
    assert window is not None
    config.sliding_window, reader.window = 2, Window(2, window.mixed)
    reader.share = reader.cached = False
    try:
        yield able
    finally:
        config.sliding_window, reader.window = window.size, window
        reader.share, reader.cached = able


def _minds(reader: Reader, expected: Tensor) -> bool:
    """The network makes a difference of its window."""
    with _short_window(reader):
        return not _same(reader, _after_each(reader), expected)


def _slides(reader: Reader) -> bool:
    """Masks of a window of two tokens give what the network itself makes of that window."""
    with _short_window(reader) as (share, cached):
        expected = _after_each(reader)
        return (not share or _shares(reader, expected)) and (not cached or _caches(reader, expected))


def _same(reader: Reader, given: Tensor, expected: Tensor) -> bool:
    exact = reader.precision is None and reader.network.dtype in (torch.float32, torch.float64)
    tolerance = (TOLERANCE if exact else HALF_TOLERANCE) * expected.std(-1, keepdim=True)
    return bool(((given - expected).abs() <= tolerance).all())

"""The one forward pass that acting and training share: token sequences in, logits at the wanted places out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marl.errors import ModelError
from marl.models import trials
from marl.models.adapters import Adapters
from marl.models.cache import Pair, empty_cache, held_cache
from marl.models.decoder import Decoder, picked
from marl.models.forest import Forest, plant
from marl.models.layout import TRUNK, Layout, layouts
from marl.models.lighter import by_columns, fuse_norms
from marl.models.masks import Window, attention_mask
from marl.models.prefixes import Prefixes
from marl.models.products import FEW
from marl.models.records import Ids

Precision = torch.dtype | None
"""What matrix products are computed in (torch.bfloat16, torch.float16), or None for the weights' own type."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sequence to read: logits are wanted after its token `start` and every later one.

    `adapter` reads it. The first `prompt` tokens are kept for `key` (None: for nobody).
    """

    ids: Ids
    start: int
    adapter: str | None = None
    key: Hashable = None
    prompt: int = 0


CACHED_ENTRIES = 1 << 18
"""Entries of hidden states in one call that a CPU's caches hold: a quarter faster than 4096 tokens of width 256."""


PACKED = 50_000_000
"""Parameters up to which `say` copies the weights once a version, for faster steps."""


def tokens_a_pass(width: int, device: torch.device) -> int:
    """Padded tokens in one call of a network with hidden states of `width`; larger requests are split."""
    return min(max(CACHED_ENTRIES // width, 512), 4096) if device.type == "cpu" else 16384


class Reader:
    """Reads token sequences with a causal network (any Hugging Face causal LM), in evaluation mode, without dropout.

    Trials on construction find out what the network can do (`marl.models.trials`). `split`: the output embedding
    applied to the inner model's hidden states gives the network's own logits, so that it need be applied only where
    logits are wanted. `share`: the network takes a tree attention mask, so that shared prefixes are computed once.
    `cached`: it goes on from keys and values, so that a token need not be read again to say the next one.
    `decoder`: how it does all that without gradient in less time, if it does. `window`: how far its sliding layers see.
    """

    def __init__(self, network: Any, precision: Precision = None) -> None:
        self.network = network.eval()
        self._weight = next(network.parameters())
        fuse_norms(network)
        if self.device.type == "cpu":
            by_columns(network)
        self.precision = precision
        self.inner = network.base_model
        self.head = network.get_output_embeddings()
        self.adapters = Adapters(network, self._renew)
        self._small = sum(parameter.numel() for parameter in network.parameters()) < PACKED
        self.prefixes = Prefixes()
        config = network.config.get_text_config()
        width = getattr(config, "hidden_size", None) or 512
        self.pair_cost = 1.0 / (2.0 * width)
        self.tokens_a_pass = tokens_a_pass(width, self.device)
        self.soft_cap = getattr(config, "final_logit_softcapping", None)
        self.window = Window.of(config)
        self.split = self.share = self.cached = False
        self.decoder: Decoder | None = None
        trials.run(self)

    def _renew(self) -> None:
        """Adapters have come between the network's layers."""
        if self.decoder is not None:
            self.decoder = Decoder.of(self.network)

    @property
    def vocabulary(self) -> int:
        """Tokens that the network gives logits for."""
        weight = self.head.weight if self.head is not None else self.network.get_input_embeddings().weight
        return int(weight.shape[0])

    @property
    def token_bytes(self) -> int:
        """Memory that keys and values of one token take, at most."""
        config = self.network.config.get_text_config()
        layers = getattr(config, "num_hidden_layers", 1)
        return int(2 * layers * config.hidden_size * self.network.dtype.itemsize)

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        device: torch.device = self._weight.device
        return device

    def version(self) -> tuple[int, bytes]:
        """Differs after every change of the weights: an optimizer's step, a loaded state, a tensor put in their place.

        Autograd's counters see most changes in place; fused optimizers and `.data` pass them by, so that the norms of
        the parameters' first rows count too.
        """
        parameters = [parameter.detach() for parameter in self.network.parameters()]
        rows = [part[0] if part.dim() > 1 else part for part in parameters]
        norms = torch.stack(torch._foreach_norm(rows)).double().cpu().numpy()
        return sum(part._version for part in parameters), norms.tobytes()

    def read(self, readings: Sequence[Reading]) -> tuple[Tensor, list[np.ndarray]]:
        """Logits at the wanted places of every reading.

        Returns logits [M, V] (float32 at least; each place of a shared prefix once) and for every reading its rows in
        them, shape [len(ids) - start]. Raises ModelError where a logit is not finite.
        """
        return self._read(readings, self.logits)

    def read_states(self, readings: Sequence[Reading]) -> tuple[Tensor, list[np.ndarray]]:
        """The same with the last hidden states [M, H], float32 at least, in the place of logits.

        Raises ModelError for a network that gives none, and where one is not finite.
        """
        if not self.split:
            raise ModelError(
                f"{type(self.network).__name__} gives no hidden states that its output embedding turns into its "
                "logits, so a value cannot be read off them; take a model of another family"
            )
        return self._read(readings, _finite)

    def _read(self, readings: Sequence[Reading], give: Callable[[Tensor], Tensor]) -> tuple[Tensor, list[np.ndarray]]:
        """What `give` makes of the states [N, H] at the wanted places, and the rows of every reading."""
        forest = self.plan(readings)
        sizes = [len(tree.token_ids) for tree in forest.trees]
        offset = np.cumsum([0, *sizes])
        flat = [
            offset[tree] + path[reading.start :]
            for tree, path, reading in zip(forest.tree_of, forest.places, readings, strict=True)
        ]
        given, order = [], []
        for layout, states, _ in self.passes(readings, forest):
            given.append(give(states))
            order += [offset[number] + forest.trees[number].wanted for number in layout.numbers]
        position = np.empty(offset[-1], dtype=np.int64)
        position[np.concatenate(order)] = np.arange(sum(map(len, order)))
        result = given[0] if len(given) == 1 else torch.cat(given)
        return result, np.split(position[np.concatenate(flat)], np.cumsum([len(part) for part in flat])[:-1])

    def plan(self, readings: Sequence[Reading]) -> Forest:
        """The trees that hold the readings, with what is wanted of them and the slots of what need not be computed."""
        forest = Forest([], np.zeros(len(readings), dtype=np.int64), [np.empty(0, dtype=np.int64)] * len(readings))
        groups: dict[str | None, list[int]] = {}
        for index, reading in enumerate(readings):
            groups.setdefault(reading.adapter, []).append(index)
        for adapter, members in groups.items():
            part = plant([readings[index].ids for index in members], pair_cost=self.pair_cost, share=self.share)
            for tree in part.trees:
                tree.adapter = adapter
            for index, tree, path in zip(members, part.tree_of, part.places, strict=True):
                forest.tree_of[index], forest.places[index] = tree + len(forest.trees), path
            forest.trees += part.trees
        wanted: list[list[np.ndarray]] = [[] for _ in forest.trees]
        for tree, path, reading in zip(forest.tree_of, forest.places, readings, strict=True):
            wanted[tree].append(path[reading.start :])
        for tree, parts in zip(forest.trees, wanted, strict=True):
            tree.wanted = parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))
        if self._keeps(readings):
            self._recall(readings, forest)
        return forest

    def _keeps(self, readings: Sequence[Reading]) -> bool:
        """Whether prompts of these readings have owners, and the network can go on from what is kept for them."""
        return self.share and self.cached and any(reading.key is not None for reading in readings)

    def _recall(self, readings: Sequence[Reading], forest: Forest) -> None:
        self.prefixes.check(self.version())
        slots = [np.full(len(tree.token_ids), -1, dtype=np.int64) for tree in forest.trees]
        for reading, tree, path in zip(readings, forest.tree_of, forest.places, strict=True):
            if reading.key is not None:
                past = self.prefixes.past(reading.key, reading.adapter, reading.ids[: reading.prompt])
                slots[tree][path[: len(past)]] = past
        for reading, tree, path in zip(readings, forest.tree_of, forest.places, strict=True):
            slots[tree][path[reading.start :]] = -1  # its logits are wanted
        for tree, own in zip(forest.trees, slots, strict=True):
            tree.slots = own if (own >= 0).any() else None

    def passes(
        self, readings: Sequence[Reading], forest: Forest, *, cached: bool = False, room: int = 0
    ) -> Iterator[tuple[Layout, Tensor, list[Pair]]]:
        """Call the network for all trees: (layout, states [N, H], keys and values with `cached`), call by call.

        `states` are those after the wanted tokens, row by row (see `Layout.states_of`), logits where `split` is False;
        keys and values have `room` columns more. Prompts with a key are kept once all calls are made.
        """
        keeping = self._keeps(readings)
        kept: dict[int, np.ndarray] = {}
        for layout in layouts(forest.trees, self.tokens_a_pass, TRUNK if self.share and self.cached else None):
            states, pairs = self._call(layout, cached or keeping, room)
            if keeping:
                self._keep(readings, forest, layout, pairs, kept)
            yield layout, states, pairs
        for index, slots in kept.items():
            reading = readings[index]
            self.prefixes.keep(reading.key, reading.adapter, reading.ids[: reading.prompt], slots)
        if keeping:
            self.prefixes.shrink()

    def _keep(
        self,
        readings: Sequence[Reading],
        forest: Forest,
        layout: Layout,
        pairs: list[Pair],
        kept: dict[int, np.ndarray],
    ) -> None:
        """Give every token of a prompt with a key its slot, and write those that were computed now."""
        row_of = {int(number): row for row, number in enumerate(layout.numbers)}
        owners: dict[Hashable, int] = {readings[index].key: index for index in kept}
        members: dict[int, list[int]] = {}
        for index, reading in enumerate(readings):
            tree = int(forest.tree_of[index])
            if tree in row_of and reading.key is not None and reading.key not in owners:
                owners[reading.key] = index
                members.setdefault(tree, []).append(index)
        rows, columns, slots = [], [], []
        for tree, mine in members.items():
            size = len(forest.trees[tree].token_ids)
            own = forest.trees[tree].slots
            own = np.full(size, -1, dtype=np.int64) if own is None else own.copy()
            paths = [forest.places[index][: readings[index].prompt] for index in mine]
            needed = np.zeros(size, dtype=bool)
            needed[np.concatenate(paths)] = True
            new = np.flatnonzero(needed & (own < 0))
            own[new] = self.prefixes.take(len(new))
            rows.append(np.full(len(new), row_of[tree]))
            columns.append(layout.columns[row_of[tree]][new])
            slots.append(own[new])
            kept.update((index, own[path]) for index, path in zip(mine, paths, strict=True))
        if slots:
            where = [torch.from_numpy(np.concatenate(part)).to(self.device) for part in (rows, columns)]
            self.prefixes.write(np.concatenate(slots), pairs, where[0], where[1])

    def _call(self, layout: Layout, cached: bool, room: int) -> tuple[Tensor, list[Pair]]:
        """One call of the network, or two where a long trunk goes first."""
        token_ids = torch.from_numpy(layout.token_ids).to(self.device)
        length, trunk = layout.token_ids.shape[1], layout.trunk
        cache = None
        if layout.slots is not None:
            rows, filled = layout.slots.shape
            cache = held_cache(self.prefixes.read(layout.slots, length + room), rows=rows, filled=filled)
        elif cached or trunk:
            cache = empty_cache(length + room)
        asked = layout.asked()
        parts = []
        with self.adapters.active(layout.adapters):
            if trunk:
                parts.append(self.call({"input_ids": token_ids[:, :trunk]}, cache, asked[0]))
            inputs = {"input_ids": token_ids[:, trunk:]}
            if layout.visible is not None:
                inputs |= self.attention(layout.visible, layout.depths[:, layout.kept + trunk :], layout.depths)
            parts.append(self.call(inputs, cache, asked[-1]))
        pairs = [] if cache is None else [(layer.keys, layer.values) for layer in cache.layers]
        states = (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)).flatten(0, 1)
        given = np.concatenate(asked, axis=1).ravel() >= 0
        return states if given.all() else states[torch.from_numpy(given).to(self.device)], pairs

    def attention(self, visible: np.ndarray, queries: np.ndarray, keys: np.ndarray) -> dict[str, Any]:
        """The network's inputs that say where tokens stand and what they see; see `attention_mask`."""
        like = (self.precision or self.network.dtype, self.device)
        return {
            "position_ids": torch.from_numpy(queries).to(self.device),
            "attention_mask": attention_mask(visible, queries, keys, self.window, like),
        }

    def call(self, inputs: dict[str, Any], cache: Any = None, asked: np.ndarray | None = None) -> Tensor:
        """One call of the network, which fills `cache`. Returns the hidden states (logits where `split` is False)
        [R, W, H] at the places `asked` [R, W] (-1: any; None: all).
        """
        mask = inputs.get("attention_mask")
        where = None if asked is None else torch.from_numpy(asked.clip(0)).to(self.device)
        if self.decoder is not None and self.split and self._plain(inputs["input_ids"], mask):
            return self.decoder(inputs["input_ids"], inputs.get("position_ids"), mask, cache, where)
        with self._autocast():
            network = self.inner if self.split else self.network
            out = network(**inputs, past_key_values=cache, use_cache=cache is not None)
        states: Tensor = out.last_hidden_state if self.split else out.logits
        return states if where is None else picked(states, where)

    @contextmanager
    def many_steps(self, rows: int) -> Iterator[None]:
        """Within it steps of so many rows are faster; the weights must stay as they are."""
        packs = self._small and rows >= FEW
        packed = nullcontext() if self.decoder is None or not packs else self.decoder.packed(self.version())
        with self.adapters.steady(), packed:
            yield

    def _plain(self, token_ids: Tensor, mask: Any) -> bool:
        """Whether one mask, or none, says for all layers what the tokens see."""
        inside = self.window is None or token_ids.shape[1] <= self.window.size
        return isinstance(mask, Tensor) or (mask is None and inside)

    def _autocast(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.precision is None else torch.autocast(self.device.type, self.precision)

    def capped(self, logits: Tensor) -> Tensor:
        """What the network makes of the output embedding's logits: Gemma's soft cap, where it has one."""
        return logits if self.soft_cap is None else torch.tanh(logits / self.soft_cap) * self.soft_cap

    def logits(self, states: Tensor) -> Tensor:
        """Logits [N, V] of the `states` [N, H], in float32 at least. Raises ModelError if not finite."""
        if self.split:
            with self._autocast():
                head = self.head if self.decoder is None else self.decoder.head
                states = head(states)
        logits = states.float() if states.dtype in (torch.float16, torch.bfloat16) else states
        if self.split:
            logits = self.capped(logits)
        if not torch.isfinite(logits.detach().sum()):
            raise ModelError(
                "the network's logits are not finite (NaN or infinity): its weights or inputs are damaged; load an "
                "earlier checkpoint, or lower the learning rate if this happened in training"
            )
        return logits


def _finite(states: Tensor) -> Tensor:
    """The `states` [N, H], in float32 at least. Raises ModelError if not finite."""
    if not torch.isfinite(states.detach().sum()):
        raise ModelError(
            "the network's hidden states are not finite (NaN or infinity): its weights or inputs are damaged; load an "
            "earlier checkpoint, or lower the learning rate if this happened in training"
        )
    return states.float() if states.dtype in (torch.float16, torch.bfloat16) else states

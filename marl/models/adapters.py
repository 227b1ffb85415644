"""LoRA adapters: several over one base in memory, each row of a batch read with its own (Hu et al. 2022)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from marl.errors import ModelError


@dataclass(frozen=True, slots=True)
class _Rows:
    """Which adapters a call uses, and for each row the place of its own among them (-1: the base alone)."""

    names: tuple[str, ...]
    places: Tensor


class Adapters:
    """The LoRA adapters of a network: made, saved and loaded by peft, applied here.

    peft's layers stay switched off, so that they give what the base gives; a hook adds x A_i' B_i' * scale to each row
    of its adapter i, all rows in two batched matrix products, however many adapters there are. `changed` is called
    when layers were put in others' place.
    """

    def __init__(self, network: Any, changed: Callable[[], None] = lambda: None) -> None:
        self._network = network
        self._changed = changed
        self._rows: _Rows | None = None
        self._layers: list[Any] = []
        self._stacks: dict[tuple[int, tuple[str, ...]], tuple[Tensor, Tensor]] | None = None
        self.names: tuple[str, ...] = ()

    def add(self, name: str, *, rank: int, alpha: int, seed: int) -> None:
        """A new adapter on every linear layer but the output: A random from `seed`, B zero, so that it changes nothing
        yet. Raises ModelError for a name that is taken and a rank or alpha unlike the others'.
        """
        from peft import LoraConfig

        self._check(name)
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # peft wonders about a second adapter, which is what we are here for, and mends GPT-2's layers by itself.
            warnings.simplefilter("ignore", UserWarning)
            torch.manual_seed(seed)
            self._network.add_adapter(config, adapter_name=name)
        self._added(name)

    def load(self, name: str, folder: str | Path) -> None:
        """The adapter that was saved in `folder`, under `name`. Raises ModelError where there is none that fits."""
        from peft import LoraConfig, set_peft_model_state_dict
        from safetensors.torch import load_file

        self._check(name)
        try:
            config = LoraConfig.from_pretrained(str(folder))
            weights = load_file(Path(folder) / "adapter_model.safetensors")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._network.add_adapter(config, adapter_name=name)
            plain = {key.removeprefix("base_model.model."): value for key, value in weights.items()}
            fit: Any = set_peft_model_state_dict(self._network, plain, adapter_name=name)
            if fit.unexpected_keys or any(f".{name}." in key for key in fit.missing_keys):
                raise ValueError(f"its weights do not fit: {[*fit.unexpected_keys, *fit.missing_keys][:3]}")
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            if name in getattr(self._network, "peft_config", {}):
                self._network.delete_adapter(name)
            raise ModelError(f"no adapter of this network could be loaded from {folder}: {error}") from error
        self._added(name)

    def parameters(self, name: str) -> dict[str, torch.nn.Parameter]:
        """The adapter's own parameters by name."""
        self._known(name)
        return {
            key.replace(f".{name}.", "."): value
            for key, value in self._network.named_parameters()
            if "lora_" in key and f".{name}." in key
        }

    @contextmanager
    def active(self, rows: Sequence[str | None]) -> Iterator[None]:
        """Within it, row i of the batch is read with adapter rows[i]; None is the base alone."""
        used = tuple(dict.fromkeys(name for name in rows if name is not None))
        for name in used:
            self._known(name)
        places = torch.tensor([-1 if name is None else used.index(name) for name in rows])
        with self._using(_Rows(used, places.to(self._network.device)) if used else None):
            yield

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Within it the adapters' weights stay as they are, so that those of a batch are put together once a layer."""
        self._stacks = {}
        try:
            yield
        finally:
            self._stacks = None

    def as_now(self) -> Callable[[], AbstractContextManager[None]]:
        """Makes contexts in which a batch is read with the adapters of this moment, for what is computed again."""
        return partial(self._using, self._rows)

    @contextmanager
    def _using(self, rows: _Rows | None) -> Iterator[None]:
        before, self._rows = self._rows, rows
        try:
            yield
        finally:
            self._rows = before

    def _known(self, name: str) -> None:
        if name not in self.names:
            raise ModelError(f"there is no adapter {name!r}; there are: {', '.join(self.names) or 'none'}")

    def _check(self, name: str) -> None:
        if not name or "." in name:
            raise ModelError(f"{name!r} cannot name an adapter; give a non-empty name without a dot")
        if name in self.names:
            raise ModelError(f"there is an adapter {name!r} already; names: {', '.join(self.names)}")

    def _added(self, name: str) -> None:
        from peft.tuners.lora import LoraLayer

        self._network.disable_adapters()
        self.names = (*self.names, name)
        for key, parameter in self._network.named_parameters():
            parameter.requires_grad_("lora_" in key)
        hooked = {id(layer) for layer in self._layers}
        for layer in self._network.modules():
            if isinstance(layer, LoraLayer) and id(layer) not in hooked:
                module: Any = layer
                module.register_forward_hook(self._add_delta)
                self._layers.append(layer)
        self._changed()

    def _add_delta(self, layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        rows = self._rows
        if rows is None:
            return output
        x = inputs[0]
        down, up = self._stacked(layer, rows.names, x.dtype)
        if len(rows.names) == 1 and bool((rows.places == 0).all()):
            return output + (x @ down[0].T) @ up[0].T
        batch = x.reshape(len(rows.places), -1, x.shape[-1])
        place = rows.places.clamp(min=0)
        mine = up[place] * (rows.places >= 0)[:, None, None]
        delta = torch.bmm(torch.bmm(batch, down[place].transpose(1, 2)), mine.transpose(1, 2))
        return output + delta.reshape(output.shape)

    def _stacked(self, layer: Any, names: tuple[str, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The adapters' factors of a layer: A [n, rank, in], and B times its scale [n, out, rank]."""
        key = id(layer), names
        if self._stacks is not None and key in self._stacks:
            return self._stacks[key]
        down = torch.stack([layer.lora_A[name].weight for name in names]).to(dtype)
        up = torch.stack([layer.lora_B[name].weight * layer.scaling[name] for name in names]).to(dtype)
        if self._stacks is not None:
            self._stacks[key] = down, up
        return down, up

"""Where a causal language model comes from: the package, a folder, or the Hugging Face hub."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import transformers
from safetensors import SafetensorError

from marl.errors import ModelError
from marl.models.adapter_folder import base_name, is_adapter, merged
from marl.models.quantize import count_weights, is_int8, load_int8
from marl.seeding import seed_of

NANO = Path(__file__).with_name("nano")
"""The folder of the nano model that ships with the package."""

SMALL = 50_000_000
"""Parameters below which more than one torch thread costs more than it gives."""

_FAILURES = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, SafetensorError)
"""What transformers and safetensors raise for files that are missing, damaged or of an unknown kind."""


PrecisionName = Literal["float32", "bfloat16", "float16"]


def computed_in(precision: str) -> torch.dtype | None:
    """What matrix products are computed in; None for the weights' own type. Raises ModelError for an unknown name."""
    if precision not in get_args(PrecisionName):
        raise ModelError(f"precision is {precision!r}; give one of {', '.join(get_args(PrecisionName))}")
    return None if precision == "float32" else getattr(torch, precision)


def load_parts(name: str, seed: int) -> tuple[Any, Any]:
    """(network, tokenizer) for "nano", "scratch" (nano's network with random weights drawn from `seed`), a folder of
    an AutoModelForCausalLM, an exported adapter's folder (its base with the adapter added into the weights), or a hub
    name. Raises ModelError where there is none, or it is incomplete.
    """
    if not name.strip():
        raise ModelError('the model name is empty; give "nano", "scratch", a folder or a Hugging Face hub name')
    if is_adapter(name):
        network, tokenizer = load_parts(base_name(name), seed)
        return merged(network, name), tokenizer
    source = str(NANO) if name in ("nano", "scratch") else name
    _check_source(name, source)
    transformers.utils.logging.disable_progress_bar()
    tokenizer = _tokenizer(source)
    network = _scratch(source, seed) if name == "scratch" else _pretrained(source)
    _set_threads(network)
    return network, tokenizer


def _check_source(name: str, source: str) -> None:
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} has no config.json; give a folder written by save_pretrained")
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", source) or source.startswith("."):
        raise ModelError(
            f'there is no folder {source} (model "{name}"); give "nano", "scratch", an existing folder or a Hugging '
            "Face hub name such as Qwen/Qwen3-0.6B"
        )


def _tokenizer(source: str) -> Any:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        if len(tokenizer) > 0 and tokenizer.encode("a b", add_special_tokens=False):
            return tokenizer
        reason = "it has no vocabulary"
    except _FAILURES as error:
        reason = _first_line(error)
    raise ModelError(
        f"no tokenizer could be loaded from {source}: {reason}; save one beside the network with "
        "tokenizer.save_pretrained(folder)"
    )


def _pretrained(source: str) -> Any:
    try:
        if is_int8(source):
            return load_int8(source)
        network, info = transformers.AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, output_loading_info=True
        )
    except _FAILURES as error:
        raise ModelError(
            f"no causal language model could be loaded from {source}: {_first_line(error)}; give a folder written by "
            "save_pretrained, or a hub name while online"
        ) from error
    if info["missing_keys"]:
        raise ModelError(
            f"{source} lacks weights for {sorted(info['missing_keys'])[:3]}, {len(info['missing_keys'])} in all; they "
            "would be random; give a folder that holds the whole network"
        )
    return network


def _scratch(source: str, seed: int) -> Any:
    try:
        config = transformers.AutoConfig.from_pretrained(source)
    except _FAILURES as error:
        raise ModelError(f"no network configuration could be read from {source}: {_first_line(error)}") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "model", "scratch"))
        return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _set_threads(network: Any) -> None:
    asked = os.environ.get("MARL_TORCH_THREADS")
    if asked is not None:
        if not asked.isdecimal() or int(asked) < 1:
            raise ModelError(f"MARL_TORCH_THREADS is {asked!r}; give a whole number >= 1, or unset it")
        torch.set_num_threads(int(asked))
    elif count_weights(network) < SMALL:
        torch.set_num_threads(1)

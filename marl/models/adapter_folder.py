"""Adapters on disk, as peft writes them: a folder that names its base and holds what was trained over it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from marl.errors import ModelError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def is_adapter(folder: str | Path) -> bool:
    """Whether `folder` holds an adapter instead of a network."""
    return (Path(folder).expanduser() / CONFIG).is_file()


def base_name(folder: str | Path) -> str:
    """The name of the model that the adapter in `folder` belongs on. Raises ModelError where there is none."""
    path = Path(folder).expanduser() / CONFIG
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} does not tell the adapter's base ({error}); export the policy again") from error
    if not isinstance(name, str) or not name:
        raise ModelError(
            f"{path} names {name!r} as the base; set base_model_name_or_path to the model's name or folder"
        )
    return name


def write_adapter(network: Any, name: str, base: str, folder: Path) -> None:
    """Write adapter `name` of `network` into `folder`, which exists; `base` is the name of the model without it."""
    from peft import get_peft_model_state_dict

    weights = get_peft_model_state_dict(network, adapter_name=name)
    tensors = {f"base_model.model.{key}": value.detach().cpu().contiguous() for key, value in weights.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = network.peft_config[name].to_dict() | {"base_model_name_or_path": base, "inference_mode": True}
    text = json.dumps(config, default=lambda value: sorted(value) if isinstance(value, set) else str(value), indent=2)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def merged(network: Any, folder: str) -> Any:
    """`network` with the adapter in `folder` added into its weights, which can be trained like those of any other.

    Raises ModelError where it does not fit.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft mends GPT-2's layers by itself, and calls what transformers renames
            return PeftModel.from_pretrained(network, folder).merge_and_unload().requires_grad_(True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"the adapter in {folder} could not be loaded on its base: {error}") from error

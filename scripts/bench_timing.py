"""What the engine's benchmarks share: a random network, fair timing, ratios with their range, plain tables.

Times are CPU seconds (`time.process_time`) on one torch thread, so that a busy machine hardly moves them. Everything
that is compared runs in the same process in turns, in an order that changes from round to round, and a ratio is the
median of the rounds' own ratios. Inputs are drawn anew for every round, so that nothing kept from an earlier round can
help. Garbage collection is off while the clock runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from marl.models import LanguageModel

VOCABULARY = 1024
TOLERANCE = 1e-4
"""How far apart the answers of two ways that are compared may be (nats)."""

Ids = tuple[int, ...]
Times = dict[str, list[float]]


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios, and the lowest and the highest of them."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"


def llama(
    width: int = 256, layers: int = 4, heads: int = 4, inner: int = 688, positions: int = 4096, seed: int = 0
) -> LlamaForCausalLM:
    """A random Llama, untied head, sdpa attention; the defaults make 3.69 M parameters."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=positions,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config).eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """Words w0 ... w1023. Its stop token is 1024, which the network has no logit for: nothing said ends early."""
    words = {f"w{number}": number for number in range(VOCABULARY)}
    inner = Tokenizer(models.WordLevel({**words, "</s>": VOCABULARY}, unk_token="w0"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="w0")


def language_model(**shape: int) -> LanguageModel:
    """Our engine over a random network (see `llama`)."""
    return LanguageModel(llama(**shape), tokenizer(), "random")


def parameters(network: torch.nn.Module) -> int:
    """How many parameters the network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def texts(rng: np.random.Generator, count: int, length: int) -> list[Ids]:
    """`count` random token sequences of `length`, all different from their first token on where count allows."""
    rows = rng.integers(0, VOCABULARY, (count, length))
    rows[:, 0] = rng.permutation(VOCABULARY)[np.arange(count) % VOCABULARY]
    return [tuple(row) for row in rows.tolist()]


def check_equal(what: str, ours: Any, theirs: Any) -> None:
    """Stop the benchmark where two ways do not give the same answer."""
    distance = float(np.abs(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)).max())
    if not distance <= TOLERANCE:
        raise SystemExit(f"{what}: the answers differ by {distance:.2e}, more than {TOLERANCE:.0e}; nothing was timed")


def cpu_seconds(call: Callable[[], Any]) -> float:
    """CPU time of one call, garbage collection off."""
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        call()
        return time.process_time() - start
    finally:
        gc.enable()


def interleave(ways: dict[str, Callable[[Any], Any]], draw: Callable[[int], Any], rounds: int) -> Times:
    """CPU seconds of every way in each of `rounds`, after one round of warm-up.

    `draw(number)` makes a round's inputs; all ways get the same ones. The order of the ways rotates.
    """
    names = list(ways)
    times: Times = {name: [] for name in names}
    for number in range(rounds + 1):
        inputs = draw(number)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            seconds = cpu_seconds(lambda name=name, inputs=inputs: ways[name](inputs))
            if number:
                times[name].append(seconds)
    return times


def ratio(times: Times, top: str, bottom: str, scale: float = 1.0) -> Ratio:
    """`scale` * time of `top` / time of `bottom`, round by round."""
    values = [scale * a / b for a, b in zip(times[top], times[bottom], strict=True)]
    return Ratio(statistics.median(values), min(values), max(values))


def rate(times: Times, name: str, count: float) -> float:
    """How many of `count` things a round a CPU second gives, median of the rounds."""
    return count / statistics.median(times[name])


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print `rows` under `header`, every column as wide as it needs."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    print(f"\n{title}")
    for row in cells:
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "   ".join([row[0].ljust(widths[0]), *rest]), flush=True)


def arguments(about: str | None, rounds: int = 7) -> argparse.ArgumentParser:
    """A parser with what every benchmark of the engine takes. Sets torch to one thread."""
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"timed rounds after one of warm-up ({rounds})")
    parser.add_argument("--json", type=Path, help="write all times and ratios to this file, too")
    return parser


def write(path: Path | None, result: dict[str, list[dict[str, Any]]]) -> None:
    """Write what was measured, and with which versions, where `--json` was given.

    `over_first`: how many times longer than the first of its ways each way took.
    """
    if path:
        for part in (part for parts in result.values() for part in parts if part.get("cpu_seconds")):
            times = part["cpu_seconds"]
            part["over_first"] = {name: ratio(times, name, next(iter(times))) for name in times}
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        path.write_text(json.dumps({"versions": versions, **result}, indent=1, default=vars) + "\n")

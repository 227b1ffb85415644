"""`choose` and its training pass against the three other ways to score a list of legal texts.

    python scripts/bench_choose.py [--rounds 7] [--only 48/4/16 ...] [--json FILE]

A batch of different random prompts, each with its own options of five tokens; the first three are shared in groups of
four options. The other ways, each written as well as its design allows (sdpa, inference mode, last token not read):

    each    one forward of prompt + option for every option, one after the other
    rows    all prompt + option rows in one batch, log-softmax over the vocabulary at every position (TWOSOME)
    copies  every prompt read once, its keys and values copied to its options, all options in one batch (Lamorel)

They give the sum of each option's token log-probabilities; ours gives that with scoring="sum", and all are checked to
be equal. scoring="step", normalized where options part, is another policy that reads fewer tokens: it is checked
against plain forwards, and timed against the same three. Each is timed against ours in a process of its own.

The physical limit is a plain causal forward, without mask or cache, of just as many tokens as a trie of the
options needs, with output logits where they are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from bench_timing import (
    VOCABULARY,
    Ids,
    Times,
    arguments,
    check_equal,
    interleave,
    language_model,
    llama,
    parameters,
    rate,
    ratio,
    table,
    texts,
    write,
)
from torch import Tensor
from transformers.utils import logging

from marl.models import LanguageModel, Row

LENGTH, STEM, GROUP = 5, 3, 4
"""Tokens of an option, how many of them a group shares, options of a group."""

CHECKED = 10**6
"""Seed of the batch on which all ways are compared before any is timed."""

SETTINGS = ("48/4/16", "192/8/8", "64/16/8", "384/16/4")
"""Prompt tokens / options / batch."""

ACTING = {"rows": (3.9, 9.6, 11.7, 17.6), "copies": (1.2, 1.4, 1.6, 1.8), "plain": 1.25}
TRAINING = {"rows": (3.9, 9.9, 13.0, 15.4), "plain": 1.35}


@dataclass(frozen=True)
class Case:
    """One batch: B prompts [P] and their O options [L], as tuples and as tensors; `taken` [B]; `tree` random tokens
    [B, P + nodes] and `heads`, the number of a row's places whose logits a trie needs."""

    prompts: list[Ids]
    options: list[tuple[Ids, ...]]
    prompt: Tensor
    option: Tensor
    taken: Tensor
    tree: Tensor
    heads: int

    @property
    def rows(self) -> list[Row]:
        """The decisions as the training pass takes them."""
        return [
            Row(prompt, (), options, choice)
            for prompt, options, choice in zip(self.prompts, self.options, self.taken.tolist(), strict=True)
        ]


def make_options(rng: np.random.Generator, count: int) -> tuple[Ids, ...]:
    """`count` options that part at their first token between groups, and at their fourth within a group."""
    stems = texts(rng, -(-count // GROUP), STEM)
    parts = rng.permutation(VOCABULARY)[:GROUP].tolist()
    ends = texts(rng, count, LENGTH - STEM - 1)
    return tuple((*stems[n // GROUP], parts[n % GROUP], *ends[n]) for n in range(count))


def nodes(options: tuple[Ids, ...], scoring: str) -> tuple[int, int]:
    """(tokens that a trie of the options has to read, places whose logits it needs, the prompt's end included)."""
    followers = defaultdict(set)
    for option in options:
        for depth, token in enumerate(option):
            followers[option[:depth]].add(token)
    wanted = [path for path, tokens in followers.items() if scoring != "step" or len(tokens) > 1]
    return len({path[:depth] for path in wanted for depth in range(1, len(path) + 1)}), len(wanted)


def draw(setting: str, scoring: str, seed: int) -> Case:
    """A random batch of a setting; another one for every seed."""
    length, count, batch = map(int, setting.split("/"))
    rng = np.random.default_rng(seed)
    prompts = texts(rng, batch, length)
    options = [make_options(rng, count) for _ in prompts]
    reads, heads = nodes(options[0], scoring)
    tree = rng.integers(0, VOCABULARY, (batch, length + reads))
    taken = rng.integers(0, count, batch)
    return Case(prompts, options, *map(torch.tensor, (prompts, options, taken, tree)), heads)


def each(network: Any, case: Case) -> Tensor:
    """Sums of log-probabilities [B, O], a forward an option."""
    scores = []
    for prompt, options in zip(case.prompt, case.option, strict=True):
        for option in options:
            ids = torch.cat([prompt, option[:-1]])[None]
            logits = network(input_ids=ids, use_cache=False, logits_to_keep=LENGTH).logits[0]
            scores.append(logits.log_softmax(-1).gather(-1, option[:, None]).sum())
    return torch.stack(scores).view(case.option.shape[:2])


def rows(network: Any, case: Case) -> Tensor:
    """Sums of log-probabilities [B, O], one batch of all prompt + option rows, read whole as TWOSOME does."""
    batch, count, _ = case.option.shape
    prompt = case.prompt[:, None].expand(batch, count, -1)
    ids = torch.cat([prompt, case.option], dim=-1).flatten(0, 1)
    logits = network(input_ids=ids, use_cache=False).logits
    steps = logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    return steps[:, -LENGTH:].sum(-1).view(batch, count)


def copies(network: Any, case: Case) -> Tensor:
    """Sums of log-probabilities [B, O], prompts read once and their keys and values copied to the options."""
    batch, count, _ = case.option.shape
    first = network(input_ids=case.prompt, use_cache=True, logits_to_keep=1)
    first.past_key_values.batch_repeat_interleave(count)
    option = case.option.flatten(0, 1)
    later = network(input_ids=option[:, :-1], past_key_values=first.past_key_values, use_cache=True).logits
    start = first.logits[:, 0].log_softmax(-1).gather(-1, case.option[:, :, 0])
    return start + later.log_softmax(-1).gather(-1, option[:, 1:, None]).sum((1, 2)).view(batch, count)


def stepwise(network: Any, case: Case) -> Tensor:
    """Log-probabilities [B, O] normalized where options part, from a plain forward an option: the check of "step"."""
    scores = []
    for prompt, options, ids in zip(case.prompt, case.options, case.option, strict=True):
        for option in ids:
            logits = network(input_ids=torch.cat([prompt, option[:-1]])[None], logits_to_keep=LENGTH).logits[0]
            path, total = tuple(option.tolist()), logits.new_zeros(())
            for depth, token in enumerate(path):
                nexts = sorted({other[depth] for other in options if other[:depth] == path[:depth]})
                total = total + logits[depth, nexts].log_softmax(-1)[nexts.index(token)]
            scores.append(total)
    return torch.stack(scores).view(case.option.shape[:2])


def plain(network: Any, case: Case) -> Tensor:
    """Logits [B, heads, V] of a plain causal forward over as many tokens as the trie needs."""
    return network.lm_head(network.model(input_ids=case.tree, use_cache=False).last_hidden_state[:, -case.heads :])


def acting_ways(model: LanguageModel, network: Any, scoring: str) -> dict[str, Callable[[Case], Any]]:
    """What is timed for acting; the other ways have the `network` as transformers makes it."""
    other = {name.__name__: lambda case, name=name: name(network, case) for name in (each, rows, copies, plain)}
    return {"ours": lambda case: model.choose(case.prompts, case.options, scoring=scoring), **other}


def backward(network: Any, loss: Tensor) -> None:
    """Gradients of the loss, after those of the way before are gone."""
    network.zero_grad(set_to_none=True)
    loss.backward()


def training_ways(model: LanguageModel, network: Any, scoring: str) -> dict[str, Callable[[Case], Any]]:
    """What is timed for training: forward and backward of the taken options' summed log-probabilities."""

    def taken(way: Callable[[Any, Case], Tensor], case: Case) -> Tensor:
        return way(network, case).log_softmax(-1).gather(-1, case.taken[:, None]).sum()

    def limit(case: Case) -> Tensor:
        return plain(network, case).log_softmax(-1).gather(-1, case.tree[:, : case.heads, None]).sum()

    return {
        "ours": lambda case: backward(model.network, model.log_probs(case.rows, scoring=scoring).log_probs.sum()),
        "rows": lambda case: backward(network, taken(rows, case)),
        "copies": lambda case: backward(network, taken(copies, case)),
        "plain": lambda case: backward(network, limit(case)),
    }


def check(model: LanguageModel, case: Case, scoring: str) -> None:
    """Stop unless all ways give the same log-probabilities, and the same gradients where they are the same policy."""
    network = llama()
    with torch.inference_mode():
        sums = each(network, case)
        for way in (rows, copies):
            check_equal(f"{way.__name__} against each", way(network, case), sums)
        truth = stepwise(network, case) if scoring == "step" else sums.log_softmax(-1)
    ours = model.choose(case.prompts, case.options, scoring=scoring)
    check_equal(f'ours, scoring="{scoring}"', np.stack(ours), truth)
    with torch.no_grad():
        trained = model.log_probs(case.rows, scoring=scoring).log_probs[:, 0]
    check_equal("training against acting", trained, truth.gather(-1, case.taken[:, None])[:, 0])
    if scoring == "sum":
        ways = training_ways(model, network, scoring)
        networks = {"ours": model.network, "rows": network, "copies": network}
        gradients = {name: _gradient(networks[name], ways[name], case) for name in networks}
        scale = gradients["rows"].abs().max()
        for name in ("ours", "copies"):
            check_equal(f"gradient of {name}", gradients[name] / scale, gradients["rows"] / scale)


def _gradient(network: Any, way: Callable[[Case], Any], case: Case) -> Tensor:
    way(case)
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def timed(phase: str, scoring: str, setting: str, other: str, rounds: int) -> Times:
    """CPU seconds of ours and of one other way in turns. In a process of its own: what one way frees, the C library
    keeps or gives back by sizes seen before, so that a third way would change how dear the memory of these two is.
    """
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    model = language_model()
    check(model, draw(setting, scoring, CHECKED), scoring)
    ways = {"acting": acting_ways, "training": training_ways}[phase](model, llama(), scoring)
    with torch.inference_mode(phase == "acting"):
        pair = {name: ways[name] for name in ("ours", other)}
        return interleave(pair, partial(draw, setting, scoring), rounds)


def line(setting: str, number: int, found: dict[str, Times], targets: dict[str, Any], case: Case) -> list[str]:
    """One line of the table: how often faster than each other way, and how near to the limit."""
    batch = len(case.prompts)
    extra = case.tree.shape[1] - case.prompt.shape[1]
    cells = [setting, f"{batch} x ({case.prompt.shape[1]} + {extra})"]
    cells.append(f"{rate(found['plain'], 'ours', batch):.1f}")
    for name, times in found.items():
        if name != "plain":
            target = f" (>= {targets[name][number]})" if name in targets and number >= 0 else ""
            cells.append(f"{ratio(times, name, 'ours')}{target}")
    return [*cells, f"{ratio(found['plain'], 'ours', 'plain')} (<= {targets['plain']})"]


def measure(phase: str, scoring: str, settings: Sequence[str], rounds: int) -> list[dict]:
    """Check and time every setting of a phase ("acting" or "training"), and print its table."""
    targets = {"acting": ACTING, "training": TRAINING}[phase]
    others = ("each", "rows", "copies", "plain") if phase == "acting" else ("rows", "copies", "plain")
    lines, results = [], []
    for setting in settings:
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as alone:
            found = {name: alone.submit(timed, phase, scoring, setting, name, rounds).result() for name in others}
        number = SETTINGS.index(setting) if setting in SETTINGS else -1
        lines.append(line(setting, number, found, targets, draw(setting, scoring, 0)))
        results += [
            {"phase": phase, "scoring": scoring, "setting": setting, "cpu_seconds": times} for times in found.values()
        ]
    header = ["prompt/options/batch", "tokens: prompt + trie", "decisions a CPU second"]
    header += [f"faster than {name}" for name in others if name != "plain"]
    table(f'{phase}, scoring="{scoring}"', [*header, "time over plain forward"], lines)
    return results


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=SETTINGS, metavar="PROMPT/OPTIONS/BATCH")
    parser.add_argument("--phase", nargs="+", default=("acting", "training"))
    parser.add_argument("--scoring", nargs="+", default=("step", "sum"))
    given = parser.parse_args()
    results = []
    print(f"random Llama of {parameters(llama()) / 1e6:.2f} M parameters, untied head; {given.rounds} rounds")
    for scoring in given.scoring:
        for phase in given.phase:
            results += measure(phase, scoring, given.only, given.rounds)
    write(given.json, {"results": results})


if __name__ == "__main__":
    main()

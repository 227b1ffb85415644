"""What eight agents with a LoRA adapter each cost on one shared network, in time and in memory.

    python scripts/bench_adapters.py [--rounds 7] [--only time memory] [--json FILE]

time    32 rows over 8 adapters against 32 rows of one adapter: reading (log-probabilities of replies of 8 tokens to
        prompts of 64), `choose` over 8 options, `say` of 8 tokens, training (reading and backward, base frozen). The
        same for peft where it is installed: its own mixed batch (`adapter_names=`), and one batch an adapter.
memory  peak of a process with a random base of 105 M parameters above the same process without: one agent, 8 agents
        on one base, 8 full copies, on the same 8 rows.

Before timing, a mixed batch is checked to give every row what its adapter alone gives, with adapters that change the
network's answers, and ours to give what peft gives with the same weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from bench_choose import make_options
from bench_memory import in_fork, peak
from bench_timing import (
    TOLERANCE,
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
    tokenizer,
    write,
)
from torch import Tensor

from marl.models import LanguageModel, Row

ROWS, PROMPT, REPLY, OPTIONS, ADAPTERS, RANK, ALPHA = 32, 64, 8, 8, 8, 8, 16
NAMES = tuple(f"agent_{number}" for number in range(ADAPTERS))
LARGE = {"width": 1024, "layers": 8, "heads": 16, "inner": 2816}
ONE, SHARED, COPIES = "one agent", "8 agents on one base", "8 full copies"
MEMORY_HEADER = ("job", "held", "peak MiB", "over one agent", "target")
TIME_TARGET, MEMORY_TARGET = 1.3, 1.2


@dataclass(frozen=True)
class Case:
    """Rows of a round: prompts, replies to read, options, and the seed of the random streams."""

    prompts: list[Ids]
    replies: list[Ids]
    options: list[tuple[Ids, ...]]
    seed: int

    def part(self, which: Sequence[int]) -> Case:
        """Some of the rows."""
        return Case(*([column[n] for n in which] for column in (self.prompts, self.replies, self.options)), self.seed)


def draw(count: int, seed: int) -> Case:
    """`count` random rows; others for every seed."""
    rng = np.random.default_rng(seed)
    options = [make_options(rng, OPTIONS) for _ in range(count)]
    return Case(texts(rng, count, PROMPT), texts(rng, count, REPLY), options, seed)


def adapters(count: int, kind: str) -> list[str]:
    """The adapter of each row: eight in turn ("mixed") or the first everywhere ("one")."""
    return [NAMES[row % ADAPTERS if kind == "mixed" else 0] for row in range(count)]


def one_batch_each(way: Callable[[Case, list[str]], Any], case: Case, names: list[str]) -> None:
    """The rows of each adapter in a batch of their own."""
    for name in dict.fromkeys(names):
        which = [row for row, other in enumerate(names) if other == name]
        way(case.part(which), [name] * len(which))


class Ours:
    """The jobs with our engine: every one takes rows and the adapter of each."""

    def __init__(self, model: LanguageModel, names: Sequence[str] = NAMES) -> None:
        self.model = model
        before = {id(parameter) for parameter in model.network.parameters()}
        for seed, name in enumerate(names):
            model.add_adapter(name, rank=RANK, alpha=ALPHA, seed=seed)
        generator = torch.Generator().manual_seed(0)
        for parameter in model.network.parameters():
            parameter.requires_grad_(id(parameter) not in before)
            if parameter.requires_grad:  # a new adapter changes nothing: its second factor is zero
                torch.nn.init.normal_(parameter, std=0.05, generator=generator)

    def read(self, case: Case, names: list[str]) -> Tensor:
        """Log-probabilities [rows, REPLY] of the replies."""
        rows = zip(case.prompts, case.replies, names, strict=True)
        return self.model.log_probs([Row(prompt, reply, adapter=name) for prompt, reply, name in rows]).log_probs

    def choose(self, case: Case, names: list[str]) -> list[np.ndarray]:
        """Log-probabilities of every row's options."""
        return self.model.choose(case.prompts, case.options, adapters=names)

    def say(self, case: Case, names: list[str]) -> list[Any]:
        """A reply to every row."""
        rngs = [np.random.default_rng([case.seed, row]) for row in range(len(names))]
        return self.model.say(case.prompts, [REPLY] * len(names), rngs, adapters=names)

    def train(self, case: Case, names: list[str]) -> None:
        """Gradients of the adapters."""
        self.model.network.zero_grad(set_to_none=True)
        self.read(case, names).sum().backward()


class Peft:
    """The same jobs with peft: its mixed batch where rows have several adapters, else that adapter switched on."""

    def __init__(self, network: Any) -> None:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", init_lora_weights=False)
        self.network = get_peft_model(network, config, adapter_name=NAMES[0])
        for name in NAMES[1:]:
            self.network.add_adapter(name, config)
        self.network.eval()
        self.weights = {name: p for name, p in self.network.named_parameters() if "lora_" in name}

    def _words(self, names: list[str]) -> dict[str, Any]:
        if len(set(names)) > 1:
            return {"adapter_names": names}
        self.network.set_adapter(names[0])
        return {}

    def read(self, case: Case, names: list[str]) -> Tensor:
        """Log-probabilities [rows, REPLY] of the replies."""
        replies = torch.tensor(case.replies)
        ids = torch.cat([torch.tensor(case.prompts), replies[:, :-1]], 1)
        logits = self.network(input_ids=ids, use_cache=False, logits_to_keep=REPLY, **self._words(names)).logits
        return logits.log_softmax(-1).gather(-1, replies[..., None])[..., 0]

    def say(self, case: Case, names: list[str]) -> Tensor:
        """A reply to every row."""
        ids = torch.tensor(case.prompts)
        words = {"do_sample": True, "top_k": 0, "eos_token_id": None, "pad_token_id": 0, "max_new_tokens": REPLY}
        return self.network.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **words, **self._words(names))[
            :, -REPLY:
        ]

    def train(self, case: Case, names: list[str]) -> None:
        """Gradients of the adapters."""
        self.network.zero_grad(set_to_none=True)
        for weight in self.weights.values():
            weight.requires_grad_(True)
        self.read(case, names).sum().backward()


def copy_weights(ours: Ours, theirs: Peft) -> None:
    """Give peft's adapters the weights of ours."""
    mine = dict(ours.model.network.named_parameters())
    with torch.no_grad():
        for name, weight in theirs.weights.items():
            weight.copy_(mine[name.removeprefix("base_model.model.")])


def check(makers: dict[str, Ours | Peft]) -> None:
    """Stop unless a mixed batch gives each row what its adapter alone gives, and ours gives what peft gives."""
    case = draw(ROWS, 10**6)
    names = adapters(ROWS, "mixed")
    answers = {}
    with torch.inference_mode():
        for which, maker in makers.items():
            answers[which] = maker.read(case, names)
            alone = [maker.read(case.part([row]), [name])[0] for row, name in enumerate(names)]
            check_equal(f"{which}: mixed batch against rows alone", answers[which], torch.stack(alone))
            single = maker.read(case, adapters(ROWS, "one"))
            if float((single - answers[which]).abs().max()) < 100 * TOLERANCE:
                raise SystemExit(f"{which}: the adapters hardly change the answers, so that the check is void")
    if len(answers) == 2:
        check_equal("ours against peft", answers["ours"], answers["peft"])


def time_job(makers: dict[str, Ours | Peft], job: str, rounds: int) -> Times:
    """CPU seconds of a job for every maker that has it: mixed batch, one adapter, one batch an adapter."""
    ways: dict[str, Callable[[Case], Any]] = {}
    for which, maker in makers.items():
        if way := getattr(maker, job, None):
            ways[f"{which} mixed"] = lambda case, way=way: way(case, adapters(ROWS, "mixed"))
            ways[f"{which} one"] = lambda case, way=way: way(case, adapters(ROWS, "one"))
            ways[f"{which} each"] = lambda case, way=way: one_batch_each(way, case, adapters(ROWS, "mixed"))
    with torch.inference_mode(job != "train"):
        return {} if not ways else interleave(ways, partial(draw, ROWS), rounds)


def measure_time(rounds: int) -> list[dict[str, Any]]:
    """Check, time and print the table of all jobs."""
    makers: dict[str, Ours | Peft] = {}
    model = language_model()
    size = f"{parameters(model.network) / 1e6:.2f} M parameters"
    makers["ours"], makers["peft"] = Ours(model), Peft(llama())
    copy_weights(makers["ours"], makers["peft"])
    check(makers)
    lines, results = [], []
    for job in ("read", "choose", "say", "train"):
        times = time_job(makers, job, rounds)
        results.append({"job": job, "cpu_seconds": times})
        lines += [_line(job, which, times) for which in makers if f"{which} mixed" in times]
    header = ["job", "with", "rows a CPU second", "8 adapters over one", "target", "a batch an adapter over mixed"]
    table(f"{ROWS} rows, {ADAPTERS} adapters, {size}", [*header, "ours is faster by"], lines)
    return results


def _line(job: str, which: str, times: Times) -> list[str]:
    mixed = f"{which} mixed"
    target = f"<= {TIME_TARGET}" if which == "ours" else ""
    faster = str(ratio(times, mixed, "ours mixed")) if which != "ours" and "ours mixed" in times else ""
    cells = [job, which, f"{rate(times, mixed, ROWS):.1f}", str(ratio(times, mixed, f"{which} one")), target]
    return [*cells, str(ratio(times, f"{which} each", mixed)), faster]


def act_in(kind: str, job: str) -> list[Any]:
    """Build `kind` of agents on the large base and let them do `job` on one row each; returns all that is held."""
    case = draw(ADAPTERS, 0)
    network = llama(**LARGE)
    if kind == COPIES:
        networks = [copy.deepcopy(network) for _ in NAMES[1:]]
        models = [LanguageModel(each, tokenizer(), "copy") for each in (network, *networks)]
        rows = zip(models, case.prompts, case.options, strict=True)
        return [(model, model.choose([prompt], [options])) for model, prompt, options in rows]
    mixed = kind == SHARED
    ours = Ours(LanguageModel(network, tokenizer(), "shared"), NAMES if mixed else NAMES[:1])
    with torch.inference_mode(job != "train"):
        return [ours, getattr(ours, job)(case, adapters(ADAPTERS, "mixed" if mixed else "one"))]


def memory_of(kind: str, job: str) -> float:
    """Peak MiB of `act_in`, above a process that has done the same with a tiny network."""
    small = language_model()
    case = draw(2, 1)
    small.choose(case.prompts, case.options)
    small.log_probs([Row(case.prompts[0], case.replies[0])]).log_probs.sum().backward()
    return peak(lambda: act_in(kind, job))


def measure_memory(rounds: int) -> list[dict[str, Any]]:
    """Measure and print the peaks, every one in fresh forks."""
    lines, results = [], []
    for job, kinds in (("choose", (ONE, SHARED, COPIES)), ("train", (ONE, SHARED))):
        peaks = {kind: [in_fork(partial(memory_of, kind, job)) for _ in range(rounds)] for kind in kinds}
        results.append({"job": job, "peak_mib": peaks})
        for kind in kinds:
            target = f"<= {MEMORY_TARGET}" if kind == SHARED else ""
            lines.append([job, kind, f"{median(peaks[kind]):.0f}", str(ratio(peaks, kind, ONE)), target])
    table(f"base of {parameters(llama(**LARGE)) / 1e6:.0f} M parameters, {ADAPTERS} rows", MEMORY_HEADER, lines)
    return results


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=("time", "memory"), choices=("time", "memory"))
    given = parser.parse_args()
    result = {}
    if "memory" in given.only:  # first, while the process is small
        result["memory"] = measure_memory(min(given.rounds, 3))
    if "time" in given.only:
        result["time"] = measure_time(given.rounds)
    write(given.json, result)


if __name__ == "__main__":
    main()

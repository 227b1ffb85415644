"""`say` against Hugging Face's `generate`: tokens a CPU second, equal lengths, mixed lengths, and a whole episode.

    python scripts/bench_say.py [--rounds 7] [--only equal mixed episode] [--json FILE]

equal    prompts of 64 tokens, replies of 32, batches of 1, 8 and 64
mixed    64 prompts of 64 tokens, every reply with its own budget of 4 to 64 tokens; only tokens within it count
episode  8 episodes of 2 agents, 10 turns: 200 tokens of rules (an agent's own), and every turn an observation of 8 to
         16 tokens and a reply of 8

`generate` samples with its fastest settings (cache on, no filter of the distribution, no mask unless lengths differ)
and gives tokens only; ours gives each token's log-probability, too. Where lengths differ it has more lines: its static
cache, batches sorted by length, and keys and values kept from turn to turn by hand. Nothing that is sampled stops a
reply. Before timing, greedy replies of both are checked to be equal and ours to have the log-probabilities that a
plain forward gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from bench_timing import (
    VOCABULARY,
    Ids,
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
from transformers import DynamicCache, GenerationConfig

from marl.models import LanguageModel

PROMPT, REPLY, BATCHES = 64, 32, (1, 8, 64)
MIXED, SHORTEST, LONGEST = 64, 4, 64
EPISODES, AGENTS, TURNS, RULES, SAID = 8, 2, 10, 200, 8
OBSERVED = (8, 16)
TARGETS = {"equal": 1.2, "mixed": 2.0, "episode": 3.0}
PAD = 0


@dataclass(frozen=True)
class Batch:
    """Prompts, their replies' budgets, and the seed of their random streams."""

    prompts: list[Ids]
    budgets: list[int]
    seed: int

    @property
    def rngs(self) -> list[np.random.Generator]:
        """Fresh streams, one a prompt."""
        return [np.random.default_rng([self.seed, row]) for row in range(len(self.prompts))]


@dataclass(frozen=True)
class Episodes:
    """Rules of every row (an episode's agent) and what it observes in every turn: `observed[turn][row]`."""

    rules: list[Ids]
    observed: list[list[Ids]]
    seed: int


def draw_equal(batch: int, prompt: int, seed: int) -> Batch:
    """Different prompts of one length, replies of one length."""
    return Batch(texts(np.random.default_rng(seed), batch, prompt), [REPLY] * batch, seed)


def draw_mixed(batch: int, prompt: int, seed: int) -> Batch:
    """Different prompts of one length, replies of mixed lengths."""
    rng = np.random.default_rng(seed)
    return Batch(texts(rng, batch, prompt), rng.integers(SHORTEST, LONGEST + 1, batch).tolist(), seed)


def draw_episodes(seed: int) -> Episodes:
    """Rules and observations of a round."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(OBSERVED[0], OBSERVED[1] + 1, (TURNS, EPISODES * AGENTS))
    observed = [[texts(rng, 1, int(length))[0] for length in row] for row in lengths]
    return Episodes(texts(rng, AGENTS, RULES) * EPISODES, observed, seed)


def padded(prompts: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """Token ids and mask [B, longest], padded on the left."""
    length = max(map(len, prompts))
    ids = torch.tensor([(PAD,) * (length - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([(0,) * (length - len(prompt)) + (1,) * len(prompt) for prompt in prompts])
    return ids, mask


def extend(
    network: Any, ids: Tensor, mask: Tensor, budget: int, past_key_values: Any = None, **settings: Any
) -> Tensor:
    """`ids` and `budget` more tokens [B, length + budget] by `generate` with its fastest settings."""
    words = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "use_cache": True, "pad_token_id": PAD}
    config = GenerationConfig(max_new_tokens=budget, eos_token_id=None, **{**words, **settings})
    more = {} if past_key_values is None else {"past_key_values": past_key_values}
    return network.generate(input_ids=ids, attention_mask=mask, generation_config=config, **more)


def generate(network: Any, prompts: Sequence[Ids], budget: int, **settings: Any) -> Tensor:
    """`budget` tokens after each prompt [B, budget] by `generate`."""
    return extend(network, *padded(prompts), budget, **settings)[:, -budget:]


def generate_batch(network: Any, batch: Batch, parts: int = 1, **settings: Any) -> None:
    """Replies to a batch by `generate`, in `parts` batches of like budgets, each up to its longest budget."""
    order = np.argsort(batch.budgets, kind="stable") if parts > 1 else np.arange(len(batch.prompts))
    for part in np.array_split(order, parts):
        prompts = [batch.prompts[row] for row in part]
        generate(network, prompts, max(batch.budgets[row] for row in part), **settings)


def say_batch(model: LanguageModel, batch: Batch, **words: Any) -> list[Any]:
    """Replies to a batch by ours."""
    return model.say(batch.prompts, batch.budgets, batch.rngs, **words)


def play(case: Episodes, reply: Callable[[list[Ids]], Sequence[Sequence[int]]]) -> list[Ids]:
    """All turns: every row's prompt grows by what it observes and by the reply to it."""
    prompts = list(case.rules)
    for observed in case.observed:
        prompts = [prompt + seen for prompt, seen in zip(prompts, observed, strict=True)]
        prompts = [prompt + tuple(said) for prompt, said in zip(prompts, reply(prompts), strict=True)]
    return prompts


def say_episodes(model: LanguageModel, case: Episodes, keep: bool = False, **words: Any) -> list[Ids]:
    """The episodes by ours, each prompt's keys and values kept for its next turn where `keep`."""
    rows = len(case.rules)
    rngs = Batch(case.rules, [], case.seed).rngs
    keys: list[Any] = [("episode", row) for row in range(rows)]
    if keep:
        words["keys"] = keys
    budgets = [SAID] * rows
    prompts = play(case, lambda prompts: [said.token_ids for said in model.say(prompts, budgets, rngs, **words)])
    if keep:
        model.release(keys)
    return prompts


def generate_episodes(network: Any, case: Episodes, **settings: Any) -> list[Ids]:
    """The episodes by `generate`, every turn's prompt read anew."""
    return play(case, lambda prompts: generate(network, prompts, SAID, **settings).tolist())


def generate_episodes_kept(network: Any, case: Episodes, **settings: Any) -> list[Ids]:
    """The episodes by `generate`, its cache kept from turn to turn; observations are padded to the turn's longest."""
    ids, cache = torch.tensor(case.rules), DynamicCache()
    mask = torch.ones_like(ids)
    for observed in case.observed:
        new, kept = padded(observed)
        ids, mask = torch.cat([ids, new], 1), torch.cat([mask, kept], 1)
        ids = extend(network, ids, mask, SAID, past_key_values=cache, **settings)
        mask = torch.cat([mask, torch.ones(len(ids), SAID, dtype=torch.long)], 1)
    return [tuple(row[keep.bool()].tolist()) for row, keep in zip(ids, mask, strict=True)]


def check(model: LanguageModel, batch: Batch) -> None:
    """Stop unless greedy replies are equal and sampled ones have a plain forward's log-probabilities."""
    greedy = say_batch(model, batch, greedy=True)
    theirs = generate(model.network, batch.prompts, max(batch.budgets), do_sample=False).tolist()
    for said, row, budget in zip(greedy, theirs, batch.budgets, strict=True):
        if list(said.token_ids) != row[:budget]:
            raise SystemExit(f"greedy replies differ: {said.token_ids} and {row[:budget]}; nothing was timed")
    for prompt, said in zip(batch.prompts, say_batch(model, batch), strict=True):
        check_equal("log-probabilities of a reply", said.log_probs, plain(model.network, prompt, said.token_ids))


def plain(network: Any, prompt: Ids, said: Ids) -> Tensor:
    """Log-probabilities of a reply from one plain forward."""
    with torch.inference_mode():
        logits = network(input_ids=torch.tensor([prompt + said])).logits[0, len(prompt) - 1 : -1]
        return logits.log_softmax(-1).gather(-1, torch.tensor(said)[:, None])[:, 0]


def check_episodes(model: LanguageModel, case: Episodes) -> None:
    """Stop unless greedy episodes are equal whoever plays them, and sampled ones with keys= are those without."""
    truth = generate_episodes(model.network, case, do_sample=False)
    same = [generate_episodes_kept(model.network, case, do_sample=False), say_episodes(model, case, greedy=True)]
    same.append(say_episodes(model, case, keep=True, greedy=True))
    if say_episodes(model, case, keep=True) != say_episodes(model, case):
        raise SystemExit("episodes with keys= are not those without; nothing was timed")
    if any(other != truth for other in same):
        raise SystemExit("greedy episodes differ between the ways; nothing was timed")


def ways_of(model: LanguageModel, kind: str) -> tuple[dict[str, Callable[[Any], Any]], tuple[str, ...]]:
    """What is timed, and which ways the target is for; the other ways have the network as transformers makes it."""
    network = llama()
    theirs = partial(generate_batch, network)
    if kind == "equal":
        static = partial(theirs, cache_implementation="static", disable_compile=True)
        return {"ours": partial(say_batch, model), "generate": theirs, "static cache": static}, ("generate",)
    if kind == "mixed":
        sorted_ways = {f"{parts} sorted batches": partial(theirs, parts=parts) for parts in (2, 3, 4)}
        return {"ours": partial(say_batch, model), "generate": theirs, **sorted_ways}, ("generate",)
    kept = {"ours": partial(say_episodes, model, keep=True)}
    anew = partial(say_episodes, model)
    others = {"ours, read anew": anew, "generate": partial(generate_episodes, network)}
    return {**kept, **others, "generate, cache kept": partial(generate_episodes_kept, network)}, ("generate",)


def measure(model: LanguageModel, kind: str, batch: int, prompt: int, rounds: int) -> dict[str, Any]:
    """Check, time, and print one table."""
    drawn = {"equal": partial(draw_equal, batch, prompt), "mixed": partial(draw_mixed, batch, prompt)}
    draw: Callable[[int], Any] = drawn.get(kind, draw_episodes)
    if kind != "episode":
        check(model, draw(10**6))
    else:
        check_episodes(model, draw(10**6))
    ways, aimed = ways_of(model, kind)
    with torch.inference_mode():
        times = interleave(ways, draw, rounds)
    count = TURNS * SAID * EPISODES * AGENTS if kind == "episode" else None
    totals = [count or sum(draw(number + 1).budgets) for number in range(rounds)]
    times_a_token = {
        name: [second / total for second, total in zip(seconds, totals, strict=True)] for name, seconds in times.items()
    }
    lines = []
    for name in ways:
        target = f"(>= {TARGETS[kind]})" if name in aimed else ""
        faster = ratio(times, name, "ours") if name != "ours" else ""
        lines.append([name, f"{rate(times_a_token, name, 1):.0f}", faster, target])
    replies = {"equal": f"{REPLY}", "mixed": f"{SHORTEST} to {LONGEST}"}
    title = f"batch {batch}, prompts of {prompt}, replies of {replies[kind]}" if kind in replies else kind
    table(title, ["", "tokens a CPU second", "ours is faster by", "target"], lines)
    return {"kind": kind, "batch": batch, "prompt": prompt, "tokens": totals, "cpu_seconds": times}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=tuple(TARGETS), choices=tuple(TARGETS))
    given = parser.parse_args()
    model = language_model()
    print(f"random Llama of {parameters(model.network) / 1e6:.2f} M parameters, vocabulary {VOCABULARY}")
    cases = {"equal": [(batch, PROMPT) for batch in BATCHES], "mixed": [(MIXED, 16), (MIXED, PROMPT)]}
    results = [
        measure(model, kind, *case, given.rounds) for kind in given.only for case in cases.get(kind, [(MIXED, PROMPT)])
    ]
    write(given.json, {"results": results})


if __name__ == "__main__":
    main()

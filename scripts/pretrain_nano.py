"""Train the nano model from text that `nano_corpus` writes.

python scripts/pretrain_nano.py --out marl/models/nano --seed 0
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import nano_corpus
import nano_skills
import nano_words
import torch
from nano_start import start
from nano_tokenizer import CONTEXT, train_tokenizer
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TOKENS_A_BATCH, PROMPT_SHARE, PROMPT_WEIGHT = 4096, 0.08, 0.3
LONG_ROWS = 0.06
Row = tuple[list[int], list[float]]


def make_network(tokenizer: PreTrainedTokenizerFast, width: int, layers: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    network = LlamaForCausalLM(config)
    start(network)
    return network


def make_row(tokenizer: PreTrainedTokenizerFast, rng: random.Random, progress: float) -> Row:
    """Token ids and loss weights of one document, or of a few one after the other."""
    segments: list[tuple[str, float]] = []
    for _ in range(rng.choice((2, 3, 4)) if rng.random() < LONG_ROWS else 1):
        segments += nano_corpus.draw_document(rng, progress)
    pieces = tokenizer([text for text, _ in segments], add_special_tokens=False)["input_ids"]
    ids, weights = [tokenizer.bos_token_id], [0.0]
    for piece, (_, weight) in zip(pieces, segments, strict=True):
        ids += piece
        weights += [weight or (PROMPT_WEIGHT if rng.random() < PROMPT_SHARE else 0.0) for _ in piece]
    return ids[:CONTEXT], weights[:CONTEXT]


def batches(tokenizer: PreTrainedTokenizerFast, seed: int, steps: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """`steps` right-padded batches (ids, weights), each of rows of similar length."""
    rng, ready = random.Random(seed), []
    for step in range(steps):
        if not ready:
            rows = sorted((make_row(tokenizer, rng, step / steps) for _ in range(512)), key=lambda row: len(row[0]))
            group: list[Row] = []
            for row in rows:
                if group and len(row[0]) * (len(group) + 1) > TOKENS_A_BATCH:
                    ready.append(group)
                    group = []
                group.append(row)
            ready.append(group)
            rng.shuffle(ready)
        chosen = ready.pop()
        length = max(len(ids) for ids, _ in chosen)
        pad = tokenizer.pad_token_id
        yield (
            torch.tensor([ids + [pad] * (length - len(ids)) for ids, _ in chosen]),
            torch.tensor([weights + [0.0] * (length - len(weights)) for _, weights in chosen]),
        )


def loss_of(network: LlamaForCausalLM, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean cross entropy; logits are made only where a weight is not zero."""
    hidden = network.model(ids).last_hidden_state[:, :-1]
    used = weights[:, 1:] > 0
    losses = functional.cross_entropy(network.lm_head(hidden[used]), ids[:, 1:][used], reduction="none")
    return (losses * weights[:, 1:][used]).sum() / weights[:, 1:].sum()


def train(network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int, steps: int, rate: float) -> int:
    """Train in place; returns the number of tokens read."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    warm, tokens, begin, running = max(1, steps // 40), 0, time.time(), 0.0
    for step, (ids, weights) in enumerate(batches(tokenizer, seed, steps)):
        decay = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / warm) * (0.03 + 0.97 * decay)
        loss = loss_of(network, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens, running = tokens + ids.numel(), running + loss.item()
        if (step + 1) % 100 == 0:
            print(
                f"step {step + 1}/{steps} loss {running / 100:.3f} {tokens / (time.time() - begin):.0f} tok/s",
                flush=True,
            )
            running = 0.0
        if (step + 1) % 300 == 0:
            skills = nano_skills.measure(nano_skills.Reader(network, tokenizer), 50)
            print(" ".join(f"{k}={v:.2f}" for k, v in skills.items()), flush=True)
            network.train()
    return tokens


def save(network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write the model folder under a temporary name, then move its files into `out`, the weights last."""
    fresh = out.with_name(out.name + ".tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    network.save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(fresh.iterdir(), key=lambda p: p.suffix == ".safetensors"):
        path.replace(out / path.name)
    fresh.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = train_tokenizer(nano_words.all_words(), [*nano_words.STARTERS, *nano_words.AGENT_NAMES])
    network = make_network(tokenizer, args.width, args.layers)
    print(f"{sum(p.numel() for p in network.parameters())} parameters, {len(tokenizer)} tokens in the vocabulary")
    tokens = train(network, tokenizer, args.seed, args.steps, args.rate)
    skills = nano_skills.measure(nano_skills.Reader(network, tokenizer))
    print(json.dumps({"tokens": tokens, **{k: round(v, 3) for k, v in skills.items()}}, indent=1))
    save(network, tokenizer, args.out)


if __name__ == "__main__":
    main()

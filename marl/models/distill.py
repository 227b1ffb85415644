"""Distillation: a smaller network learns to give a trained one's distributions on recorded decisions.

The loss is KL(teacher || student), averaged over decisions (Hinton, Vinyals and Dean, arXiv:1503.02531, at acting's own
temperature): over the whole vocabulary at each said token, over the legal options at each choice. Which decisions are
shown is the caller's; letting the student play between lessons, so that it is shown where it goes itself, is DAgger
(Ross, Gordon and Bagnell, arXiv:1011.0686).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from marl.errors import ModelError
from marl.models.choose import branch_sequences, group_by_trie, score
from marl.models.forward import Reader
from marl.models.language_model import LanguageModel
from marl.models.records import Row
from marl.models.trie import option_trie
from marl.seeding import seed_of, stream

MLP_WIDTHS = 2
"""Width of the student's feed-forward layers, in widths of the network."""

HEAD_WIDTH = 32
"""Width of one attention head of the student, where the network's width allows it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near two models are on the same decisions: `same` share of equal likeliest answers, `kl` mean nats."""

    same: float
    kl: float
    decisions: int


def new_student(teacher: LanguageModel, *, layers: int, width: int, seed: int) -> LanguageModel:
    """A Llama of `layers` layers and `width` with the teacher's tokenizer and context, its weights drawn from `seed`.

    Raises ModelError unless `layers` >= 1 and `width` is a positive multiple of 16.
    """
    if layers < 1 or width < 16 or width % 16:
        raise ModelError(
            f"a student of {layers} layers and width {width}: give layers >= 1 and a multiple of 16 as width"
        )
    heads = max(1, width // HEAD_WIDTH) if width % HEAD_WIDTH == 0 else width // 16
    known = teacher.network.config.get_text_config()
    config = LlamaConfig(
        vocab_size=teacher.network.get_input_embeddings().weight.shape[0],
        hidden_size=width,
        intermediate_size=MLP_WIDTHS * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=teacher.context,
        initializer_range=0.05,
        tie_word_embeddings=True,
        **{key: getattr(known, key, None) for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "student"))
        network = LlamaForCausalLM(config)
    return LanguageModel(network, teacher.tokenizer, f"student of {teacher.name}")


def distributions(reader: Reader, rows: Sequence[Row], stop_id: int, temperature: float) -> list[Tensor]:
    """Log-probabilities of every decision in `rows`, as tables [decisions, answers] whose order `rows` alone decides.

    The first table holds all said tokens (answers: the vocabulary), then comes one for each different set of options.
    Differentiable. Raises ModelError for no rows, and for a row without tokens and without options.
    """
    said = [row for row in rows if not row.option_ids]
    queries = [(row.prompt_ids, option_trie(row.option_ids, stop_id)) for row in rows if row.option_ids]
    if not rows or any(not row.token_ids for row in said):
        raise ModelError("there is no decision to compare: give rows with said tokens or with options")
    sequences = [row.prompt_ids + row.token_ids[:-1] for row in said]
    starts = [len(row.prompt_ids) - 1 for row in said]
    branches = [branch_sequences(query) for query in queries]
    for group in branches:
        sequences += group
        starts += [len(sequence) - 1 for sequence in group]
    if not sequences:  # one option everywhere: certain for every network
        return []
    logits, places = reader.read(sequences, starts)
    tables = []
    if said:
        where = torch.from_numpy(np.concatenate(places[: len(said)])).to(logits.device)
        tables.append((logits[where] / temperature).log_softmax(-1))
    ends = len(said) + np.cumsum([0, *map(len, branches)])
    states = [np.concatenate([*places[a:b], []]).astype(np.int64) for a, b in pairwise(ends)]
    for trie, members in group_by_trie(queries).items():
        if trie.paths:
            tables.append(score(logits, trie, np.stack([states[member] for member in members]), temperature))
    return tables


def divergence(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    """KL(teacher || student) of each decision, [decisions] in nats."""
    parts = [(given.exp() * (given - learned)).sum(-1) for given, learned in zip(teacher, student, strict=True)]
    return torch.cat(parts) if parts else torch.zeros(1)


def distill(
    teacher: LanguageModel,
    student: LanguageModel,
    rows: Sequence[Row],
    *,
    steps: int,
    batch: int = 64,
    lr: float = 2e-3,
    temperature: float = 1.0,
    seed: int = 0,
    on_step: Callable[[int, float], None] = lambda step, kl: None,
) -> list[float]:
    """Change `student` in place by `steps` steps of Adam on batches of `rows`; returns the mean KL of each batch.

    A row is drawn as often as it was recorded. The learning rate falls linearly to a tenth. `on_step(step, kl)` is
    called after each step, counting from 1. Raises ModelError where there is nothing to learn from.
    """
    counts = Counter(replace(row, choice=None, token_ids=()) if row.option_ids else row for row in rows)
    lessons = [row for row in counts if row.token_ids or len(row.option_ids) > 1]
    if not lessons:
        raise ModelError(f"{len(rows)} recorded decisions leave nothing to learn: none was said, none had two options")
    weights = np.array([counts[row] for row in lessons], dtype=np.float64)
    rng = stream(seed, "distill")
    optimizer = torch.optim.Adam(student.network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=max(1, steps))
    history = []
    for step in range(1, steps + 1):
        drawn = [lessons[i] for i in rng.choice(len(lessons), size=batch, p=weights / weights.sum())]
        with torch.no_grad():
            wanted = distributions(teacher.reader, drawn, teacher.stop_id, temperature)
        given = distributions(student.reader, drawn, student.stop_id, temperature)
        loss = divergence(wanted, given).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        history.append(loss.item())
        on_step(step, history[-1])
    return history


def agreement(
    teacher: LanguageModel, other: LanguageModel, rows: Sequence[Row], *, temperature: float, batch: int = 256
) -> Agreement:
    """How near `other` is to `teacher` on the decisions in `rows`, read `batch` at a time.

    A decision with one option is left out. Raises ModelError for no rows.
    """
    same, kl = [], []
    with torch.no_grad():
        for start in range(0, max(1, len(rows)), batch):
            part = rows[start : start + batch]
            one = distributions(teacher.reader, part, teacher.stop_id, temperature)
            two = distributions(other.reader, part, other.stop_id, temperature)
            kl.append(divergence(one, two))
            same += [a.argmax(-1) == b.argmax(-1) for a, b in zip(one, two, strict=True)]
    if not same:
        return Agreement(1.0, 0.0, 0)
    matches = torch.cat(same).double()
    return Agreement(matches.mean().item(), torch.cat(kl).double().mean().item(), len(matches))

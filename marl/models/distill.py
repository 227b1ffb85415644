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

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from marl.errors import ModelError
from marl.models.choose import group
from marl.models.forward import Reading
from marl.models.language_model import LanguageModel
from marl.models.records import Row
from marl.models.scoring import Query, Scorer
from marl.seeding import seed_of, stream

MLP_WIDTHS = 2
"""Width of the student's feed-forward layers, in widths of the network."""

REMEMBERED = 1 << 27
"""Numbers of the teacher's distributions that are kept in memory, half a gigabyte."""

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


def distributions(model: LanguageModel, rows: Sequence[Row], temperature: float) -> list[Tensor]:
    """Log-probabilities of the decisions in each row, [decisions, answers]: one decision for a choice among options,
    one for each token of a said text, whose answers are the vocabulary. Differentiable.

    Raises ModelError for no rows, and for a row without tokens and without options.
    """
    said = [row for row in rows if not row.option_ids]
    queries = [Query(row.prompt_ids, row.option_ids, row.adapter) for row in rows if row.option_ids]
    if not rows or any(not row.token_ids for row in said):
        raise ModelError("there is no decision to compare: give rows with said tokens or with options")
    scorer = Scorer("step", model.stop_id, temperature, len)
    readings = [Reading(row.prompt_ids + row.token_ids[:-1], len(row.prompt_ids) - 1, row.adapter) for row in said]
    options = [scorer.readings(query) for query in queries]
    flat = readings + [reading for given in options for reading in given]
    logits, places = model.reader.read(flat) if flat else (torch.zeros(1, 1), [])
    wanted = [torch.from_numpy(where).to(logits.device) for where in places[: len(said)]]
    tokens = iter([(logits[where] / temperature).log_softmax(-1) for where in wanted])
    chosen = iter(scorer.table(logits, queries, group(places[len(said) :], options)) if queries else ())
    return [next(chosen)[None, : len(row.option_ids)] if row.option_ids else next(tokens) for row in rows]


def divergence(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    """KL(teacher || student) of each decision, [decisions] in nats."""
    return torch.cat([(one.exp() * (one - two)).sum(-1) for one, two in zip(teacher, student, strict=True)])


class _Remembered:
    """The distributions of a model that does not change, each computed once while there is room to keep it."""

    def __init__(self, model: LanguageModel, temperature: float) -> None:
        self._model, self._temperature, self._room = model, temperature, REMEMBERED
        self._known: dict[Row, Tensor] = {}

    def __call__(self, rows: Sequence[Row]) -> list[Tensor]:
        new = list({row: None for row in rows if row not in self._known})
        with torch.no_grad():
            found = dict(zip(new, distributions(self._model, new, self._temperature) if new else (), strict=True))
        for row, table in found.items():
            if table.numel() <= self._room:
                self._known[row] = table
                self._room -= table.numel()
        return [self._known[row] if row in self._known else found[row] for row in rows]


def distill(
    teacher: LanguageModel,
    student: LanguageModel,
    rows: Sequence[Row],
    *,
    steps: int,
    batch: int = 64,
    lr: float = 3e-3,
    temperature: float = 1.0,
    seed: int = 0,
    on_step: Callable[[int, float], None] = lambda step, kl: None,
) -> list[float]:
    """Change `student` in place by `steps` steps of Adam on batches of `rows`; returns the mean KL of each batch.

    A row is drawn in proportion to the square root of how often it was recorded, so that rare ones are learned too.
    The learning rate falls linearly to a tenth. `on_step(step, kl)` is called after each step, counting from 1.
    Raises ModelError where there is nothing to learn from.
    """
    counts = Counter(_decision(row) for row in rows if len(row.option_ids) != 1)
    if not counts:
        raise ModelError(f"{len(rows)} recorded decisions leave nothing to learn: none was said, none had two options")
    lessons, weights = list(counts), np.sqrt(list(counts.values()))
    rng, wanted = stream(seed, "distill"), _Remembered(teacher, temperature)
    optimizer = torch.optim.Adam(student.network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=max(1, steps))
    history = []
    for step in range(1, steps + 1):
        drawn = [lessons[i] for i in rng.choice(len(lessons), size=batch, p=weights / weights.sum())]
        given = distributions(student, [replace(row, adapter=None) for row in drawn], temperature)
        loss = divergence(wanted(drawn), given).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        history.append(loss.item())
        on_step(step, history[-1])
    return history


def _decision(row: Row) -> Row:
    """`row` without what was picked, which says nothing about the distribution over its options."""
    return replace(row, choice=None, token_ids=()) if row.option_ids else row


def agreement(
    teacher: LanguageModel, other: LanguageModel, rows: Sequence[Row], *, temperature: float, batch: int = 256
) -> Agreement:
    """How near `other` is to `teacher` on the decisions in `rows`, read `batch` at a time; rows with one option are
    left out. An adapter that a row names is the teacher's.
    """
    open_rows = [row for row in rows if len(row.option_ids) != 1]
    same, kl = [], []
    with torch.no_grad():
        for start in range(0, len(open_rows), batch):
            part = open_rows[start : start + batch]
            one = distributions(teacher, part, temperature)
            two = distributions(other, [replace(row, adapter=None) for row in part], temperature)
            kl.append(divergence(one, two))
            same += [a.argmax(-1) == b.argmax(-1) for a, b in zip(one, two, strict=True)]
    if not same:
        return Agreement(1.0, 0.0, 0)
    matches = torch.cat(same).double()
    return Agreement(matches.mean().item(), torch.cat(kl).double().mean().item(), len(matches))

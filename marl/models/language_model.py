"""`LanguageModel`: any Hugging Face causal LM as a policy over short messages (`say`) and legal texts (`choose`)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.errors import ModelError
from marl.models.folders import replaced
from marl.models.records import Ids, Row, RowLogProbs, Utterance

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from marl.models.constraint import Constraint
    from marl.models.loading import PrecisionName
    from marl.models.matcher import Matcher
    from marl.models.scoring import Scorer, Scoring


class LanguageModel:
    """A network and its tokenizer with two batched verbs on token ids, `say` and `choose`, and a pass to train them.

    `stop_id` ends a said text: the newline for plain models, the end-of-turn token where the tokenizer has a chat
    template. `context` is how many tokens the network can read. The network is float32 and stays in evaluation mode
    (no dropout), in training too, so that acting and training see the same distribution. Loading a model of under 50 M
    parameters sets torch to one thread, which is fastest for it; MARL_TORCH_THREADS=N sets N instead.
    """

    def __init__(
        self, network: PreTrainedModel, tokenizer: Any, name: str, precision: PrecisionName = "float32"
    ) -> None:
        from marl.models.forward import Reader
        from marl.models.loading import computed_in
        from marl.models.texts import Texts

        self.network = network
        self.tokenizer = tokenizer
        self.name = name
        self._texts = Texts(tokenizer)
        self.stop_id = self._texts.stop_id
        self.context = _context(network)
        self.precision = precision
        self.reader = Reader(network, computed_in(precision))

    @classmethod
    def load(cls, name: str, *, seed: int = 0, precision: PrecisionName = "float32") -> LanguageModel:
        """The model called `name`: "nano" (ships with the package), "scratch" (the same network with random weights
        drawn from `seed`), a folder of an AutoModelForCausalLM and its tokenizer, or a Hugging Face hub name.

        A folder that `save_adapter` or peft wrote is its base with the adapter added into the weights. The weights are
        float32; `precision` is what matrix products are computed in, in acting and training alike. Raises ModelError
        where there is no such model, or it lacks a part.
        """
        from marl.models.loading import load_parts

        network, tokenizer = load_parts(name, seed)
        return cls(network, tokenizer, name, precision)

    def encode_prompt(self, text: str) -> Ids:
        """The prompt as the model reads it: begin-of-text token or chat template where the tokenizer has one."""
        return self._texts.encode_prompt(text)

    def encode_reply(self, text: str) -> Ids:
        """The tokens of `text` as it continues a prompt, without a stop token. Raises ModelError for an empty text."""
        return self._texts.encode_reply(text)

    def decode(self, ids: Sequence[int]) -> str:
        """A reply's text on one line: stop token and special tokens dropped, stripped."""
        return self._texts.decode(ids)

    def say(
        self,
        prompts: Sequence[Ids],
        budgets: Sequence[int],
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float = 1.0,
        greedy: bool = False,
        top_k: int | None = None,
        top_p: float | None = None,
        stop_texts: Sequence[str] = (),
        constraint: Constraint | None = None,
        adapters: Sequence[str | None] | None = None,
        keys: Sequence[Hashable] | None = None,
    ) -> list[Utterance]:
        """Sample a text after each prompt: at most `budget` content tokens, then the stop token if it was sampled.

        Each token takes one draw from the row's own generator and inverts the distribution at `temperature`, so a row
        depends on its own stream only; `greedy` takes the likeliest token and draws nothing. `constraint` allows only
        what it allows; of that `top_k` and `top_p` keep the likeliest. A text also ends where one of `stop_texts`
        appears. Recorded log-probabilities are those of the distribution that was drawn from: `log_probs` gives them
        again, except under top-k and top-p, which cannot be trained. `adapters`, `keys`: see `choose`.

        Raises ModelError for an empty prompt, a prompt that with its budget exceeds the context, settings out of range,
        and logits that are not finite.
        """
        from marl.models.say import Sampling, say
        from marl.models.states import Speech
        from marl.models.stops import StopTexts
        from marl.models.truncation import check_truncation

        _check_temperature(temperature)
        check_truncation(top_k, top_p)
        self._check(prompts, budgets)
        sampling = Sampling(
            self._stop_ids,
            StopTexts((*self._texts.stop_texts, *stop_texts), self.tokenizer),
            temperature,
            greedy,
            top_k,
            top_p,
            self._matcher(constraint),
        )
        rows = zip(prompts, budgets, rngs, _each(adapters, prompts), _owners(keys, prompts), strict=True)
        return say(self.reader, [Speech(*row) for row in rows], sampling)

    def choose(
        self,
        prompts: Sequence[Ids],
        options: Sequence[Sequence[Ids]],
        *,
        temperature: float = 1.0,
        scoring: Scoring = "step",
        adapters: Sequence[str | None] | None = None,
        keys: Sequence[Hashable] | None = None,
    ) -> list[np.ndarray]:
        """Log-probabilities (nats, float64, [number of options]) over each prompt's own list of options.

        `scoring` says how the network's next-token distributions at `temperature` become one over the list (see
        `marl.models.scoring.Scoring`); all sum to 1 and do not depend on the list's order. `adapters` names the LoRA
        adapter that reads each prompt (None: the base alone). `keys` names each prompt's owner (any hashable: an agent
        of an episode): what its next prompt has in common with this one is not computed again, until `release` or a
        change of the weights. Prompts of less than 128 tokens are read anew, which is faster.

        Raises ModelError for an empty list, an empty option, options with the same tokens, a prompt too long for the
        context, and logits that are not finite.
        """
        from marl.models.choose import choose
        from marl.models.scoring import Query

        rows = zip(prompts, options, _each(adapters, prompts), _owners(keys, prompts), strict=True)
        queries = [Query(prompt, tuple(given), adapter, key) for prompt, given, adapter, key in rows]
        scorer = self._scorer(scoring, temperature)
        self._check(prompts, [max(map(len, query.options), default=0) - 1 for query in queries])
        return choose(self.reader, queries, scorer)

    def option_states(
        self,
        prompts: Sequence[Ids],
        options: Sequence[Sequence[Ids]],
        *,
        adapters: Sequence[str | None] | None = None,
        keys: Sequence[Hashable] | None = None,
        checkpointing: bool = False,
    ) -> torch.Tensor:
        """The network's last hidden state after each option's last token, [sum of the numbers of options, H], all
        options of the first prompt first; what a value of a text is read off, with gradient where it is wanted.

        A prompt, and every stem that its options share, is read once. `adapters`, `keys` and what raises ModelError:
        see `choose`; `checkpointing`: see `log_probs`.
        """
        from marl.models.checkpointing import checkpointed
        from marl.models.forward import Reading
        from marl.models.trie import check_options

        readings = []
        rows = zip(prompts, options, _each(adapters, prompts), _owners(keys, prompts), strict=True)
        for prompt, given, adapter, key in rows:
            check_options(given)
            self._check([prompt], [max(map(len, given))])
            last = len(prompt) - 1
            readings += [
                Reading(prompt + option, last + len(option), adapter, key, len(prompt)) for option in map(tuple, given)
            ]
        with checkpointed(self.reader) if checkpointing else nullcontext():
            states, places = self.reader.read_states(readings)
        return states[np.concatenate(places)]

    def log_probs(
        self,
        rows: Sequence[Row],
        *,
        temperature: float = 1.0,
        scoring: Scoring = "step",
        constraint: Constraint | None = None,
        checkpointing: bool = False,
    ) -> RowLogProbs:
        """Log-probabilities and entropies of recorded decisions under the network as it is now, for training.

        The same forward pass and the same normalization as `say` and `choose`. With `checkpointing` activations are
        computed again in the backward pass: slower, in less memory. Raises ModelError for rows that could not have
        been recorded, and logits that are not finite.
        """
        from marl.models.checkpointing import checkpointed
        from marl.models.log_probs import log_probs

        for row in rows:
            self._check([row.prompt_ids], [max(map(len, (row.token_ids, *row.option_ids))) - 1])
        with checkpointed(self.reader) if checkpointing else nullcontext():
            return log_probs(self.reader, rows, self._scorer(scoring, temperature), self._matcher(constraint))

    def last_states(self, prompts: Sequence[Ids]) -> torch.Tensor:
        """Hidden states [T, H] after the last token of each of T prompts, read by the base with all adapters off.

        Raises ModelError for an empty prompt or one that exceeds the context, and for a network without such states.
        """
        from marl.models.hidden import last_states

        self._check(prompts, [0] * len(prompts))
        return last_states(self.reader, prompts)

    @property
    def width(self) -> int:
        """How many numbers a hidden state has."""
        return int(self.network.get_input_embeddings().weight.shape[1])

    def micro_batches(self, rows: Sequence[Row], tokens: int) -> list[list[int]]:
        """The numbers of `rows` in pieces of about `tokens` tokens each, for gradients that are added up."""
        from marl.models.log_probs import micro_batches

        return micro_batches(rows, tokens)

    def release(self, keys: Iterable[Hashable]) -> None:
        """Forget what is kept for these owners of prompts (an episode that is over)."""
        self.reader.prefixes.release(keys)

    @property
    def adapters(self) -> tuple[str, ...]:
        """The names of the LoRA adapters over this base."""
        return self.reader.adapters.names

    def add_adapter(self, name: str, *, rank: int = 8, alpha: int = 16, seed: int = 0) -> None:
        """Add a LoRA adapter (Hu et al. 2022) on all linear layers but the output; it changes nothing until trained.

        From the first one on the base is frozen. Raises ModelError for a name that is taken.
        """
        self.reader.adapters.add(name, rank=rank, alpha=alpha, seed=seed)

    def adapter_parameters(self, name: str) -> dict[str, torch.nn.Parameter]:
        """The parameters of adapter `name`, which is all that its training changes."""
        return self.reader.adapters.parameters(name)

    def load_adapter(self, name: str, folder: str | Path) -> None:
        """Add the adapter in `folder` as `name`. Raises ModelError where the name is taken or it does not fit."""
        self.reader.adapters.load(name, folder)

    def save(self, folder: str | Path) -> None:
        """Write network (safetensors) and tokenizer as a Hugging Face folder, replacing `folder` only when complete.

        Raises ModelError for a base with adapters, which `save_adapter` writes one by one.
        """
        if self.adapters:
            raise ModelError(f"the model has adapters {', '.join(self.adapters)}; write each with save_adapter")
        with replaced(Path(folder)) as part:
            self.network.save_pretrained(part)
            self.tokenizer.save_pretrained(part)

    def save_adapter(self, name: str, folder: str | Path) -> None:
        """Write adapter `name` as peft would: a folder that names this model as its base, with the tokenizer in it."""
        from marl.models.adapter_folder import write_adapter

        self.adapter_parameters(name)  # raises for an unknown one
        with replaced(Path(folder)) as part:
            write_adapter(self.network, name, self.name, part)
            self.tokenizer.save_pretrained(part)

    @property
    def _stop_ids(self) -> frozenset[int]:
        return frozenset({self.stop_id, *self._texts.end_ids})

    def _matcher(self, constraint: Constraint | None) -> Matcher | None:
        from marl.models.constraint import compile_constraint

        if constraint is None:
            return None
        return compile_constraint(constraint, self.tokenizer, self.reader.vocabulary, self._stop_ids, self._texts.lead)

    def _scorer(self, scoring: Scoring, temperature: float) -> Scorer:
        from marl.models.scoring import Scorer

        _check_temperature(temperature)
        return Scorer(scoring, self.stop_id, temperature, lambda ids: max(1, len(self.decode(ids).split())))

    def _check(self, prompts: Sequence[Ids], more: Sequence[int]) -> None:
        for prompt, reply in zip(prompts, more, strict=True):
            if not prompt:
                raise ModelError("a prompt has no tokens; give the model at least one to read")
            if len(prompt) + reply > self.context:
                raise ModelError(
                    f"a prompt of {len(prompt)} tokens and {reply} more for the reply exceed the context of "
                    f'{self.context} tokens of model "{self.name}"; shorten the texts or the budget, or take a model '
                    "with a longer context"
                )


def _context(network: PreTrainedModel) -> int:
    """Tokens that the network reads: its positions, or the window of one that masks by place in the row."""
    config = network.config.get_text_config()
    limits = [getattr(config, key, None) for key in ("max_position_embeddings", "n_positions", "window_size")]
    return min([limit for limit in limits if isinstance(limit, int)], default=2**31)


def _each(values: Sequence[Any] | None, prompts: Sequence[Ids]) -> Sequence[Any]:
    """One value a prompt; None for all where nothing is given."""
    return [None] * len(prompts) if values is None else values


def _owners(keys: Sequence[Hashable] | None, prompts: Sequence[Ids]) -> list[Hashable]:
    """Each prompt's owner; nobody owns what is read faster than it is looked up."""
    from marl.models.prefixes import KEPT_FROM

    return [
        key if len(prompt) >= KEPT_FROM else None for key, prompt in zip(_each(keys, prompts), prompts, strict=True)
    ]


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < float("inf"):
        raise ModelError(f"temperature is {temperature}; give a positive number (greedy=True takes the likeliest)")

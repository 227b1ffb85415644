"""`LanguageModel`: any Hugging Face causal LM as a policy over short messages (`say`) and legal texts (`choose`)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.errors import ModelError
from marl.models.records import Ids, Row, RowLogProbs, Utterance

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LanguageModel:
    """A network and its tokenizer with two batched verbs on token ids, `say` and `choose`, and a pass to train them.

    `stop_id` ends a said text: the newline for plain models, the end-of-turn token where the tokenizer has a chat
    template. `context` is how many tokens the network can read. The network is float32 and stays in evaluation mode
    (no dropout), in training too, so that acting and training see the same distribution. Loading a model of under 50 M
    parameters sets torch to one thread, which is fastest for it; MARL_TORCH_THREADS=N sets N instead.
    """

    def __init__(self, network: PreTrainedModel, tokenizer: Any, name: str) -> None:
        from marl.models.forward import Reader
        from marl.models.texts import Texts

        self.network = network
        self.tokenizer = tokenizer
        self.name = name
        self._texts = Texts(tokenizer)
        self.stop_id = self._texts.stop_id
        self.context = _context(network)
        self.reader = Reader(network)

    @classmethod
    def load(cls, name: str, *, seed: int = 0) -> LanguageModel:
        """The model called `name`: "nano" (ships with the package), "scratch" (the same network with random weights
        drawn from `seed`), a folder of an AutoModelForCausalLM and its tokenizer, or a Hugging Face hub name.

        Raises ModelError where there is none, or it lacks a part.
        """
        from marl.models.loading import load_parts

        network, tokenizer = load_parts(name, seed)
        return cls(network, tokenizer, name)

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
    ) -> list[Utterance]:
        """Sample a text after each prompt: at most `budget` content tokens, then the stop token if it was sampled.

        Each token takes one draw from the row's own generator and inverts the distribution at `temperature`, so a row
        depends on its own stream only; `greedy` takes the likeliest token and draws nothing. Raises ModelError for an
        empty prompt, a prompt that with its budget exceeds the context, and logits that are not finite.
        """
        from marl.models.say import say

        _check_temperature(temperature)
        for prompt, budget in zip(prompts, budgets, strict=True):
            self._check_length(prompt, budget)
        if not prompts:
            return []
        stops = frozenset({self.stop_id, *self._texts.end_ids})
        return say(self.reader, prompts, budgets, rngs, stops, temperature=temperature, greedy=greedy)

    def choose(
        self, prompts: Sequence[Ids], options: Sequence[Sequence[Ids]], *, temperature: float = 1.0
    ) -> list[np.ndarray]:
        """Log-probabilities (nats, float64, [number of options]) over each prompt's own list of options.

        The distribution is the network's own next-token distribution at `temperature`, at every place where options
        part normalized over the tokens that lead to an option; it sums to 1 and does not depend on the list's order.
        An option that is a prefix of another ends with the stop token. Raises ModelError for an empty list, an empty
        option, options with the same tokens, a prompt too long for the context, and logits that are not finite.
        """
        from marl.models.choose import choose
        from marl.models.trie import option_trie

        _check_temperature(temperature)
        queries = [
            (prompt, option_trie(tuple(given), self.stop_id)) for prompt, given in zip(prompts, options, strict=True)
        ]
        for prompt, trie in queries:
            self._check_length(prompt, max(map(len, trie.paths), default=0))
        return choose(self.reader, queries, temperature)

    def log_probs(self, rows: Sequence[Row], *, temperature: float = 1.0) -> RowLogProbs:
        """Log-probabilities and entropies of recorded decisions under the network as it is now, for training.

        The same forward pass and the same normalization as `say` and `choose`. Raises ModelError for rows that could
        not have been recorded, and logits that are not finite.
        """
        from marl.models.log_probs import log_probs

        _check_temperature(temperature)
        for row in rows:
            self._check_length(row.prompt_ids, len(row.token_ids) - 1 if row.choice is None else 0)
        return log_probs(self.reader, rows, self.stop_id, temperature)

    def save(self, folder: str | Path) -> None:
        """Write network (safetensors) and tokenizer as a Hugging Face folder, replacing `folder` only when complete."""
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            part.chmod(0o755)
            self.network.save_pretrained(part)
            self.tokenizer.save_pretrained(part)
            if target.exists():
                shutil.rmtree(target)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _check_length(self, prompt: Ids, more: int) -> None:
        if not prompt:
            raise ModelError("a prompt has no tokens; give the model at least one to read")
        if len(prompt) + more > self.context:
            raise ModelError(
                f"a prompt of {len(prompt)} tokens and {more} more for the reply exceed the context of {self.context} "
                f'tokens of model "{self.name}"; shorten the texts or the budget, or take a model with a longer context'
            )


def _context(network: PreTrainedModel) -> int:
    """Tokens that the network reads with full attention: its positions, or its sliding window where that is shorter."""
    config = network.config.get_text_config()
    limits = [getattr(config, key, None) for key in ("max_position_embeddings", "n_positions", "sliding_window")]
    return min([limit for limit in limits if isinstance(limit, int)], default=2**31)


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < float("inf"):
        raise ModelError(f"temperature is {temperature}; give a positive number (greedy=True takes the likeliest)")

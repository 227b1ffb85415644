"""What goes into a language model's verbs and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A said text: `token_ids` ends with the stop token where one was sampled; one natural log-probability a token.

    `text` is what they read as, cut before the first stop text. `complete`: it ended by itself, by a stop token or a
    stop text, and not because the budget was used up.
    """

    token_ids: Ids
    log_probs: tuple[float, ...]
    text: str = ""
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded decision: a said text (`choice` is None, `token_ids` sampled) or option `choice` of `option_ids`.

    `adapter` made it (None: the base model alone, which is also the reference of an adapter's policy).
    """

    prompt_ids: Ids
    token_ids: Ids = ()
    option_ids: tuple[Ids, ...] = ()
    choice: int | None = None
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class RowLogProbs:
    """Log-probabilities (nats) of recorded decisions under the network as it is now; differentiable.

    `log_probs`, `entropy`: [T, K] in the network's dtype, T rows, K the longest row's number of tokens; `mask`: [T, K]
    bool, False on padding, where the other two are 0. A choice occupies column 0. `entropy` is that of the whole
    vocabulary (of what a constraint leaves of it) for a said token and of the option distribution for a choice.
    `table` [T, O]: the log-probabilities of all options of a choice, -inf behind its last one and for a said text.
    """

    log_probs: Tensor
    mask: Tensor
    entropy: Tensor
    table: Tensor

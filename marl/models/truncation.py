"""Top-k and nucleus truncation of next-token logits, as pure functions.

Temperature is applied before, k before p; what a constraint rules out is -inf already and is never let in again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from marl.errors import ModelError


def check_truncation(k: int | None, p: float | None) -> None:
    """Raise ModelError unless `k` is None or a whole number >= 1, and `p` None or a number with 0 < p <= 1."""
    if k is not None and (isinstance(k, bool) or not isinstance(k, int) or k < 1):
        raise ModelError(f"top_k is {k!r}; give a whole number >= 1, or None for the whole vocabulary")
    if p is not None and not 0 < p <= 1:
        raise ModelError(f"top_p is {p!r}; give a number with 0 < top_p <= 1, or None for the whole vocabulary")


def top_k(logits: Tensor, k: int) -> Tensor:
    """`logits` [S, V] with all but the k highest of each row at -inf; ties with the k-th highest are all kept.

    Fan, Lewis and Dauphin, "Hierarchical neural story generation", ACL 2018. Raises ModelError unless k >= 1.
    """
    check_truncation(k, None)
    lowest = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < lowest, -torch.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """`logits` [S, V] with all but each row's nucleus at -inf: the likeliest tokens that together have probability p.

    A token is dropped where it and all less likely ones have at most 1 - p together; the likeliest one always stays.
    Of equally likely tokens at the edge those with the higher ids are kept. Holtzman, Buys, Du, Forbes and Choi, "The
    curious case of neural text degeneration", ICLR 2020. Raises ModelError unless 0 < p <= 1.
    """
    check_truncation(None, p)
    ascending, order = logits.sort(dim=-1, stable=True)
    dropped = ascending.softmax(-1).cumsum(-1) <= 1 - p
    dropped[..., -1] = False
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


def truncate(logits: Tensor, k: int | None = None, p: float | None = None) -> Tensor:
    """`logits` [S, V] under top-k, then top-p; None leaves that one out. Raises ModelError as they do."""
    if k is not None:
        logits = top_k(logits, k)
    return logits if p is None else top_p(logits, p)

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TopKLogitsWarper, TopPLogitsWarper

from marl.errors import ModelError
from marl.models.truncation import check_truncation, top_k, top_p, truncate

ks = st.integers(1, 12)
ps = st.floats(0.001, 1.0) | st.just(1e-12)


@st.composite
def tables(draw):
    """[S, V] logits with many ties, and with some -inf as a constraint leaves them, never a whole row of it."""
    rows, size, seed = draw(st.integers(1, 4)), draw(st.integers(1, 10)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    steps = draw(st.sampled_from([1.0, 0.5, 0.001]))
    logits = torch.from_numpy(np.round(rng.normal(size=(rows, size)) / steps) * steps).float()
    barred = torch.from_numpy(rng.random((rows, size)) < draw(st.sampled_from([0.0, 0.4])))
    barred[:, rng.integers(size)] = False
    return logits.masked_fill(barred, -torch.inf)


@given(tables(), ks)
def test_top_k_is_hugging_faces(logits, k):
    assert torch.equal(top_k(logits, k), TopKLogitsWarper(k)(None, logits))


@given(tables(), ps)
def test_top_p_is_hugging_faces(logits, p):
    assert torch.equal(top_p(logits, p), TopPLogitsWarper(p)(None, logits))


@given(tables(), st.none() | ks, st.none() | ps)
def test_k_comes_before_p(logits, k, p):
    expected = logits
    for warper in ([] if k is None else [TopKLogitsWarper(k)]) + ([] if p is None else [TopPLogitsWarper(p)]):
        expected = warper(None, expected)
    assert torch.equal(truncate(logits, k, p), expected)


@given(tables(), ks)
def test_top_k_keeps_what_fewer_than_k_tokens_beat(logits, k):
    for row, kept in zip(logits.tolist(), top_k(logits, k).tolist(), strict=True):
        assert kept == [value if sum(other > value for other in row) < k else -np.inf for value in row]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8, unique=True), st.floats(0.01, 0.99))
def test_the_nucleus_is_the_smallest_set_of_the_likeliest_with_probability_p(weights, p):
    share = np.array(weights) / sum(weights)
    order = np.argsort(-share)
    mass = share[order].cumsum()
    if np.abs(mass - p).min() < 1e-6:
        return  # on the edge float32 decides
    nucleus = order[: int((mass < p).sum()) + 1]
    kept = top_p(torch.from_numpy(np.log(share))[None].float(), p)[0].isfinite()
    assert set(kept.nonzero()[:, 0].tolist()) == set(nucleus.tolist())


@given(tables(), ks, ps)
def test_something_is_left_and_what_was_barred_stays_barred(logits, k, p):
    left = truncate(logits, k, p)
    assert left.isfinite().any(-1).all()
    assert not left.isfinite()[~logits.isfinite()].any()
    assert torch.equal(left[left.isfinite()], logits[left.isfinite()])


def test_ties_at_the_edge():
    logits = torch.tensor([[1.0, 2.0, 1.0, 0.0]])
    assert top_k(logits, 2).isfinite().tolist() == [[True, True, True, False]]
    assert top_p(torch.zeros(1, 4), 0.5).isfinite().tolist() == [[False, False, True, True]]


def test_leading_dimensions_and_gradients_pass_through():
    logits = torch.randn(2, 3, 7, dtype=torch.float64, requires_grad=True)
    left = truncate(logits, 4, 0.9)
    assert left.shape == logits.shape
    assert left.dtype == torch.float64
    left[left.isfinite()].sum().backward()
    assert torch.equal(logits.grad != 0, left.isfinite())


def test_without_limits_nothing_changes():
    logits = torch.randn(2, 5)
    assert truncate(logits) is logits
    assert torch.equal(truncate(logits, 99, 1.0), logits)


@pytest.mark.parametrize("k", [0, -1, 2.0, True, "3"])
def test_k_is_a_whole_number_from_one(k):
    for call in (lambda: check_truncation(k, None), lambda: top_k(torch.zeros(1, 3), k)):
        with pytest.raises(ModelError, match="whole number >= 1"):
            call()


@pytest.mark.parametrize("p", [0.0, -0.1, 1.01, float("nan")])
def test_p_is_above_zero_and_at_most_one(p):
    for call in (lambda: check_truncation(None, p), lambda: top_p(torch.zeros(1, 3), p)):
        with pytest.raises(ModelError, match="0 < top_p <= 1"):
            call()

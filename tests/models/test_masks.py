import numpy as np
import pytest
import torch
from transformers import Gemma3TextConfig, LlamaConfig, MistralConfig, Qwen2Config

from marl.models.masks import Window, attention_mask

LIKE = (torch.float32, torch.device("cpu"))


@pytest.mark.parametrize(
    ("config", "window"),
    [
        (LlamaConfig(), None),
        (Qwen2Config(), None),
        (MistralConfig(sliding_window=8), Window(8, mixed=False)),
        (MistralConfig(sliding_window=None), None),
        (
            Gemma3TextConfig(
                num_hidden_layers=2, sliding_window=8, layer_types=["sliding_attention", "full_attention"]
            ),
            Window(8, mixed=True),
        ),
    ],
)
def test_windows_that_configurations_tell_of(config, window):
    assert Window.of(config) == window


def test_what_is_hidden_gets_minus_infinity():
    visible = np.array([[[True, False], [True, True]]])
    depths = np.array([[0, 1]])
    mask = attention_mask(visible, depths, depths, None, LIKE)
    assert mask.shape == (1, 1, 2, 2)
    assert mask[0, 0].tolist() == [[0.0, -torch.inf], [0.0, 0.0]]


def test_a_window_counts_by_depth_and_not_by_column():
    visible = np.ones((1, 1, 4), dtype=bool)
    near = attention_mask(visible, np.array([[5]]), np.array([[5, 2, 4, 3]]), Window(3, mixed=False), LIKE)
    assert (near[0, 0, 0] == 0).tolist() == [True, False, True, True]


def test_mixed_layers_get_a_mask_for_each_kind():
    visible = np.tri(4, dtype=bool)[None]
    depths = np.arange(4)[None]
    masks = attention_mask(visible, depths, depths, Window(2, mixed=True), LIKE)
    assert (masks["full_attention"][0, 0] == 0).sum() == 10
    assert (masks["sliding_attention"][0, 0] == 0).sum() == 7

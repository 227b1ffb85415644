import torch

from marl.models.cache import Layer, empty_cache, held_cache


def some(rows, columns, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2, columns, 4, generator=generator), torch.randn(rows, 2, columns, 4, generator=generator)


def test_what_is_read_is_appended_in_place():
    cache = empty_cache(room=6)
    first, second = some(3, 4, 1), some(3, 2, 2)
    cache.update(*first, 0)
    keys, values = cache.update(*second, 0)
    torch.testing.assert_close(keys, torch.cat([first[0], second[0]], dim=2))
    torch.testing.assert_close(values, torch.cat([first[1], second[1]], dim=2))
    assert keys.data_ptr() == cache.layers[0].keys.data_ptr()
    assert cache.get_seq_length() == 6


def test_rows_out_of_use_are_left_alone():
    buffers = (torch.zeros(3, 2, 5, 4), torch.zeros(3, 2, 5, 4))
    cache = held_cache([buffers], rows=2, filled=3)
    new = some(2, 1)
    keys, _ = cache.update(*new, 0)
    assert keys.shape == (2, 2, 4, 4)
    torch.testing.assert_close(buffers[0][:2, :, 3:4], new[0])
    assert not buffers[0][2].any()


def test_a_row_is_copied_as_far_as_it_is_filled():
    keys, values = some(3, 5)
    before = keys.clone()
    layer = Layer()
    layer.hold((keys, values), rows=2, filled=3)
    layer.copy_row(0, 2)
    torch.testing.assert_close(keys[2, :, :3], before[0, :, :3])
    torch.testing.assert_close(keys[2, :, 3:], before[2, :, 3:])


def test_gradients_flow_through_what_is_appended():
    cache = empty_cache()
    parts = [part.requires_grad_() for pair in (some(2, 3, 1), some(2, 2, 2)) for part in pair]
    cache.update(*parts[:2], 0)
    keys, values = cache.update(*parts[2:], 0)
    (keys.sum() + values.square().sum()).backward()
    torch.testing.assert_close(parts[0].grad, torch.ones_like(parts[0]))
    torch.testing.assert_close(parts[3].grad, 2 * parts[3].detach())

import pytest
import torch
from torch import nn
from torch.nn.functional import linear, silu

from marl.models.products import FEW, MANY, Packing, Product

ROWS = (1, FEW - 1, FEW, MANY - 1, MANY, 3 * MANY)


def layer(inner, outer, bias):
    torch.manual_seed(inner + outer)
    return nn.Linear(inner, outer, bias=bias)


def expected(layers, x):
    return torch.cat([linear(x, each.weight, each.bias) for each in layers], dim=-1)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("in_use", [True, False])
def test_products_are_those_of_torch_whatever_the_kernel(rows, bias, in_use):
    packing = Packing()
    one, several = [layer(12, 20, bias)], [layer(12, 20, bias), layer(12, 5, bias)]
    for layers in (one, several):
        product = Product(packing, *layers)
        with torch.inference_mode():
            product.pack()
            packing.in_use = in_use
            x = torch.randn(rows, 1, 12, generator=torch.Generator().manual_seed(0))
            truth = expected(layers, x)
            other = torch.linspace(-1, 1, truth.numel()).view_as(truth)
            torch.testing.assert_close(product(x), truth)
            torch.testing.assert_close(product.swish(x), silu(truth))
            torch.testing.assert_close(product.times(x, other), truth * other)
            torch.testing.assert_close(product.plus(x, other), truth + other)
        packing.in_use = False


def test_a_layer_that_does_more_is_called():
    plain = layer(4, 4, True)
    plain.register_forward_hook(lambda module, inputs, output: output + 1.0)
    with torch.inference_mode():
        x = torch.randn(MANY, 4)
        product = Product(Packing(in_use=True), plain)
        product.pack()
        torch.testing.assert_close(product(x), linear(x, plain.weight, plain.bias) + 1.0)


def test_another_type_is_multiplied_in_that_type():
    double = layer(4, 3, True).double()
    product = Product(Packing(in_use=True), double)
    product.pack()
    with torch.inference_mode():
        x = torch.randn(MANY, 4, dtype=torch.float64)
        assert torch.equal(product(x), linear(x, double.weight, double.bias))


def test_weights_are_read_anew_where_they_are_not_packed():
    own = layer(4, 3, False)
    product = Product(Packing(), own)
    with torch.inference_mode():
        x = torch.randn(MANY, 4)
        before = product(x)
    own.weight.data.mul_(2.0)
    with torch.inference_mode():
        torch.testing.assert_close(product(x), 2.0 * before)

"""A linear layer with a LoRA adapter as one step of the backward pass.

Written out operation by operation, the adapter's branch is as wide as the layer's output, and is
scaled, added and differentiated in passes over memory of their own. Here its two narrow products
are added inside the matrix multiplications, in both directions; what is kept for the backward pass
is the input and the narrow product. The numbers are those of peft, to rounding.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear


def _apply(
    flat: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Return the output `(n, out)` for `flat` `(n, in)`, and the narrow product `(n, r)`."""
    narrow = linear(flat, a)
    return linear(flat, weight).addmm_(narrow, b.T, alpha=scale), narrow


class _LoraLinear(torch.autograd.Function):
    """`x W^T + scale (x A^T) B^T` with a frozen W `(out, in)`, A `(r, in)`, B `(out, r)`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        out, narrow = _apply(flat, weight, a, b, scale)
        ctx.save_for_backward(flat, narrow, weight, a, b)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat, narrow, weight, a, b = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        back = (grad @ b).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(back, a).view(ctx.shape)
        return grad_x, None, back.T @ flat, (grad.T @ narrow).mul_(ctx.scale), None


class FusedLinear(Linear):
    """A peft layer that runs as above wherever it is the plain case; elsewhere as peft has it.

    Plain is one LoRA adapter in use, without dropout, bias or variant, and one dtype throughout.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return `(..., out)` for x `(..., in)`."""
        parts = None if args or kwargs else _plain(self, x)
        if parts is None:
            out: Tensor = super().forward(x, *args, **kwargs)
            return out
        if not torch.is_grad_enabled():  # a step of autograd costs more than the step of a token
            return _apply(x.reshape(-1, x.shape[-1]), *parts)[0].view(*x.shape[:-1], -1)
        fused: Tensor = cast(Any, _LoraLinear).apply(x, *parts)
        return fused


def fuse(layer: Any) -> None:
    """Make a linear layer of peft's a fused one, in place; layers of other kinds are left alone."""
    if type(layer) is Linear:
        layer.__class__ = FusedLinear


def _plain(layer: Linear, x: Tensor) -> tuple[Tensor, Tensor, Tensor, float] | None:
    """Return W, A, B and the scale of the plain case; `None` elsewhere.

    Asked at every call, so it looks into the modules' dictionaries: attributes of modules take
    several times as long, and there are many of them.
    """
    names = layer.active_adapters
    if layer.disable_adapters or layer.merged_adapters or len(names) != 1:
        return None
    name, modules = names[0], layer._modules
    base: Any = modules["base_layer"]
    down, up, dropout = (
        cast(Any, modules[part])._modules.get(name) for part in ("lora_A", "lora_B", "lora_dropout")
    )
    if down is None or name in layer.lora_variant or type(base) is not nn.Linear:
        return None
    weight, bias = cast(Any, base._parameters["weight"]), base._parameters["bias"]
    a, b = down._parameters["weight"], up._parameters["weight"]
    if bias is not None or up._parameters["bias"] is not None or weight.requires_grad:
        return None
    same = x.dtype == weight.dtype == a.dtype == b.dtype
    if not (same and type(dropout) is nn.Identity) or torch.is_autocast_enabled(x.device.type):
        return None
    return weight, a, b, layer.scaling[name]

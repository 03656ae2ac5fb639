"""A linear layer with a LoRA adapter (arXiv 2106.09685, eq. 3) as one node of autograd.

Written out operation by operation, the adapter's branch is as wide as the layer's output, and it is
scaled, added and differentiated in passes over memory of their own. Here the two narrow products
are accumulated by the matrix multiplications themselves (`addmm`), in both directions. Kept for the
backward pass are the input and the narrow product. The numbers are those of peft, to rounding.

Adapters are float32 also where the base is in half precision. They are then rounded to the dtype of
the base before they are multiplied, as under autocast, once after every change; their gradients are
float32. peft multiplies in float32 instead, which needs the layer's input and output once more as
float32, and products that a GPU computes at a fraction of the speed.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

_ROUNDED = {(torch.float32, torch.bfloat16), (torch.float32, torch.float16)}
"""Dtypes of an adapter, and of the base that it is rounded to."""


def _apply(
    flat: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Return `flat W^T + scale (flat A^T) B^T` `(n, out)`, and the narrow product `(n, r)`.

    Args:
        flat: `(n, in)`.
        weight: W `(out, in)`.
        a: `(r, in)`.
        b: `(out, r)`.
        scale: alpha / r.
    """
    narrow = linear(flat, a)
    return linear(flat, weight).addmm_(narrow, b.T, alpha=scale), narrow


class _LoraLinear(torch.autograd.Function):
    """`x W^T + scale (x A^T) B^T` with a frozen W `(out, in)`, A `(r, in)`, B `(out, r)`.

    `rounded` are A and B in the dtype of x and W; gradients by A and B have the dtype of A and B.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        a: Tensor,
        b: Tensor,
        scale: float,
        rounded: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        down, up = rounded or (a, b)
        flat = x.reshape(-1, x.shape[-1])
        out, narrow = _apply(flat, weight, down, up, scale)
        ctx.save_for_backward(flat, narrow, weight, down, up)
        ctx.scale, ctx.shape, ctx.trained = scale, x.shape, a.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat, narrow, weight, a, b = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        # y = x W^T + s (x A^T) B^T, with g the gradient of y and n = x A^T:
        # dx = g W + s (g B) A    dA = s (g B)^T x    dB = s g^T n    W is frozen
        back = (grad @ b).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(back, a).view(ctx.shape)
        grad_a, grad_b = back.T @ flat, (grad.T @ narrow).mul_(ctx.scale)
        return grad_x, None, grad_a.to(ctx.trained), grad_b.to(ctx.trained), None, None


class FusedLinear(Linear):
    """A peft layer that is fused in the plain case, and runs as peft has it in all others.

    Plain is one LoRA adapter in use, without dropout, bias or variant, on a base and an input of
    one dtype, which is the adapter's or has less precision.
    """

    _rounded: tuple[tuple[Any, ...], tuple[Tensor, Tensor]] | None = None

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return `(..., out)` for x `(..., in)`, of the dtype of x."""
        parts = None if args or kwargs else _plain(self, x)
        if parts is None:
            out: Tensor = super().forward(x, *args, **kwargs)
            return out
        weight, a, b, scale = parts
        rounded = None if a.dtype == x.dtype else self._in_dtype(a, b, x.dtype)
        if not torch.is_grad_enabled():  # a step of autograd costs more than the step of a token
            down, up = rounded or (a, b)
            flat = x.reshape(-1, x.shape[-1])
            return _apply(flat, weight, down, up, scale)[0].view(*x.shape[:-1], -1)
        fused: Tensor = cast(Any, _LoraLinear).apply(x, weight, a, b, scale, rounded)
        return fused

    def _in_dtype(self, a: Tensor, b: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return A and B rounded, as long as neither is replaced or written to.

        They are rounded in every layer for every token that is sampled, which would be two more
        calls of the GPU each time.
        """
        of = (dtype, *((x.data_ptr(), x._version, x.device) for x in (a, b)))
        held = self._rounded
        if held is None or held[0] != of:
            # what is made under inference mode could not be kept for a backward pass
            with torch.inference_mode(False), torch.no_grad():
                held = self._rounded = of, (a.to(dtype), b.to(dtype))
        return held[1]


def fuse(layer: Any) -> None:
    """Turn a linear layer of peft into a fused one, in place; other kinds of layers stay."""
    if type(layer) is Linear:
        layer.__class__ = FusedLinear


def _plain(layer: Linear, x: Tensor) -> tuple[Tensor, Tensor, Tensor, float] | None:
    """Return W, A, B and the scale of the plain case; `None` elsewhere.

    It is asked at every call of every layer. It therefore looks into the modules' dictionaries:
    `nn.Module.__getattr__` takes several times as long as a dictionary.
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
    same = x.dtype == weight.dtype and a.dtype == b.dtype
    same = same and (a.dtype == x.dtype or (a.dtype, x.dtype) in _ROUNDED)
    if not (same and type(dropout) is nn.Identity):
        return None
    if not x.is_meta and torch.is_autocast_enabled(x.device.type):  # it has no meta device
        return None
    return weight, a, b, layer.scaling[name]

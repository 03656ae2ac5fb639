"""Laws of `policies.sage_mm.model.live_bytes`: what is made counts until nobody holds it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from policies.sage_mm.model.live_bytes import LiveBytes  # noqa: E402


def test_the_count_by_hand() -> None:
    before = torch.zeros(100, device="meta")
    with LiveBytes() as counted:
        a = before + 1  # 400 bytes
        view = a.view(10, 10).t()
        assert (counted.live, counted.peak) == (400, 400), "a view holds nothing of its own"
        half = view.to(torch.bfloat16)  # 200
        a += 1
        before.mul_(2).t()
        assert counted.live == 600, "nor do results in place, nor what was there before"
        del a
        assert counted.live == 600, "the view holds it"
        del view
        assert (counted.live, counted.peak, counted.largest) == (200, 600, 400)
        counted.reset_peak()
        assert counted.peak == 200
        both = torch.split(half.repeat(3, 1), 10)  # 600
        assert (counted.live, counted.peak) == (800, 800)
        del both
        assert counted.live == 200
    after = torch.zeros(7, device="meta")
    assert counted.live == 200 and after.nbytes == 28, "the block is over"


def test_what_a_backward_pass_needs_is_held_until_it_has_run() -> None:
    x = torch.zeros(10, 10, device="meta", requires_grad=True)
    with LiveBytes() as counted:
        y = (x.exp() * 2).sum()  # the exponential is kept for its own gradient
        assert counted.live == 400 + 4 and counted.peak == 400 + 400 + 4
        (gradient,) = torch.autograd.grad(y, [x])
        assert counted.live == 4 + 400
    assert gradient.shape == x.shape

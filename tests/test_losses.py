from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fxlens.losses import cross_nt_xent, nt_xent


def views(n: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, n, dim, generator=g, dtype=torch.float64)
    return F.normalize(a, dim=1), F.normalize(b, dim=1)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_nt_xent_equals_the_double_loop(n: int, temperature: float) -> None:
    first, second = views(n, 16)
    z = torch.cat([first, second])
    total = 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [math.exp(float(z[i] @ z[k]) / temperature) for k in range(2 * n) if k != i]
        total += -math.log(math.exp(float(z[i] @ z[j]) / temperature) / sum(others))
    assert float(nt_xent(first, second, temperature)) == pytest.approx(total / (2 * n), rel=1e-5, abs=1e-6)


def test_nt_xent_closed_forms() -> None:
    # All views equal: every one of 2N - 1 others is as likely.
    same = F.normalize(torch.ones(5, 8), dim=1)
    assert float(nt_xent(same, same)) == pytest.approx(math.log(9), rel=1e-5)
    # Pairs equal, different pairs orthogonal.
    eye = torch.eye(6)
    expected = -math.log(math.exp(10) / (math.exp(10) + 10))
    assert float(nt_xent(eye, eye, 0.1)) == pytest.approx(expected, abs=1e-6)


def test_nt_xent_ignores_the_order_of_pairs_and_sides() -> None:
    first, second = views(6, 8)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert float(nt_xent(first[order], second[order])) == pytest.approx(float(nt_xent(second, first)), rel=1e-5)


def test_nt_xent_falls_when_a_pair_approaches() -> None:
    first, second = views(6, 8)
    closer = F.normalize(second + 0.5 * first, dim=1)
    assert float(nt_xent(first, closer)) < float(nt_xent(first, second))


def test_cross_nt_xent_equals_the_loop_and_is_symmetric() -> None:
    query, key = views(5, 8, seed=3)
    s = (query @ key.T / 0.2).tolist()
    rows = sum(-s[i][i] + math.log(sum(math.exp(v) for v in s[i])) for i in range(5)) / 5
    columns = sum(-s[i][i] + math.log(sum(math.exp(s[k][i]) for k in range(5))) for i in range(5)) / 5
    assert float(cross_nt_xent(query, key, 0.2)) == pytest.approx((rows + columns) / 2, rel=1e-5)
    assert float(cross_nt_xent(key, query, 0.2)) == pytest.approx((rows + columns) / 2, rel=1e-5)

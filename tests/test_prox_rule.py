"""Points that share quadrature nodes get the means that they would get alone."""

import numpy as np
import pytest

from asymptotics.losses import LOSSES, prox
from asymptotics.prox_rule import (
    REACH,
    _alone,
    _blocks,
    _on_shared_nodes,
    _shared_maps,
    _shared_nodes,
    smooth_means,
)

PIECE = LOSSES["logistic"].pieces[0]


def laws(size, seed=0):
    """(gamma, mean, deviation) over the ordinary range and beyond, sorted by deviation."""
    rng = np.random.default_rng(seed)
    deviation = np.sort(10 ** rng.uniform(-1.5, 1.5, size))
    return np.stack([10 ** rng.uniform(-2, 2, size), rng.normal(1, 3, size), deviation])


def test_shared_nodes_give_the_means_of_own_nodes():
    law = laws(3000)
    together, apart = smooth_means(PIECE, *law, 400), _alone(PIECE, law, 400)
    np.testing.assert_allclose(together[:5], apart[:5], rtol=2e-12)
    np.testing.assert_allclose(together[5:], apart[5:], rtol=1e-10, atol=1e-13)


def test_the_order_of_the_points_does_not_matter():
    law = laws(600)
    shuffled = np.random.default_rng(1).permutation(600)
    there = smooth_means(PIECE, *law[:, shuffled], 96)
    np.testing.assert_array_equal(there, smooth_means(PIECE, *law, 96)[:, shuffled])


def test_blocks_are_runs_of_similar_deviations():
    deviation = laws(3000)[2]
    starts, ends = _blocks(deviation)
    assert np.all(ends - starts <= 512)
    assert np.all(ends - starts >= 16)
    assert np.all(starts[1:] >= ends[:-1])
    assert np.all(deviation[ends - 1] < 1.6 * deviation[starts])


def test_the_nodes_of_a_block_cover_every_window_and_resolve_about_the_narrowest():
    law = laws(3000, seed=2)
    starts, ends = _blocks(law[2])
    shared = 0
    for first, last, rule in zip(
        starts, ends, _shared_maps(PIECE, law, starts, ends).T, strict=True
    ):
        nodes = _shared_nodes(rule, 48)
        if nodes is None:
            continue
        shared += 1
        gamma, mean, deviation = law[:, first:last]
        lower = prox(LOSSES["logistic"], mean - REACH * deviation, gamma)
        upper = prox(LOSSES["logistic"], mean + REACH * deviation, gamma)
        u = nodes[0]
        gap = np.max(np.diff(u))
        assert u[0] - gap <= lower.min()
        assert u[-1] + gap >= upper.max()
        inside = [np.sum((u >= low) & (u <= high)) for low, high in zip(lower, upper, strict=True)]
        assert min(inside) >= 36
    assert shared >= 5


def test_far_tails_on_shared_nodes_neither_overflow_nor_slow_down_into_subnormals():
    law = np.stack([np.full(20, 1e-3), np.linspace(-40, 40, 20), np.full(20, 0.5)])
    u = np.linspace(-60, 60, 4000)
    means = _on_shared_nodes(PIECE, law, u, np.full_like(u, u[1] - u[0]))
    assert np.all(np.isfinite(means))
    np.testing.assert_allclose(means[:3], _alone(PIECE, law, 200)[:3], rtol=1e-11)


@pytest.mark.parametrize("gamma", [1e-6, 1.0, 1e6])
def test_a_block_too_diverse_to_share_is_integrated_point_by_point(gamma):
    mean = np.linspace(-1000.0, 1000.0, 32)
    law = np.stack([np.full(32, gamma), mean, np.full(32, 0.1)])
    starts, ends = _blocks(law[2])
    assert _shared_nodes(_shared_maps(PIECE, law, starts, ends)[:, 0], 24) is None
    np.testing.assert_array_equal(smooth_means(PIECE, *law, 96), _alone(PIECE, law, 96))

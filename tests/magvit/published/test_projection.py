"""The projection keeps lengths and angles, and a row's result is its own."""

import numpy as np
import pytest

from track_persistence.magvit.published.projection import orthogonal_matrix, project


@pytest.mark.parametrize(("channels", "dimension"), [(40, 16), (16, 40), (16, 16)])
def test_columns_or_rows_are_orthonormal(channels, dimension):
    matrix = orthogonal_matrix(channels, dimension, seed=7)
    assert matrix.shape == (channels, dimension)
    narrow = matrix if channels >= dimension else matrix.T
    np.testing.assert_allclose(narrow.T @ narrow, np.eye(min(channels, dimension)), atol=1e-14)


def test_a_seed_names_one_matrix():
    assert np.array_equal(orthogonal_matrix(12, 5, seed=7), orthogonal_matrix(12, 5, seed=7))
    assert not np.allclose(orthogonal_matrix(12, 5, seed=7), orthogonal_matrix(12, 5, seed=8))


def test_distances_shrink_in_proportion():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((60, 512)).astype(np.float32)
    projected = project(points, orthogonal_matrix(512, 256, seed=7))
    pairs = np.triu_indices(60, 1)
    ratio = np.linalg.norm((projected[:, None] - projected)[pairs], axis=-1) / np.linalg.norm(
        (points[:, None] - points)[pairs], axis=-1
    )
    # sqrt(256 / 512); the spread is about sqrt((1 - 1/2) / 512) = 0.03 of it at one standard deviation.
    assert abs(ratio.mean() - 0.5**0.5) < 0.01
    assert ratio.std() < 0.04


def test_the_direction_of_the_first_column_is_not_fixed_by_the_factorisation():
    signs = [np.sign(orthogonal_matrix(6, 3, seed)[0, 0]) for seed in range(40)]
    assert 8 < sum(sign > 0 for sign in signs) < 32  # a fair coin leaves this range once in ten thousand times


def test_a_row_is_projected_the_same_alone_and_among_others():
    rows = np.random.default_rng(1).standard_normal((9, 40)).astype(np.float32)
    matrix = orthogonal_matrix(40, 16, seed=7)
    together = project(rows, matrix)
    assert together.dtype == np.float32
    for row, expected in zip(rows, together, strict=True):
        assert np.array_equal(project(row[None], matrix)[0], expected)

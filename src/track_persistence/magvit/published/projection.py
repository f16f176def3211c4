"""A fixed random projection from a tap's channels to the width of the features."""

import numpy as np
from numpy.typing import NDArray


def orthogonal_matrix(channels: int, dimension: int, seed: int) -> NDArray[np.float64]:
    """Return a (channels, dimension) matrix, uniform among those with orthonormal columns, or rows where it is wide.

    Columns: distances shrink by about sqrt(dimension / channels), all of them alike (Johnson & Lindenstrauss 1984).
    Rows: distances stay. `seed` names the matrix. Mezzadri 2007: QR of a Gaussian matrix, signs fixed by R's diagonal.
    """
    tall = max(channels, dimension), min(channels, dimension)
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal(tall))
    q = q * np.sign(np.diag(r))
    return q if channels >= dimension else q.T


def project(rows: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return rows (L, C) times `matrix` (C, D) as (L, D) float32; a row's result does not depend on the other rows."""
    wide = rows.astype(np.float64)
    return np.stack([row @ matrix for row in wide]).astype(np.float32)

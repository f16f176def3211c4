import numpy as np
import pytest

from track_persistence.simulation.clutter_pictures import bush, cone, poster, sign


@pytest.mark.parametrize("draw", [cone, sign, bush, poster])
def test_a_picture_is_tight_around_its_thing(draw: object) -> None:
    for seed in range(10):
        picture, alpha = draw(np.random.default_rng(seed))  # type: ignore[operator]
        assert picture.dtype == np.uint8
        assert picture.shape[:2] == alpha.shape
        assert alpha.min() >= 0
        assert alpha.max() == pytest.approx(1)
        rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.4), np.flatnonzero(alpha.max(axis=0) > 0.4)
        assert rows[0] <= 2
        assert rows[-1] >= len(alpha) - 2
        assert columns[0] <= 2
        assert columns[-1] >= alpha.shape[1] - 3

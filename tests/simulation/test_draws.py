import numpy as np
import pytest

from track_persistence.core.seeding import generator
from track_persistence.simulation.draws import log_uniform, pick


def test_a_log_uniform_number_is_as_often_in_every_octave() -> None:
    rng = generator(1, "draws")
    drawn = np.array([log_uniform(rng, (2.0, 16.0)) for _ in range(3000)])
    assert 2 <= drawn.min() and drawn.max() <= 16
    # Three octaves of a third each; three standard errors of a share of 1/3 are 0.026.
    assert (drawn < 4).mean() == pytest.approx(1 / 3, abs=0.03)
    assert (drawn > 8).mean() == pytest.approx(1 / 3, abs=0.03)


def test_keys_are_drawn_in_proportion_to_their_weights_whatever_their_order() -> None:
    rng = generator(2, "draws")
    drawn = [pick(rng, {"a": 1.0, "b": 0.0, "c": 3.0}) for _ in range(2000)]
    assert drawn.count("b") == 0
    assert drawn.count("c") / 2000 == pytest.approx(3 / 4, abs=0.03)
    first, again = (pick(generator(3, "draws"), weights) for weights in ({"a": 1.0, "c": 2.0}, {"c": 2.0, "a": 1.0}))
    assert first == again

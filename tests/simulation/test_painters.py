import numpy as np
import pytest

from track_persistence.simulation.ghosts import fade
from track_persistence.simulation.painters import FlatPatch, GlarePainter, ShadowPainter, blurred
from track_persistence.simulation.views import Window

WINDOW = Window.over(np.array([-0.1, -0.1, 0.1, 0.1]), 65, 65)


def test_a_glare_saturates_in_its_middle_and_follows_its_strength() -> None:
    centre, radius = np.zeros((2, 2)), np.full(2, 0.08)
    painter = GlarePainter((centre, centre), (radius, radius), np.array([1.0, 0.1]), np.ones(3, np.float32), 0.3, 0.5)
    strong, weak = (np.full((3, 65, 65), 50, np.float32) for _ in range(2))
    painter.paint(strong, WINDOW, 0, 0)
    painter.paint(weak, WINDOW, 1, 1)
    assert strong[:, 32, 32].min() > 255
    np.testing.assert_allclose(weak - 50, (strong - 50) / 10, rtol=1e-3, atol=1e-3)
    assert strong[0, 0, 0] < 60


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_ghost_fades_in_and_out(count: int) -> None:
    strength = np.mean([fade(np.random.default_rng(seed), count) for seed in range(200)], axis=0)
    assert strength.min() > 0
    assert strength.max() <= 1
    if count > 2:
        assert strength[0] < strength[count // 2] > strength[-1]


def test_motion_blur_moves_no_light_and_smears_along_the_motion() -> None:
    layer = np.zeros((4, 41, 41), np.float32)
    layer[:, 20, 20] = 1
    smeared = blurred(layer, np.array([8.0, 0.0]))
    assert smeared[0].sum() == pytest.approx(1, abs=1e-4)
    rows, columns = np.nonzero(smeared[0] > 1e-6)
    assert set(rows.tolist()) == {20}
    assert (columns.min(), columns.max()) == (16, 24)
    assert (smeared[0, 20] @ np.arange(41)) == pytest.approx(20, abs=1e-3)


def test_overlapping_patches_of_one_shadow_darken_once() -> None:
    inverse = np.linalg.inv(np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]).T)[None]
    everywhere = np.array([[-9.0, -9.0, 9.0, 9.0]])
    patch = FlatPatch(np.array([[0.0, 0.5, 10.0]]), inverse, everywhere, 0.5)
    painter = ShadowPainter(((patch, patch), (patch, patch)), np.array([0.5]))
    canvas = np.full((3, 65, 65), 100, np.float32)
    painter.paint(canvas, WINDOW, 0, 0)
    # The ray (0, 0.05, 1) meets the ground 0.5 below the eye in the patch's middle: half of the red light is left.
    row = int(np.argmin(np.abs(WINDOW.y - 0.05)))
    assert canvas[0, row, 32] == pytest.approx(50, abs=0.1)
    assert canvas[2, row, 32] > 50
    assert canvas[0, 0, 32] == 100

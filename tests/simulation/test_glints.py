import numpy as np
import pytest
from tests.simulation.lasting_scene import drawn

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.glints import _along_view, _flashes, try_glint
from track_persistence.simulation.glow_painters import SparklePainter


def test_a_place_flashes_for_its_share_of_the_time_and_as_long_as_asked(config: GenerateConfig) -> None:
    glint = config.matched.causes.glint.model_copy(update={"lit_share": (0.25, 0.25), "flash_frames": (3.0, 3.0)})
    lit = _flashes(np.random.default_rng(0), glint, (4000, 30)) > 0
    assert lit.mean() == pytest.approx(0.25, abs=0.04)
    ends = (lit[:-1] & ~lit[1:]).sum()
    assert lit.sum() / ends == pytest.approx(3, rel=0.15)
    assert lit.any(axis=1).all()


def test_the_cameras_see_different_flashes(config: GenerateConfig) -> None:
    agreement = []
    for seed in range(8):
        _, (ghost, _) = drawn(try_glint, config, seed)
        painter = ghost.painter
        assert isinstance(painter, SparklePainter)
        first, second = (light > 0 for light in painter.light)
        agreement.append(np.corrcoef(first.ravel(), second.ravel())[0, 1])
    assert abs(float(np.mean(agreement))) < 0.1


def test_the_box_jumps_but_stays_on_the_water(config: GenerateConfig) -> None:
    _, (ghost, water) = drawn(try_glint, config, 1)
    boxes, whole = ghost.boxes_xywh_px[0], water.boxes_xywh_px[0][0]
    assert (boxes[:, :2] >= whole[:2] - 1).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= whole[:2] + whole[2:] + 1).all()
    assert boxes[:, 2].std() > 0.2


def test_the_water_reaches_away_along_the_view() -> None:
    axes = _along_view(np.array([3.0, 1.0, 4.0]), 2.0, 5.0)
    np.testing.assert_allclose(axes[:, 1], [3, 0, 4])
    np.testing.assert_allclose(axes[:, 0], [1.6, 0, -1.2])

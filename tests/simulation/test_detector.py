import numpy as np
import pytest

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.detector import confidences, detected, jittered, nominal_scores

IMAGE = (1280, 720)


def relative_jitter(config: GenerateConfig, side: float) -> float:
    boxes = np.tile([600.0, 300.0, side, side], (4000, 1))
    found = jittered(np.random.default_rng(0), config.detector, boxes, IMAGE)
    return float(np.std(found[:, 0]) / side)


def test_jitter_is_relatively_larger_for_small_boxes_and_follows_its_params(config: GenerateConfig) -> None:
    expected = [config.detector.jitter_px / side + config.detector.jitter_share for side in (16, 160)]
    assert relative_jitter(config, 16) == pytest.approx(expected[0], rel=0.1)
    assert relative_jitter(config, 160) == pytest.approx(expected[1], rel=0.1)


def test_boxes_stay_inside_the_image(config: GenerateConfig) -> None:
    boxes = np.tile([-0.5, 700.0, 30.0, 19.5], (500, 1))
    found = jittered(np.random.default_rng(1), config.detector, boxes, IMAGE)
    assert (found[:, :2] >= -0.5).all()
    assert (found[:, 1] + found[:, 3] <= 719.5).all()
    assert (found[:, 2:] > 0).all()


def test_a_track_never_falls_below_its_fewest_frames_and_keeps_the_clearest(config: GenerateConfig) -> None:
    always_missed = config.detector.model_copy(update={"miss_share": 1.0})
    visible = np.array([0.9, 0.2, 1.0, 0.5, 0.8])
    hit = detected(np.random.default_rng(0), always_missed, visible, 2)
    assert hit.tolist() == [True, False, True, False, False]


def test_hidden_objects_are_missed_more_often(config: GenerateConfig) -> None:
    rng = np.random.default_rng(0)
    clear = detected(rng, config.detector, np.ones(3000), 1).mean()
    hidden = detected(rng, config.detector, np.full(3000, 0.2), 1).mean()
    assert clear == pytest.approx(1 - config.detector.miss_share, abs=0.02)
    assert hidden == pytest.approx(clear - 0.8 * config.detector.occluded_miss_share, abs=0.04)


def test_confidence_rises_with_size_and_clearness_and_lies_in_its_range(config: GenerateConfig) -> None:
    def mean(side: float, clear: float) -> float:
        boxes = np.tile([0.0, 0.0, side, side], (50, 1))
        rng, scores = np.random.default_rng(2), nominal_scores(config.detector, "persistent")
        found = np.concatenate(
            [confidences(rng, config.detector, scores, boxes, np.full(50, clear)) for _ in range(40)]
        )
        assert found.dtype == np.float32
        assert ((found >= 0) & (found <= 1)).all()
        return float(found.mean())

    assert mean(20, 1) < mean(80, 1) < mean(300, 1)
    assert mean(80, 0.3) < mean(80, 1)

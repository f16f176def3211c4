import numpy as np
import pytest
from ruamel.yaml import YAML

from track_persistence.core.errors import ParamsError
from track_persistence.core.params import load_section
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_rules import BoxTrack, false_kind, no_pixels_scores

FOOTAGE = {
    "longest_frames": 200,
    "ages_frames": [1, 3, 10],
    "full_view_frames": 10,
    "min_hits": [3],
    "min_mean_confidence": 0.5,
    "flicker_boxes": 5,
    "static_boxes": 20,
    "static_drift": 0.25,
    "folds": 5,
    "bootstrap_replicates": 50,
    "link": {"method": "sort", "min_iou": 0.3, "max_missed_frames": 3, "high_confidence": 0.6},
    "labels": {
        "real_iou": 0.5,
        "real_share": 0.5,
        "false_iou": 0.2,
        "false_share": 0.1,
        "false_mean_coverage": 0.5,
    },
}
CONFIG = FootageConfig.model_validate(FOOTAGE)


def track(frames, step_px=0.0, scores=None):
    """Make a track of boxes 30 x 40 px (diagonal 50) that moves `step_px` to the right from box to box."""
    boxes = np.tile(np.array([100, 100, 30, 40], np.float32), (len(frames), 1))
    boxes[:, 0] += step_px * np.arange(len(frames))
    values = np.array(scores if scores is not None else [0.5] * len(frames))
    return BoxTrack(1, np.array(frames, np.int32), boxes, values, confidences=values / 10)


def test_hits_so_far_count_elapsed_frames_not_boxes():
    with_gaps = track([5, 7, 8, 20])
    assert [with_gaps.hits(age) for age in (1, 2, 3, 4, 15, 16)] == [1, 1, 2, 3, 3, 4]
    assert with_gaps.span_frames == 16


def test_the_longest_run_needs_consecutive_frames():
    with_gaps = track([1, 2, 4, 5, 6, 8])
    assert [with_gaps.longest_run(age) for age in (1, 2, 3, 4, 6, 8)] == [1, 2, 2, 2, 3, 3]


def test_the_mean_score_is_of_the_boxes_so_far():
    assert track([1, 2, 5], scores=[1.0, 3.0, 8.0]).mean_score(2) == 2
    assert track([1, 2, 5], scores=[1.0, 3.0, 8.0]).mean_score(5) == 4
    assert track([1, 2, 5], scores=[1.0, 3.0, 8.0]).mean_confidence(2) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("count", "step_px", "kind"),
    [(5, 0.0, "flicker"), (6, 0.0, "other"), (20, 0.0, "static_clutter"), (19, 0.0, "other"), (20, 10.0, "other")],
)
def test_false_tracks_are_told_apart_by_length_and_drift(count, step_px, kind):
    assert false_kind(track(range(1, count + 1), step_px), CONFIG) == kind


def test_one_jump_does_not_make_clutter_move():
    jumps = track(range(1, 31))
    jumps.boxes_xywh_px[-1, 0] += 300
    assert false_kind(jumps, CONFIG) == "static_clutter"


def test_the_regression_never_scores_a_track_with_its_own_block_of_labels():
    rng = np.random.default_rng(0)
    real = rng.random(200) < 0.5
    tracks = [track([frame], scores=[rng.random()]) for frame in range(1, 201)]
    for known in (0, 1):  # a block of labels turned round must not change that block's scores
        turned = real.copy()
        turned[known * 40 : known * 40 + 40] ^= True
        before = no_pixels_scores(tracks, real, [1] * 200, 5)
        after = no_pixels_scores(tracks, turned, [1] * 200, 5)
        assert np.array_equal(before[known * 40 : known * 40 + 40], after[known * 40 : known * 40 + 40])
        assert not np.array_equal(before, after)


def test_the_regression_finds_a_score_that_tells():
    real = np.arange(100) % 2 == 0
    tracks = [track([frame + 1], scores=[2.0 if real[frame] else 1.0]) for frame in range(100)]
    scores = no_pixels_scores(tracks, real, [1] * 100, 5)
    assert scores[real].min() > scores[~real].max()


def test_the_regression_declines_when_a_class_is_missing():
    tracks = [track([frame]) for frame in range(1, 11)]
    assert no_pixels_scores(tracks, np.ones(10, bool), [1] * 10, 5) is None
    assert no_pixels_scores(tracks[:3], np.array([True, False, True]), [1] * 3, 5) is None


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("ages_frames", [3, 1], "ages_frames must strictly increase"),
        ("longest_frames", 5, "full_view_frames must lie between"),
        ("full_view_frames", 300, "full_view_frames must lie between"),
        ("min_mean_confidence", 1.5, "min_mean_confidence"),
        ("link", {**FOOTAGE["link"], "method": "magic"}, "sort"),
    ],
)
def test_impossible_params_are_named(tmp_path, key, value, rule):
    path = tmp_path / "params.yaml"
    YAML().dump({"footage": {**FOOTAGE, key: value}}, path)
    with pytest.raises(ParamsError, match=rf"footage.*{rule}"):
        load_section(path, "footage", FootageConfig)

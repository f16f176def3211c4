import json

import numpy as np
import pytest

from track_persistence.core.files import write_json
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_metrics import WHOLE, Scores, footage_metrics, table_lines
from track_persistence.evaluation.footage_rules import BoxTrack

CONFIG = FootageConfig.model_validate(
    {
        "longest_frames": 200,
        "ages_frames": [1, 3, 10, 50],
        "full_view_frames": 10,
        "min_hits": [3, 10],
        "min_mean_confidence": 0.15,
        "flicker_boxes": 5,
        "static_boxes": 20,
        "static_drift": 0.25,
        "folds": 2,
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
)


def track(track_id, first, count, score):
    frames = np.arange(first, first + count, dtype=np.int32)
    boxes = np.tile(np.array([9, 9, 30, 40], np.float32), (count, 1))
    scores = np.full(count, score, np.float64)
    return BoxTrack(track_id, frames, boxes, scores, confidences=scores / 10)


# id: first frame, boxes, detector score, label, probability of the filter; the last frame of the file is 100
CAST = {
    1: (1, 100, 3.0, 1, 0.9),
    2: (5, 4, 1.0, 1, 0.3),
    3: (20, 2, 2.0, 0, 0.4),
    4: (30, 30, 0.5, 0, 0.6),
    5: (40, 9, 9.9, -1, 0.9),
    6: (50, 9, 9.9, -2, 0.9),
    7: (92, 9, 9.9, 1, 0.1),
    8: (91, 2, 2.5, 0, 0.1),
}


def make_metrics():
    tracks = [track(i, first, count, score) for i, (first, count, score, _, _) in CAST.items()]
    labels = {i: entry[3] for i, entry in CAST.items()}
    probability = {i: dict.fromkeys((1, 3, 10, 50, WHOLE), entry[4]) for i, entry in CAST.items()}
    return footage_metrics(CONFIG, 7, tracks, labels, Scores(probability, 0.5))


@pytest.fixture
def metrics():
    return make_metrics()


def test_unclear_tracks_and_tracks_born_too_late_are_left_out_and_counted(metrics):
    assert metrics["tracks"] == {
        "scored": 5,
        "real": 2,
        "false": 3,
        "unclear_left_out": 2,
        "born_too_late_left_out": 1,
    }


def test_ages_above_the_full_view_are_not_in_the_metrics(metrics):
    assert list(metrics["by_age"]) == ["1", "3", "10", "whole"]


def test_the_filter_is_scored_by_its_probabilities(metrics):
    values = metrics["by_age"]["3"]["filter"]
    assert values["auc"]["value"] == pytest.approx(4 / 6)  # 0.9 beats 3 false tracks, 0.3 beats one
    assert values["kept"] == 2
    assert values["precision"]["value"] == 1 / 2
    assert values["recall"]["value"] == 1 / 2
    assert values["auc"]["low"] <= values["auc"]["value"] <= values["auc"]["high"]


def test_min_hits_is_scored_by_hits_so_far_and_cuts_by_hits_in_a_row(metrics):
    at = metrics["by_age"]
    assert at["1"]["min_hits"]["auc"]["value"] == 1 / 2
    assert at["1"]["min_hits"]["precision"] is None
    assert at["3"]["min_hits"]["auc"]["value"] == pytest.approx((2 + 1 / 2) / 3)  # 3, 3 against 2, 3, 2
    assert at["3"]["min_hits"]["precision"]["value"] == pytest.approx(2 / 3)
    assert at["10"]["min_hits"]["recall"]["value"] == 1
    assert metrics["min_hits_whole"]["10"]["recall"]["value"] == 1 / 2


def test_confidence_is_scored_on_the_detectors_own_scale(metrics):
    assert metrics["by_age"]["1"]["mean_confidence"]["auc"]["value"] == pytest.approx(4 / 6)  # 3, 1 against 2, 0.5, 2.5


@pytest.mark.parametrize("age", ["1", "3", "10", "whole"])
def test_confidence_cuts_on_the_mapped_scale(metrics, age):
    values = metrics["by_age"][age]["mean_confidence"]
    assert values["kept"] == 3  # 0.3 and 0.1 against 0.2, 0.05, 0.25, cut at 0.15
    assert values["precision"]["value"] == pytest.approx(1 / 3)
    assert values["recall"]["value"] == 1 / 2
    assert values["recall"]["low"] <= 1 / 2 <= values["recall"]["high"]


def test_confidence_cuts_at_the_mean_so_far():
    rising = BoxTrack(1, np.int32([1, 2]), np.ones((2, 4), np.float32), np.zeros(2), np.array([0.1, 0.3]))
    scores = Scores({i: dict.fromkeys((1, 3, 10, 50, WHOLE), 0.9) for i in (1, 2)}, 0.5)
    at = footage_metrics(CONFIG, 7, [rising, track(2, 1, 100, 1.0)], {1: 1, 2: 0}, scores)["by_age"]
    assert [at[age]["mean_confidence"]["kept"] for age in ("1", "3")] == [0, 1]  # 0.1, then 0.2, cut at 0.15


def test_static_clutter_is_reported_apart_from_flicker(metrics):
    kinds = metrics["false_tracks"]
    assert (kinds["static_clutter"]["tracks"], kinds["static_clutter"]["rejected"]) == (1, 0)
    assert (kinds["flicker"]["tracks"], kinds["flicker"]["rejected"]) == (2, 2)
    assert kinds["other"] == {"tracks": 0, "rejected": 0, "auc": None}
    assert kinds["static_clutter"]["auc"]["value"] == 1 / 2


def test_the_same_tracks_give_the_same_bytes(tmp_path):
    for name in ("one.json", "two.json"):
        write_json(tmp_path / name, make_metrics())
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert json.loads((tmp_path / "one.json").read_text())["threshold"] == 0.5


def test_the_table_has_every_age_method_and_kind(metrics):
    text = "\n".join(table_lines(metrics))
    assert "2 real and 3 false tracks; left out: 2 unclear, 1 born too late" in text
    for age in ("1", "3", "10", "whole"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"{age:>6}  mean_confidence")]
        # the two false tracks of few boxes are flicker; the third stays for 30 frames and its score is the lowest
        assert [cell.split()[0] for cell in line.split("]")[:-1]] == [age, "0.500", "1.000", "0.333", "0.500"]
        assert line.split()[2] == "0.667"
    assert "false: static clutter: 0 of 1 rejected" in text


def test_footage_with_one_class_has_no_auc_and_no_crash():
    tracks = [track(1, 1, 100, 0.5), track(2, 2, 20, 0.7)]
    scores = Scores({i: dict.fromkeys((1, 3, 10, 50, WHOLE), 0.9) for i in (1, 2)}, 0.5)
    metrics = footage_metrics(CONFIG, 7, tracks, {1: 1, 2: 1}, scores)
    assert metrics["by_age"]["10"]["filter"]["auc"] is None
    assert metrics["by_age"]["10"]["filter"]["recall"]["value"] == 1
    assert table_lines(metrics)


def test_footage_without_a_clear_track_has_no_values_and_no_crash():
    scores = Scores({1: dict.fromkeys((1, 3, 10, 50, WHOLE), 0.9)}, 0.5)
    metrics = footage_metrics(CONFIG, 7, [track(1, 1, 100, 0.5)], {1: -1}, scores)
    assert metrics["tracks"]["scored"] == 0
    assert metrics["by_age"]["3"]["filter"]["recall"] is None
    assert table_lines(metrics)

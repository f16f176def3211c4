"""Metrics of the stages that learn, made by hand: train, geometry, fuse and ablate."""

import copy
from typing import Any

from track_persistence.report.tables import METHODS
from track_persistence.tracking.config import FUSIONS

AGES = ("1", "3", "10", "whole")
PROFILES = ("matched", "nominal")


def measured(value: float, width: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - width, "high": value + width}


def split_metrics(auc: dict[str, list[float]], accuracy: dict[str, list[float]]) -> dict[str, Any]:
    """`auc` and `accuracy` give each method's value at every age."""
    return {
        "scenes": 12,
        "tracks": 90,
        "persistent": 55,
        "by_frames": {
            age: {"tracks": 90}
            | {
                method: {
                    "auc": measured(auc[method][at]),
                    "accuracy": measured(accuracy[method][at]),
                    "precision": measured(0.9),
                    "recall": measured(0.8),
                    "calibration_error": measured(0.02 + 0.01 * at, 0.005),
                }
                for method in METHODS
            }
            for at, age in enumerate(AGES)
        },
    }


def train_metrics_of_a_run() -> dict[str, Any]:
    values = {method: [0.5, 0.6, 0.65, 0.65] for method in METHODS} | {
        "transformer": [0.81, 0.93, 0.97, 0.98],
        "min_hits": [0.5, 0.71, 0.96, 1.0],
        "mean_confidence": [0.66, 0.7, 0.72, 0.72],
        "no_pixels": [0.68, 0.8, 0.96, 0.99],
    }
    part = {
        "validation": split_metrics(values, values),
        "test": split_metrics(values, values),
        "by_ghost": {ghost: ghost_metrics(tracks) for ghost, tracks in (("glare", 20), ("id_switch", 15))},
        "early": early_metrics(),
        "length": {split: battery() for split in ("validation", "test")},
        "calibration": {"temperature": 1.31, "test_ece_before": 0.06, "test_ece_after": 0.02},
        "seeds": {age: {name: {"mean": 0.9, "min": 0.85, "max": 0.95} for name in ("auc", "accuracy")} for age in AGES},
    }
    return {
        **{profile: copy.deepcopy(part) for profile in PROFILES},
        "training": {"source": "simulation", "epochs": 3, "best_epoch": 2, "seeds": 3},
    }


def ghost_metrics(tracks: int) -> dict[str, Any]:
    areas = {"transformer": 0.9, "no_pixels": 0.6, "sprt": 0.7, "mean_confidence": 0.95}
    by_method = {name: {"auc": measured(area), "rejected": measured(area - 0.1)} for name, area in areas.items()}
    return {"tracks": tracks, "by_frames": {age: by_method for age in AGES}}


def early_metrics() -> dict[str, Any]:
    """At an error of 0.2 the sequential test takes 4 frames, the filter 2; `min_hits` errs less than the filter can."""

    def point(error: float, frames: float) -> dict[str, float]:
        return {"setting": 0.02, "error": error, "frames": frames, "wrongly_kept": error, "wrongly_dropped": error}

    shipped = ("frames", "frames_real", "frames_false", "forced", "wrongly_kept", "wrongly_dropped")
    unknown = {"value": None, "low": None, "high": None}
    return {
        "error_budget": 0.02,
        "longest_wait_frames": 10,
        "shipped": {name: measured(0.5) for name in shipped},
        "curves": {
            "transformer": [point(0.2, 2.0), point(0.3, 1.0)],
            "sprt": [point(0.2, 4.0), point(0.25, 3.0)],
            "min_hits": [point(0.1, 5.0), point(0.5, 1.0)],
        },
        "at_equal_error": {
            "sprt": {
                "setting": 0.02,
                "error": 0.2,
                "frames": 4.0,
                "transformer_error": 0.2,
                "transformer_frames": 2.0,
                "ratio": measured(0.5, 0.1),
            },
            "min_hits": {
                "setting": 5.0,
                "error": 0.1,
                "frames": 5.0,
                "transformer_error": None,
                "transformer_frames": None,
                "ratio": unknown,
            },
        },
    }


def battery() -> dict[str, Any]:
    checks = {
        "recall_lost_by_truncation": {"value": 0.04, "limit": 0.1, "passes": True},
        "ghosts_gained_by_tiling": {"value": 0.01, "limit": 0.05, "passes": True},
        "accuracy_lost_by_shuffling": {"value": 0.0, "limit": 0.03, "passes": True},
    }
    names = ("mean_frame", "shuffled", "tiled_10", "truncated_1", "truncated_10", "truncated_2", "whole")
    shares = {key: measured(0.8) for key in ("auc", "accuracy", "real_kept", "ghosts_kept")}
    return {
        "variants": {name: shares for name in names},
        "checks": checks,
        "passes": True,
        "real": 40,
        "ghosts": 50,
        "length_alone_auc": measured(0.51),
    }


def fuse_metrics() -> dict[str, Any]:
    """All witnesses together are best, their plain sum comes next, then appearance alone."""
    areas = {name: 0.7 for name in FUSIONS} | {"appearance": 0.8, "plain_sum": 0.82}
    areas["appearance_statistics_geometry"] = 0.9
    methods = {
        name: {
            "auc": measured(area, 0.01),
            "expected_calibration_error": measured(0.05, 0.01),
            "accuracy": measured(area),
        }
        for name, area in areas.items()
    }
    rejected = {name: measured(0.25) for name in areas} | {"tracks": 12}
    by_age = {age: {"tracks": 40, **methods} for age in AGES}
    by_ghost = {age: {"static_glare": rejected, "real": rejected, "glare": rejected} for age in AGES}
    part = {"by_frames": by_age, "rejected_by_ghost": by_ghost}
    return {profile: {"test": copy.deepcopy(part)} for profile in PROFILES}


def ablation_metrics() -> dict[str, Any]:
    """The trained encoder under the transformer has 0.9, everything else its own figure below; both inputs 0.92."""
    areas = {
        "transformer": {
            "magvit": 0.9,
            "random_magvit": 0.8,
            "colour_hog": 0.85,
            "pixels_8x8": 0.65,
            "both": 0.92,
            "no_pixels": 0.7,
        },
        "linear": dict.fromkeys(
            ("magvit", "random_magvit", "colour_hog", "cheap_pixels", "pixels_8x8", "statistics"), 0.75
        ),
    }
    heads = {
        head: {
            cue: {
                "auc": measured(area),
                "minus_transformer_magvit": measured(area - 0.9, 0.01),
                "minus_linear_magvit": measured(area - 0.75, 0.01),
            }
            for cue, area in cues.items()
        }
        for head, cues in areas.items()
    }
    part = {
        "scenes": 12,
        "tracks": 90,
        "persistent": 40,
        "by_frames": {age: copy.deepcopy(heads) for age in ("1", "3", "10")},
        "by_ghost": {"glare": {"tracks": 20, **heads}},
    }
    return {"profile": "matched", "shards": 2, "training_tracks": 300, "validation": part, "test": part}


def geometry_metrics() -> dict[str, Any]:
    ages = {
        age: {
            "tracks": 40,
            "geometry": {"auc": measured(0.75), "accuracy": measured(0.7)},
            "min_hits": {"auc": measured(0.5)},
            "mean_confidence": {"auc": measured(0.875)},
        }
        for age in ("3", "1", "whole")
    }
    rejected = {"real": measured(0.125), "glare": measured(0.625)}
    part = {"by_frames": ages, "rejected_by_ghost": {"1": {"real": measured(0.25)}, "3": rejected, "whole": rejected}}
    return {profile: {"validation": part, "test": part} for profile in PROFILES}

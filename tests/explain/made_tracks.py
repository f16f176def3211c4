"""Tracks with features, and a section `analyze`, for the tests of evidence."""

import numpy as np
from tests.made_classifier import classifier_metadata, profile_entry

from track_persistence.core.types import LabelledFeatures
from track_persistence.explain.config import AnalyzeConfig

WIDTH = 8
PROVENANCE = {"encoder_digest": "abc", "precision": "float32", "published": "{}"}
METADATA = classifier_metadata("abc", profiles={name: profile_entry(2.0) for name in ("matched", "nominal")})


def analyze_config(**changes):
    values = {
        "profile": "matched",
        "split": "validation",
        "prefix_frames": (1, 3, 50),
        "faithfulness_tracks": 8,
        "faithfulness_min_frames": 5,
        "removed_share": 0.2,
        "random_orders": 3,
        "bootstrap_replicates": 20,
        "failure_cases": 2,
        "typical_cases": 1,
    }
    return AnalyzeConfig.model_validate(values | changes)


def make_track(scene_id, track_id, kind, ghost, frames):
    rng = np.random.default_rng([scene_id, track_id])
    return LabelledFeatures(
        scene_id=scene_id,
        camera=track_id % 2,
        track_id=track_id,
        frames=np.arange(frames, dtype=np.int32),
        boxes_xywh_px=np.tile(np.array([[5, 6, 7, 8]], np.float32), (frames, 1)),
        confidences=np.full(frames, 0.5, np.float32),
        features=rng.normal(size=(frames, WIDTH)).astype(np.float32),
        kind=kind,
        ghost=ghost,
        object_id=None,
    )

"""Metadata of classifier checkpoints for tests."""

from typing import Any

RULE = {"error_budget": 0.1, "keep_from": [9e8, 9e8, 9e8, 9e8], "drop_to": [-9e8, -9e8, -9e8, -9e8], "forced": 0.0}
"""Waits until 4 frames were seen or the track has ended."""

PUBLISHED = {
    "tap": "pre_out",
    "projection": "orthogonal",
    "dimension": 256,
    "projection_seed": 7,
    "clip_frames": 17,
}


def profile_entry(temperature: float = 1.0, decision: Any = RULE, scale: tuple[float, float] = (0.0, 1.0)) -> Any:
    """One temperature for every number of frames."""
    return {
        "calibration": {"ages": [1], "temperatures": [temperature], "biases": [0.0]},
        "decision": decision,
        "confidence_scale": {"mean": scale[0], "std": scale[1]},
    }


def classifier_metadata(encoder_digest: str, **changes: Any) -> dict[str, Any]:
    """What a checkpoint has to say; both profiles are calibrated alike unless `profiles` are given."""
    return {
        "dtype": "float16",
        "encoder_digest": encoder_digest,
        "inputs": "pixels",
        "max_frames": 64,
        "precision": "float32",
        "profiles": {"matched": profile_entry(), "nominal": profile_entry()},
        "published": PUBLISHED,
        "shipped_profile": "matched",
        "threshold": 0.5,
    } | changes

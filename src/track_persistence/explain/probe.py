"""What the classifier says about one track: whole, after its first frames, and with frames taken away.

T frames of the track, C input width, N variants of the track judged together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.classifier.calibration import Calibration
from track_persistence.classifier.channels import ConfidenceScale, model_inputs
from track_persistence.classifier.checkpoint import LoadedClassifier
from track_persistence.classifier.model import PersistenceTransformer
from track_persistence.core.types import Ghost, Kind, LabelledFeatures
from track_persistence.explain.config import AnalyzeConfig
from track_persistence.explain.measures import AttentionMeasures, FloatVector, measure


@dataclass(frozen=True)
class Deletion:
    """Decision support, in calibrated log-odds towards the decision taken, lost by removing frames of one track.

    attended: lost with the most attended frames; random: mean loss over as many randomly chosen frames.
    """

    attended: float
    random: float


@dataclass(frozen=True, eq=False)
class ProbedTrack:
    """One track's label, decision and attention, without its features.

    probability: of being persistent. prefix_probabilities, prefix_kept: after the first `prefix_frames` frames.
    attention: (T,), summing to 1.
    """

    scene_id: int
    camera: int
    track_id: int
    kind: Kind
    ghost: Ghost
    kept: bool
    probability: float
    prefix_probabilities: tuple[float, ...]
    prefix_kept: tuple[bool, ...]
    detector_confidence: float
    attention: FloatVector
    measures: AttentionMeasures | None
    deletion: Deletion | None

    @property
    def duration_frames(self) -> int:
        """Number of observed frames T."""
        return len(self.attention)

    @property
    def outcome(self) -> str:
        """One of `facts.OUTCOMES`; positive means kept as persistent."""
        if self.kept:
            return "true_positive" if self.kind is Kind.PERSISTENT else "false_positive"
        return "false_negative" if self.kind is Kind.PERSISTENT else "true_negative"


def probe(
    classifier: LoadedClassifier,
    track: LabelledFeatures,
    config: AnalyzeConfig,
    deletion_rng: np.random.Generator | None,
) -> ProbedTrack:
    """Judge `track` and its variants in one batch, which depends on this track alone.

    `deletion_rng` draws the random deletions; None leaves the deletion test out.
    """
    frames, scale = len(track), scale_of(classifier, config)
    whole = model_inputs(track.features, track, classifier.inputs, scale)  # (T, C)
    attention = np.asarray(classifier.model.get_frame_importance(whole), np.float64)
    attention /= attention.sum()
    lengths = sorted({frames, *(count for count in config.prefix_frames if count < frames)}, reverse=True)
    variants = [whole[:length] for length in lengths]
    if deletion_rng is not None:
        left = [without(track, indices) for indices in _deletions(attention, config, deletion_rng)]
        variants += [model_inputs(own.features, own, classifier.inputs, scale) for own in left]
    calibration = classifier.profile(config.profile).calibration
    log_odds = calibrated_log_odds(classifier.model, calibration, variants)
    probabilities = 1 / (1 + np.exp(-log_odds))
    kept = probabilities >= float(classifier.metadata["threshold"])
    lost = (log_odds[0] - log_odds[len(lengths) :]) * (1 if kept[0] else -1)
    rows = [lengths.index(min(count, frames)) for count in config.prefix_frames]
    return ProbedTrack(
        scene_id=track.scene_id,
        camera=track.camera,
        track_id=track.track_id,
        kind=track.kind,
        ghost=track.ghost,
        kept=bool(kept[0]),
        probability=float(probabilities[0]),
        prefix_probabilities=tuple(float(probabilities[row]) for row in rows),
        prefix_kept=tuple(bool(kept[row]) for row in rows),
        detector_confidence=float(track.confidences.astype(np.float64).mean()),
        attention=attention,
        measures=measure(attention),
        deletion=None if deletion_rng is None else Deletion(float(lost[0]), float(lost[1:].mean())),
    )


def _deletions(attention: FloatVector, config: AnalyzeConfig, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Return the frames left without the most attended ones, and then without as many random ones, each in order."""
    frames = len(attention)
    removed = math.ceil(config.removed_share * frames)
    by_attention = np.argsort(-attention, kind="stable")
    orders = [by_attention, *[rng.permutation(frames) for _ in range(config.random_orders)]]
    return [np.sort(order[removed:]) for order in orders]


def scale_of(classifier: LoadedClassifier, config: AnalyzeConfig) -> ConfidenceScale | None:
    """Return the scale of the profile's confidences in the checkpoint, None for a classifier of pixels alone."""
    return None if classifier.inputs == "pixels" else classifier.profile(config.profile).confidence_scale


def without(track: LabelledFeatures, indices: NDArray[np.intp]) -> LabelledFeatures:
    """Return the track as if the detector had missed all frames but those at `indices`, which grow."""
    return replace(
        track,
        frames=track.frames[indices],
        boxes_xywh_px=track.boxes_xywh_px[indices],
        confidences=track.confidences[indices],
        features=track.features[indices],
    )


def calibrated_log_odds(
    model: PersistenceTransformer, calibration: Calibration, variants: Sequence[NDArray[np.float32]]
) -> FloatVector:
    """Return the calibrated log-odds (N,) of the inputs (T, C) of `variants`, whose T differ."""
    lengths = np.array([len(inputs) for inputs in variants])
    batch = np.zeros((len(variants), lengths.max(), variants[0].shape[1]), np.float32)  # (N, T, C)
    valid = np.zeros(batch.shape[:2], np.bool_)  # (N, T)
    for row, inputs in enumerate(variants):
        batch[row, : len(inputs)] = inputs
        valid[row, : len(inputs)] = True
    device = next(model.parameters()).device
    with torch.inference_mode():
        logits = model.logits(torch.from_numpy(batch).to(device), torch.from_numpy(valid).to(device))  # (N,)
    return calibration.log_odds(logits.cpu().numpy(), lengths)

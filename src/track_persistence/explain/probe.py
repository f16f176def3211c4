"""What the classifier says about one track: whole, after its first frames, and with frames taken away.

T frames of the track, C feature width, N variants of the track judged together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.classifier.checkpoint import LoadedClassifier
from track_persistence.core.types import Ghost, Kind, LabelledFeatures
from track_persistence.explain.config import AnalyzeConfig
from track_persistence.explain.measures import AttentionMeasures, FloatVector, measure


@dataclass(frozen=True)
class Deletion:
    """Decision support, in calibrated logits towards the decision taken, lost by removing frames of one track.

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
    frames = len(track)
    attention = np.asarray(classifier.model.get_frame_importance(track.features), np.float64)
    attention /= attention.sum()
    lengths = sorted({frames, *(count for count in config.prefix_frames if count < frames)}, reverse=True)
    variants = [np.arange(length) for length in lengths]
    if deletion_rng is not None:
        variants += _deletions(attention, config, deletion_rng)
    logits = calibrated_logits(classifier, track.features, variants)
    probabilities = 1 / (1 + np.exp(-logits))
    kept = probabilities >= float(classifier.metadata["threshold"])
    lost = (logits[0] - logits[len(lengths) :]) * (1 if kept[0] else -1)
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


def calibrated_logits(
    classifier: LoadedClassifier, features: NDArray[np.floating], variants: Sequence[NDArray[np.intp]]
) -> FloatVector:
    """Return the calibrated logits (N,) of a track (T, C) reduced to each of `variants`, arrays of frame indices."""
    batch = np.zeros((len(variants), max(map(len, variants)), features.shape[1]), np.float32)  # (N, T, C)
    valid = np.zeros(batch.shape[:2], np.bool_)  # (N, T)
    for row, indices in enumerate(variants):
        batch[row, : len(indices)] = features[indices]
        valid[row, : len(indices)] = True
    device = next(classifier.model.parameters()).device
    with torch.inference_mode():
        logits = classifier.model.logits(torch.from_numpy(batch).to(device), torch.from_numpy(valid).to(device))  # (N,)
    calibrated: FloatVector = logits.cpu().numpy().astype(np.float64) / float(classifier.metadata["temperature"])
    return calibrated

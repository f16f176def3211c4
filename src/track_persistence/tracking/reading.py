"""The trained transformer as a function from frame inputs to calibrated log-odds.

B tracks, T frames of a track, C width of a frame's input: encoder features, no-pixel channels, or both.
"""

from collections.abc import Sequence

import numpy as np
import torch

from track_persistence.classifier.channels import ConfidenceScale, Inputs, model_inputs
from track_persistence.classifier.checkpoint import LoadedClassifier
from track_persistence.classifier.decision import DecisionRule
from track_persistence.classifier.rules import Timeline
from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.types import FloatArray
from track_persistence.tracking.results import Verdict, probability

DTYPES = {"float16": np.float16, "float32": np.float32}


class TrackReader:
    """Reads tracks of any length; every track on its own, or many at a time.

    threshold: probability from which on a whole track is kept. rule: when to keep or drop a track while it grows.
    longest_frames: frames of the longest tracks that the transformer was trained on.
    """

    def __init__(
        self, loaded: LoadedClassifier, device: torch.device, scale: ConfidenceScale | None, profile: str | None
    ) -> None:
        """Take over a classifier.

        profile: whose calibration and rule are used, None for the shipped one's. scale: of the detector's confidences,
        needed when the classifier takes no-pixel channels; None stands for that of a profile that is named. Raises
        `CheckpointError` when there is none, on an unknown profile, or when the dtype of the features is not known.
        """
        fitted = loaded.profile(profile)
        self.inputs: Inputs = loaded.inputs
        if self.inputs != "pixels" and scale is None and profile is None:
            raise CheckpointError(
                f"{loaded.path}: was trained on {self.inputs}, so it needs the scale of the detector's confidences; "
                "pass confidence_scale=ConfidenceScale.of(all confidences of the recording), or the profile whose "
                f"detector made them: {', '.join(loaded.profiles)}"
            )
        dtype = loaded.metadata["dtype"]
        if dtype not in DTYPES:
            raise CheckpointError(
                f"{loaded.path}: metadata dtype is {dtype!r}; expected one of {tuple(DTYPES)}, run extract and train "
                "again"
            )
        self.threshold = float(loaded.metadata["threshold"])
        self.longest_frames = int(loaded.metadata["max_frames"])
        self.rule: DecisionRule = fitted.decision
        self._path, self._model, self._calibration = loaded.path, loaded.model, fitted.calibration
        self._scale = fitted.confidence_scale if scale is None else scale
        self._dtype, self._device = DTYPES[dtype], device

    def inputs_of(self, features: FloatArray | None, track: Timeline | None) -> FloatArray:
        """Return what the transformer takes of a track, (T, C) float32.

        features: (T, D) of the encoder, None when it takes none; they are rounded as those it was trained on. track:
        boxes and confidences, None when it takes pixels alone. Raises `DataError` when one is missing, or features
        leave the range of their dtype.
        """
        if features is not None:
            with np.errstate(over="ignore"):
                features = features.astype(self._dtype).astype(np.float32)
            if not np.isfinite(features).all():
                raise DataError(f"track_pixels: features leave the range of {self._dtype.__name__}; check the encoder")
        if self.inputs == "pixels" and features is not None:
            return features
        if track is None:
            raise DataError(
                f"{self._path}: was trained on {self.inputs}, so pixels alone do not do; give boxes and confidences "
                "as well (predict_tracks, or the detections of update)"
            )
        return model_inputs(features, track, self.inputs, self._scale)

    def judge(self, inputs: FloatArray) -> Verdict:
        """Judge one whole track from its inputs (T, C)."""
        batch = torch.from_numpy(inputs[None]).to(self._device)
        valid = torch.ones(batch.shape[:2], dtype=torch.bool, device=self._device)
        with torch.inference_mode():
            logits, attention = self._model(batch, valid)  # (1,), (1, H, T, T)
        log_odds = float(self._calibration.log_odds(float(logits[0]), len(inputs)))
        confidence = probability(log_odds)
        weights: FloatArray = attention[0].mean(dim=(0, 1)).cpu().numpy()
        return Verdict(confidence >= self.threshold, confidence, log_odds, weights)

    def log_odds(self, tracks: Sequence[FloatArray]) -> list[float]:
        """Judge many tracks, (T_i, C) each, in one pass; equal to `judge` but for rounding."""
        if not tracks:
            return []
        lengths = [len(track) for track in tracks]
        batch = torch.zeros(len(tracks), max(lengths), tracks[0].shape[1])  # (B, T, C)
        for row, track in enumerate(tracks):
            batch[row, : len(track)] = torch.from_numpy(track)
        valid = torch.arange(batch.shape[1]) < torch.tensor(lengths)[:, None]
        with torch.inference_mode():
            logits = self._model.logits(batch.to(self._device), valid.to(self._device)).cpu().numpy()
        found: list[float] = self._calibration.log_odds(logits, np.array(lengths)).tolist()
        return found

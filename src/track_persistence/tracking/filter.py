"""The persistence filter: crops of one track in, a calibrated decision with its attention out.

T frames of a track. A track is encoded and classified on its own, so its answer never depends on the tracks beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.classifier.checkpoint import load_classifier
from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.files import file_digest
from track_persistence.core.types import CropArray, FloatArray, check_crops
from track_persistence.magvit.checkpoint import load_tokenizer
from track_persistence.magvit.config import Precision
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.tracking.explanation import describe_attention
from track_persistence.tracking.results import Verdict, probability

DTYPES = {"float16": np.float16, "float32": np.float32}


class PersistenceFilter:
    """Tells from a track's pixels whether it is a real object.

    threshold: probability from which on a track is kept; it comes with the classifier's checkpoint.
    """

    def __init__(self, model_checkpoint: Path | str, magvit_checkpoint: Path | str, device: str = "cpu") -> None:
        """Load both networks.

        Raises `DeviceError` when the device is absent, `CheckpointError` when the classifier was trained on another
        encoder's features.
        """
        model_path, encoder_path = Path(model_checkpoint), Path(magvit_checkpoint)
        self._device = resolve_device(device)
        loaded = load_classifier(model_path, self._device)
        tokenizer = load_tokenizer(encoder_path)
        digest, trained_on = file_digest(encoder_path), str(loaded.metadata["encoder_digest"])
        if trained_on != digest:
            raise CheckpointError(
                f"{model_path}: was trained on features of encoder {trained_on}, but {encoder_path} is {digest}; "
                "pass the encoder it was trained with, or run extract and train again"
            )
        self.threshold = float(loaded.metadata["threshold"])
        self._temperature = float(loaded.metadata["temperature"])
        self._dtype = DTYPES[_known(model_path, loaded.metadata, "dtype", tuple(DTYPES))]
        self._model = loaded.model
        self._is_causal = tokenizer.config.time_stride == 1
        precision = _known(model_path, loaded.metadata, "precision", get_args(Precision))
        self._encoder = MagvitEncoder(tokenizer, digest, cast(Precision, precision), device)

    def predict(self, track_pixels: CropArray) -> tuple[bool, float, FloatArray]:
        """Judge one track.

        track_pixels: (T, 64, 64, 3) uint8 RGB, T >= 1. Returns whether the track is persistent, the probability that it
        is, and the attention (T,) summing to 1. Raises `DataError` on other pixels.
        """
        verdict = self._judge(self._features(track_pixels))
        return verdict.is_persistent, verdict.confidence, verdict.attention

    def predict_many(self, tracks: Sequence[CropArray]) -> list[Verdict]:
        """Judge every track on its own; the same answers as `predict`, bit for bit."""
        return [self._judge(self._features(pixels)) for pixels in tracks]

    def prefix_probabilities(self, track_pixels: CropArray, lengths: Sequence[int]) -> NDArray[np.float64]:
        """Return the probability of being persistent after the first `min(length, T)` frames, for each of `lengths`.

        An encoder without time stride is causal: features of the first frames do not change when later ones arrive, so
        the track is encoded once. With a stride each prefix is encoded on its own.
        Raises `DataError` on a length below 1.
        """
        if any(length < 1 for length in lengths):
            raise DataError(f"lengths {list(lengths)}: a track can be judged from 1 frame on")
        if not self._is_causal:
            return np.array([self.predict(track_pixels[:length])[1] for length in lengths], np.float64)
        features = self._features(track_pixels)
        return np.array([self._judge(features[:length]).confidence for length in lengths], np.float64)

    def get_explanation(self, attention: FloatArray, duration: int) -> str:
        """Return in words where the attention of a track of `duration` observed frames lay.

        Raises `DataError` unless attention is (duration,) and sums to 1.
        """
        return describe_attention(attention, duration)

    def _features(self, track_pixels: CropArray) -> FloatArray:
        """Encode one track: (T, D) float32, rounded as the features that the classifier was trained on."""
        check_crops("track_pixels", track_pixels)
        (features,) = self._encoder.encode([track_pixels])
        with np.errstate(over="ignore"):
            rounded: FloatArray = features.astype(self._dtype).astype(np.float32)
        if not np.isfinite(rounded).all():
            raise DataError(f"track_pixels: features leave the range of {self._dtype.__name__}; check the encoder")
        return rounded

    def _judge(self, features: FloatArray) -> Verdict:
        batch = torch.from_numpy(features[None]).to(self._device)
        valid = torch.ones(batch.shape[:2], dtype=torch.bool, device=self._device)
        with torch.inference_mode():
            logits, attention = self._model(batch, valid)  # (1,), (1, H, T, T)
        log_odds = float(logits[0]) / self._temperature
        confidence = probability(log_odds)
        weights: FloatArray = attention[0].mean(dim=(0, 1)).cpu().numpy()
        return Verdict(confidence >= self.threshold, confidence, log_odds, weights)


def _known(path: Path, metadata: Mapping[str, str | float], key: str, known: tuple[str, ...]) -> str:
    value = metadata[key]
    if value not in known:
        raise CheckpointError(
            f"{path}: metadata {key} is {value!r}; expected one of {known}, run extract and train again"
        )
    return str(value)

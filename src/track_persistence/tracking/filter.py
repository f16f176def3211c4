"""The persistence filter: crops of one track in, a calibrated decision with its attention out.

T frames of a track. A whole track is encoded and classified on its own, so its answer never depends on the tracks
beside it; tracks that are judged while they grow share their passes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from track_persistence.classifier.adapter_file import load_adapter
from track_persistence.classifier.channels import ConfidenceScale
from track_persistence.classifier.checkpoint import LoadedClassifier, load_classifier
from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.types import CropArray, FloatArray, Track, check_crops
from track_persistence.magvit.checkpoint import load_tokenizer
from track_persistence.magvit.config import ExtractConfig, Precision
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.encoders import NATIVE, TrackEncoder, load_encoder
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.magvit.streaming import Key, StreamingEncoder
from track_persistence.magvit.tokenizer import TrackTokenizer
from track_persistence.tracking.explanation import describe_attention
from track_persistence.tracking.online import OnlineTracks
from track_persistence.tracking.reading import TrackReader
from track_persistence.tracking.results import Detection, RunningVerdict, Verdict, probability
from track_persistence.tracking.site import SiteJudge

Made = TypeVar("Made")


class PersistenceFilter:
    """Tells from a track's pixels whether it is a real object.

    threshold: probability from which on a track is kept; it comes with the classifier's checkpoint.
    """

    def __init__(
        self,
        model_checkpoint: Path | str,
        magvit_checkpoint: Path | str,
        device: str = "cpu",
        confidence_scale: ConfidenceScale | None = None,
        profile: str | None = None,
    ) -> None:
        """Load both networks.

        profile: the kind of scenes whose calibration and decision rule are used, None for the one that the checkpoint
        was made to ship with. confidence_scale: of the detector's confidences, for a classifier that takes boxes and
        confidences as well; None stands for that of a profile that is named. Raises `DeviceError` when the device is
        absent, `CheckpointError` when the classifier was trained on another encoder's features, has not learned the
        profile or needs a scale.
        """
        model_path, encoder_path = Path(model_checkpoint), Path(magvit_checkpoint)
        torch_device = resolve_device(device)
        loaded = load_classifier(model_path, torch_device)
        self._encoder: TrackEncoder = load_encoder(encoder_path, _extraction(loaded), device)
        trained_on = str(loaded.metadata["encoder_digest"])
        if trained_on != self._encoder.digest:
            raise CheckpointError(
                f"{model_path}: was trained on features of encoder {trained_on}, but {encoder_path} is "
                f"{self._encoder.digest}; pass the encoder it was trained with, or run extract and train again"
            )
        self._reader = TrackReader(loaded, torch_device, confidence_scale, profile)
        self.threshold = self._reader.threshold
        self._encoder_path, self._device = encoder_path, device
        adapter = load_adapter(model_path)
        self._site = None if adapter is None else SiteJudge(adapter, self._own_encoder(LevelEncoder))
        self._online: OnlineTracks | None = None

    def predict(self, track_pixels: CropArray) -> tuple[bool, float, FloatArray]:
        """Judge one track.

        track_pixels: (T, 64, 64, 3) uint8 RGB, T >= 1. Returns whether the track is persistent, the probability that it
        is, and the attention (T,) summing to 1. Raises `DataError` on other pixels, or when the classifier needs boxes
        as well (`predict_tracks`).
        """
        verdict = self._verdict(track_pixels, None)
        return verdict.is_persistent, verdict.confidence, verdict.attention

    def predict_many(self, tracks: Sequence[CropArray]) -> list[Verdict]:
        """Judge every track on its own; the same answers as `predict`, bit for bit."""
        return [self._verdict(pixels, None) for pixels in tracks]

    def predict_tracks(self, tracks: Sequence[Track]) -> list[Verdict]:
        """Judge every track on its own from all that the classifier takes of it.

        A filter that was adapted to a site hears all witnesses here: boxes and confidences of the detector that it was
        adapted with count as well.
        """
        return [self._verdict(track.crops, track) for track in tracks]

    def prefix_probabilities(self, track_pixels: CropArray, lengths: Sequence[int]) -> NDArray[np.float64]:
        """Return the probability of being persistent after the first `min(length, T)` frames, for each of `lengths`.

        An encoder without time stride is causal: features of the first frames do not change when later ones arrive, so
        the track is encoded once. With a stride each prefix is encoded on its own.
        Raises `DataError` on a length below 1.
        """
        if any(length < 1 for length in lengths):
            raise DataError(f"lengths {list(lengths)}: a track can be judged from 1 frame on")
        if not self._encoder.is_causal:
            return np.array([self.predict(track_pixels[:length])[1] for length in lengths], np.float64)
        if self._site is not None:
            running = self._site.log_odds(track_pixels, None)
            return np.array([probability(float(running[min(n, len(running)) - 1])) for n in lengths], np.float64)
        inputs = self._reader.inputs_of(self._features(track_pixels), None)
        return np.array([self._reader.judge(inputs[:length]).confidence for length in lengths], np.float64)

    def update(
        self,
        crops: Mapping[Key, NDArray[np.uint8]],
        detections: Mapping[Key, Detection] | None = None,
        with_attention: bool = False,
    ) -> dict[Key, RunningVerdict]:
        """Take in the newest crop of every track that a frame shows; return what is now known of these tracks.

        crops: (64, 64, 3) uint8 RGB by key, such as (camera, track id); give the tracks of all cameras at once, they
        share a pass. An unknown key begins a track; a live track that is not given was missed and waits. detections:
        by the same keys, needed when the classifier takes boxes and confidences as well; a filter that was adapted to a
        site hears them, too, of tracks that have one with every crop. with_attention costs a pass of the transformer
        for each track.

        A running verdict is that of `predict` on the first `frames_read` crops, or of `predict_tracks` where detections
        are heard, but for the rounding of another order of sums (in bfloat16 some thousandths of the log-odds). These
        are all crops so far, save for a decided track of more than 16 frames without attention, which the transformer
        reads anew with every second frame, of more than 32 with every third, and so on. Of a track longer than any that
        the classifier was trained on, it reads the newest frames. A site's adapter hears every frame.
        Raises `CheckpointError` when the encoder has a time stride or is a published one, `DataError` on other pixels
        or missing detections.
        """
        if self._online is None:
            blind = self._reader.inputs == "no_pixels" and self._site is None
            stream = None if blind else self._own_encoder(StreamingEncoder)
            self._online = OnlineTracks(stream, self._reader, self._site)
        return self._online.update(crops, detections, with_attention)

    def end(self, keys: Iterable[Key]) -> dict[Key, RunningVerdict]:
        """Forget tracks that the 2D tracker has ended, and return their final verdicts: each is kept or dropped.

        Raises `DataError` when one of them is not alive.
        """
        if self._online is None:
            raise DataError(f"tracks {list(keys)}: none is alive; update them first")
        return self._online.end(keys)

    def reset(self) -> None:
        """Forget all tracks that `update` has begun."""
        self._online = None

    def get_explanation(self, attention: FloatArray, duration: int) -> str:
        """Return in words where the attention of a track of `duration` observed frames lay.

        Raises `DataError` unless attention is (duration,) and sums to 1.
        """
        return describe_attention(attention, duration)

    def _verdict(self, track_pixels: CropArray, track: Track | None) -> Verdict:
        """Judge by the transformer; an adapter's log-odds take the place of its own, the attention stays."""
        verdict = self._reader.judge(self._reader.inputs_of(self._features(track_pixels), track))
        if self._site is None:
            return verdict
        log_odds = float(self._site.log_odds(track_pixels, track)[-1])
        confidence = probability(log_odds)
        return Verdict(confidence >= self.threshold, confidence, log_odds, verdict.attention)

    def _features(self, track_pixels: CropArray) -> FloatArray | None:
        """Encode one track: (T, D) float32, None when the classifier takes no pixels."""
        check_crops("track_pixels", track_pixels)
        if self._reader.inputs == "no_pixels":
            return None
        (features,) = self._encoder.encode([track_pixels])
        return features

    def _own_encoder(self, make: Callable[[TrackTokenizer, Precision, str], Made]) -> Made:
        """Make what looks inside the encoder; raises `CheckpointError` when it is a published one."""
        family = self._encoder.provenance["family"]
        if family != NATIVE:
            raise CheckpointError(
                f"{self._encoder_path}: is an encoder of family {family}, which sees whole clips alone; judging tracks "
                "frame by frame and adapting to a site take the tokenizer stage's magvit.safetensors"
            )
        return make(load_tokenizer(self._encoder_path), self._encoder.precision, self._device)


def _extraction(loaded: LoadedClassifier) -> ExtractConfig:
    """Return how the features were made that the classifier was trained on."""
    settings = {key: loaded.metadata[key] for key in ("precision", "dtype", "published")}
    try:
        return ExtractConfig.model_validate(settings)
    except ValidationError as error:
        wrong = "; ".join(
            f"metadata {'.'.join(map(str, fault['loc']))} is {fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise CheckpointError(f"{loaded.path}: {wrong}; run extract and train again") from error

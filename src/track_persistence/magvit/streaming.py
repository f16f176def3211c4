"""The causal encoder frame by frame: one new crop of every live track in, one feature of each out.

B tracks in a pass, D feature width, C0 and C1 channels of the first two levels. Only for encoders without time stride:
with one, a feature waits for frames that have not been seen yet.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.types import CROP_SIZE_PX, FloatArray, check_array
from track_persistence.magvit.config import Precision
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.encoder import State
from track_persistence.magvit.features import FRAMES_PER_PASS
from track_persistence.magvit.inference import DTYPES, ready_encoder
from track_persistence.magvit.levels import listening, texture_and_layout
from track_persistence.magvit.tokenizer import TrackTokenizer, to_video

Key = TypeVar("Key", bound=Hashable)
"""Type of whatever tells one live track from another, (camera, track id) say."""
CROP_SHAPE = (CROP_SIZE_PX, CROP_SIZE_PX, 3)
Found = TypeVar("Found")
Encode = Callable[[Tensor, State | None], tuple[Sequence[Found], State]]
"""From the newest frames (B, 3, 1, 64, 64) and the states to something of each track, and the new states."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the encoder gives of one frame: its feature (D,), texture (C0,) and layout (16 C1,), all float32."""

    feature: FloatArray
    texture: FloatArray
    layout: FloatArray


class StreamingEncoder:
    """Encodes tracks as they grow, at a cost and memory per frame that do not depend on how long they are.

    The state of a track is what its causal convolutions still need of its past: two frames of activations a layer. The
    states of all live tracks lie stacked, so that one pass serves all tracks of all cameras.
    """

    def __init__(self, tokenizer: TrackTokenizer, precision: Precision, device: str) -> None:
        """Copy the encoder of `tokenizer`, to run in `precision` on `device`.

        Raises `CheckpointError` when the encoder has a time stride, `DeviceError` when the device is absent.
        """
        stride = tokenizer.config.time_stride
        if stride != 1:
            raise CheckpointError(
                f"encoder: time_stride is {stride}, so the feature of a frame needs up to {stride - 1} later ones; "
                "train the tokenizer with time_stride 1 to judge tracks while they grow"
            )
        self._device = resolve_device(device)
        self._encoder = ready_encoder(tokenizer.encoder, precision, self._device)
        self._dtype = DTYPES[precision]
        self._rows: dict[Hashable, int] = {}
        self._state: State = []

    def __len__(self) -> int:
        """Return the number of live tracks."""
        return len(self._rows)

    def __contains__(self, key: Hashable) -> bool:
        """Whether the track was pushed and has not ended."""
        return key in self._rows

    def push(self, crops_by_track: Mapping[Key, NDArray[np.uint8]]) -> dict[Key, FloatArray]:
        """Encode the newest crop (64, 64, 3) uint8 of each track given; returns their features (D,) float32.

        A key that is not alive starts a track. A live track that is not given was missed in this frame and waits.
        The features are those of `MagvitEncoder.encode` on all crops of the track so far, but for rounding: which
        tracks share a pass changes the order of sums. Raises `DataError` on another shape or dtype.
        """
        return self._push(crops_by_track, self._features)

    def push_with_levels(self, crops_by_track: Mapping[Key, NDArray[np.uint8]]) -> dict[Key, Seen]:
        """Do as `push`, and take from the same pass what `LevelEncoder` reads."""
        return self._push(crops_by_track, self._features_and_levels)

    @torch.inference_mode()
    def _push(self, crops_by_track: Mapping[Key, NDArray[np.uint8]], encode: Encode[Found]) -> dict[Key, Found]:
        for key, crop in crops_by_track.items():
            check_array(f"crop of track {key}", crop, CROP_SHAPE, np.uint8)
        # In the order of the stacked states, so that a frame which shows all live tracks moves no state.
        known = sorted((key for key in crops_by_track if key in self._rows), key=self._rows.__getitem__)
        new = [key for key in crops_by_track if key not in self._rows]
        waiting = [key for key in self._rows if key not in crops_by_track]
        passes = [(keys, self._state_of(keys)) for keys in _chunks(known)] + [(keys, None) for keys in _chunks(new)]
        found: dict[Key, Found] = {}
        states = []
        for keys, state in passes:
            video = to_video(np.stack([crops_by_track[key] for key in keys])[:, None], self._dtype, self._device)
            rows, carried = encode(video, state)
            found |= dict(zip(keys, rows, strict=True))
            states.append(carried)
        if waiting:
            states.append(self._state_of(waiting))
        self._keep([*known, *new, *waiting], states)
        return found

    def _features(self, video: Tensor, state: State | None) -> tuple[Sequence[FloatArray], State]:
        latents, carried = self._encoder(video, state)  # (B, D, 1, 4, 4)
        return latents.float().mean(dim=(2, 3, 4)).cpu().numpy(), carried  # (B, D)

    def _features_and_levels(self, video: Tensor, state: State | None) -> tuple[Sequence[Seen], State]:
        with listening(self._encoder) as activations:
            features, carried = self._features(video, state)
        textures, layouts = texture_and_layout(activations)  # (B, 1, C0), (B, 1, 16 C1)
        return [Seen(*row) for row in zip(features, textures[:, 0], layouts[:, 0], strict=True)], carried

    @torch.inference_mode()
    def end(self, keys: Iterable[Hashable]) -> None:
        """Forget tracks and free their states; raises `DataError` when one of them is not alive."""
        ended = set(keys)
        unknown = ended - self._rows.keys()
        if unknown:
            raise DataError(f"track {next(iter(unknown))}: is not alive, so it cannot end; push a crop of it first")
        left = [key for key in self._rows if key not in ended]
        self._keep(left, [self._state_of(left)] if left else [])

    def reset(self) -> None:
        """Forget all tracks."""
        self._keep([], [])

    def _state_of(self, keys: Sequence[Hashable]) -> State:
        rows = [self._rows[key] for key in keys]
        if rows == list(range(len(self._rows))):
            return self._state
        index = torch.tensor(rows, device=self._device)
        return [[_in_order(past.index_select(0, index)) for past in level] for level in self._state]

    def _keep(self, keys: Sequence[Hashable], states: Sequence[State]) -> None:
        self._rows = {key: row for row, key in enumerate(keys)}
        self._state = [
            [parts[0] if len(parts) == 1 else torch.cat(parts) for parts in zip(*levels, strict=True)]
            for levels in zip(*states, strict=True)
        ]


def _chunks(keys: Sequence[Key]) -> list[Sequence[Key]]:
    """Cut the tracks into passes whose activations stay small."""
    return [keys[start : start + FRAMES_PER_PASS] for start in range(0, len(keys), FRAMES_PER_PASS)]


def _in_order(past: Tensor) -> Tensor:
    """Return (B, C, T, H, W) in the memory order that the convolutions are fastest with."""
    return past.contiguous(memory_format=torch.channels_last_3d)

"""What a detector and a 2D tracker report of a thing of the matched profile in one camera.

T frames of a window, in which one fragment of the thing is tracked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import Ghost, IntArray, Track
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.detector import Scores, confidences, jittered
from track_persistence.simulation.false_boxes import drifting, duplicated, merged, switched
from track_persistence.simulation.film import Film
from track_persistence.simulation.lives import Life, reported
from track_persistence.simulation.nuisances import CameraNuisances, misaligned, partial
from track_persistence.simulation.scene import free_box
from track_persistence.simulation.wanderers import inside_shares

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Values = TypeVar("Values", bound=NDArray[Any])
CLASSES: dict[Ghost, str] = {Ghost.NONE: "object", Ghost.NOISE: "noise"}


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that tracks come from.

    label: NONE for a real object. box_seed: of the lasting error of its boxes, the same in both cameras, which have the
    same detector. row: of the scene's causes, None for noise. other: the second object's row of a merged box. offset:
    (4,) of a duplicate, in units of its object's box.
    """

    label: Ghost
    life: Life
    box_seed: int
    row: int | None = None
    other: int | None = None
    offset: Array | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """One track without its number, and the frames (E,) in which it shows that it is a ghost."""

    track: Track
    evidence_frames: IntArray


@dataclass(frozen=True, eq=False)
class Reporter:
    """One camera of a scene. visible: share (T_cause,) of every cause's box that nothing hides."""

    film: Film
    config: GenerateConfig
    visible: list[Array]
    nuisances: CameraNuisances

    def reports(self, rng: np.random.Generator, thing: Thing) -> Iterator[Report]:
        """Yield the fragments of a thing, one per window of its life."""
        for window in thing.life.windows[self.film.number]:
            found = self._fragment(rng, thing, window)
            if found is not None:
                yield found

    def _fragment(self, rng: np.random.Generator, thing: Thing, window: range) -> Report | None:
        frames = np.arange(window.start, window.stop, dtype=np.int32)
        after = self._frames_on_object(rng, thing, len(frames))
        exact, possible, clear = self._exact(rng, thing, frames, after)
        size_px, crowd = self.film.camera.image_size_px, self.config.matched.crowd
        possible &= inside_shares(exact, size_px) >= crowd.smallest_share
        possible &= ~np.array([self.nuisances.clock.is_dropped(int(frame)) for frame in frames])
        seen = reported(rng, self.config.matched.lives, window, possible)
        # A switch of which only the frames on its object are left is none.
        if len(seen) == 0 or seen[-1] < window.start + after:
            return None
        rows = seen - window.start
        lasting, nuisances = np.random.default_rng(thing.box_seed), self.config.matched.nuisances
        boxes = misaligned(lasting, nuisances, partial(lasting, nuisances, exact))
        boxes = boxes + np.pad(self.nuisances.shake_px(frames), ((0, 0), (0, 2)))
        boxes = self._repeated(frames, jittered(rng, self.config.detector, boxes, size_px))[rows]
        track = Track(
            camera=self.film.number,
            track_id=0,
            frames=seen,
            boxes_xywh_px=boxes.astype(np.float32),
            confidences=self._repeated(
                seen, confidences(rng, self.config.detector, self._scores(thing.label), boxes, clear[rows])
            ),
            crops=self.film.crops(rng, boxes, seen),
        )
        return Report(track, self._evidence(thing, seen, window.start + after))

    def _repeated(self, frames: IntArray, values: Values) -> Values:
        """Give a picture that is shown once more the values (T, ...) of the one before: the detector sees the same."""
        moments = self.nuisances.clock.shown[frames]
        return cast(Values, values[np.searchsorted(moments, moments)])

    def _frames_on_object(self, rng: np.random.Generator, thing: Thing, count: int) -> int:
        """Return after how many frames an ID switch leaves its object; 0 for everything else."""
        if thing.label is not Ghost.ID_SWITCH:
            return 0
        low, high = self.config.matched.tracker.switch_after_frames
        return max(1, min(int(rng.integers(low, high + 1)), (count - 1) // 2))

    def _exact(
        self, rng: np.random.Generator, thing: Thing, frames: IntArray, after: int
    ) -> tuple[Array, Flags, Array]:
        """Return boxes (T, 4) without jitter, whether each can be reported (T,), and how clear it is (T,)."""
        if thing.row is None:
            detector = self.config.matched.detector
            covered_share = self.config.detector.noise_covered_share
            box = free_box(rng, self.film, detector.noise_size_px, covered_share, int(frames[0]))
            return (
                drifting(rng, box, len(frames), detector.noise_drift_px),
                np.ones(len(frames), bool),
                np.ones(len(frames)),
            )
        boxes, possible, clear = self._of_cause(thing.row, frames)
        if thing.other is not None:
            others, also, _ = self._of_cause(thing.other, frames)
            return merged(boxes, others), possible & also, clear
        if thing.offset is not None:
            return duplicated(boxes, thing.offset), possible, clear
        if thing.label is Ghost.ID_SWITCH:
            # What it has left for the background nothing hides.
            possible[after:], clear[after:] = True, 1.0
            return switched(rng, boxes, after, self.config.matched.tracker.switch_way_frames), possible, clear
        return boxes, possible, clear

    def _of_cause(self, row: int, frames: IntArray) -> tuple[Array, Flags, Array]:
        cause, number = self.film.causes[row], self.film.number
        at = np.array([self.nuisances.clock.world_frame(int(frame)) for frame in frames]) - int(cause.frames[0])
        alive = (at >= 0) & (at < len(cause.frames))
        at = np.clip(at, 0, len(cause.frames) - 1)
        clear = self.visible[row][at]
        possible = alive & (clear >= self.config.matched.crowd.least_visible_share)
        if cause.present is not None:
            possible &= cause.present[number][at]
        return cause.boxes_xywh_px[number][at], possible, clear

    def _scores(self, label: Ghost) -> Scores:
        detector = self.config.matched.detector
        median = detector.confidence[CLASSES.get(label, "ghost")]  # type: ignore[index]
        return Scores(median, detector.track_spread, detector.frame_spread)

    def _evidence(self, thing: Thing, seen: IntArray, switch: int) -> IntArray:
        if thing.label is Ghost.NONE:
            return seen[:0]
        if thing.label is Ghost.ID_SWITCH:
            return seen[seen >= switch]
        if thing.label in (Ghost.NOISE, Ghost.DUPLICATE, Ghost.MERGED):
            return seen
        assert thing.row is not None
        own = self.film.causes[thing.row].evidence_frames
        return np.unique(seen[[0, -1]]) if own is None else seen[np.isin(self.nuisances.clock.shown[seen], own)]

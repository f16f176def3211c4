"""One class of KITTI under each method, as counts by sequence.

The methods: no filter, duration rules, a confidence rule, two judges by geometry, an empty
result, and a ceiling that reads the labels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.baselines import mean_confidence_score, min_hits_score
from track_persistence.core.types import BoxTrack, Ghost
from track_persistence.evaluation.kitti_config import Category, KittiConfig
from track_persistence.evaluation.kitti_data import Sequence3D
from track_persistence.evaluation.kitti_metrics import choose
from track_persistence.evaluation.kitti_truth import Truth, estimates_of, real_tracks, scored_frames, truth_of
from track_persistence.evaluation.metrics3d import count_points
from track_persistence.evaluation.outcomes import OFF, Counts
from track_persistence.stereo.association import associate
from track_persistence.stereo.cues import MotionPrior, group_cues
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.geometry_config import GeometryConfig
from track_persistence.tracking.geometry_fit import fit_geometry
from track_persistence.tracking.geometry_samples import Sample
from track_persistence.tracking.results import Reconstructed3DTrack
from track_persistence.tracking.tracker import Integrated3DTracker

CONFIDENCE = "mean_confidence"
TRANSFERRED, REFITTED = "geometry_simulated", "geometry_kitti"
NOTHING, CEILING = "nothing", "labels"

Ids = tuple[int | None, ...]
Found = Sequence[Reconstructed3DTrack]


@dataclass(frozen=True)
class Setup:
    """One class, and how it is tracked and scored; `geometry` says how the judge by geometry is fitted to KITTI."""

    category: Category
    kitti: KittiConfig
    tracking: TrackingConfig
    geometry: GeometryConfig

    @classmethod
    def of(cls, category: Category, kitti: KittiConfig, tracking: TrackingConfig, geometry: GeometryConfig) -> "Setup":
        """Return the params' sections with the noise and the motion of this class."""
        own = kitti.tracking(tracking, category).model_copy(update={"fusion": ("geometry",)})
        motion = {"process_psd": own.smoothing.process_psd, "speed_sigma_mps": own.smoothing.speed_sigma_mps}
        return cls(category, kitti, own, geometry.model_copy(update=motion))

    @property
    def gate_m(self) -> float:
        """GOSPA's cut-off, and distance from which on a point is not on an object."""
        return self.kitti.categories[self.category].gospa_cutoff_m


@dataclass(frozen=True, eq=False)
class Groups:
    """The N groups of tracks of which the labels say whether they are real.

    is_real: (N,). sequences: (N,) by position. scores: by rule or judge, (N,) each, the higher the likelier real.
    """

    is_real: NDArray[np.bool_]
    sequences: NDArray[np.int64]
    scores: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Results:
    """counts: by method and sequence. min_mean_confidence: what was chosen for each sequence."""

    counts: dict[str, dict[str, Counts]]
    min_mean_confidence: dict[str, float]
    groups: Groups


@dataclass(frozen=True, eq=False)
class _Drive:
    """A sequence, its truth, its 3D tracks without filter, and its groups that the labels say something about."""

    sequence: Sequence3D
    truth: Truth
    unfiltered: Found
    samples: dict[Ids, Sample]


@dataclass(frozen=True, eq=False)
class _Judged:
    """The 3D tracks that a judge keeps, and the log-odds of every group."""

    found: Found
    log_odds: dict[Ids, float]


def run_methods(sequences: Sequence[Sequence3D], setup: Setup, transferred: GeometryModel) -> Results:
    """Run every method on every sequence. A rule judges each 2D track before the association, by itself."""
    config = setup.kitti
    drives = [_drive(number, sequence, setup) for number, sequence in enumerate(sequences)]

    def counted(tracked: Callable[[_Drive], Found]) -> dict[str, Counts]:
        return {drive.sequence.name: _count(drive, tracked(drive), setup) for drive in drives}

    def at_least(score: Callable[[BoxTrack, None], float], least: float) -> dict[str, Counts]:
        return counted(lambda drive: _tracked(drive.sequence, setup, lambda track: score(track, None) >= least))

    chosen, thresholds = choose({least: at_least(mean_confidence_score, least) for least in config.min_mean_confidence})
    judged = {
        TRANSFERRED: {drive: _judged(drive.sequence, setup, transferred) for drive in drives},
        REFITTED: {drive: _judged(drive.sequence, setup, _refit(drives, drive, setup)) for drive in drives},
    }
    found = {
        OFF: counted(lambda drive: drive.unfiltered),
        **{f"min_hits_{hits}": at_least(min_hits_score, hits) for hits in config.min_hits},
        CONFIDENCE: chosen,
        **{name: counted(_kept_by(by)) for name, by in judged.items()},
        NOTHING: counted(lambda _: ()),
        CEILING: counted(_real_ones),
    }
    return Results(found, thresholds, _groups(drives, judged))


def _kept_by(judged: Mapping[_Drive, _Judged]) -> Callable[[_Drive], Found]:
    return lambda drive: judged[drive].found


def _groups(drives: Sequence[_Drive], judged: Mapping[str, Mapping[_Drive, _Judged]]) -> Groups:
    rows = [(drive, ids, sample) for drive in drives for ids, sample in drive.samples.items()]
    scores = {
        "hits": [sample.hits for _, _, sample in rows],
        CONFIDENCE: [sample.mean_confidence for _, _, sample in rows],
        **{name: [by[drive].log_odds[ids] for drive, ids, _ in rows] for name, by in judged.items()},
    }
    return Groups(
        np.array([sample.is_real for _, _, sample in rows], np.bool_),
        np.array([sample.scene_id for _, _, sample in rows], np.int64),
        {name: np.array(values, np.float64) for name, values in scores.items()},
    )


def _refit(drives: Sequence[_Drive], left_out: _Drive, setup: Setup) -> GeometryModel:
    """Return the judge that is fitted on the groups of all sequences but one."""
    samples = [sample for drive in drives if drive is not left_out for sample in drive.samples.values()]
    return fit_geometry(samples, setup.geometry)


def _real_ones(drive: _Drive) -> Found:
    real = {ids for ids, sample in drive.samples.items() if sample.is_real}
    return [track for track in drive.unfiltered if track.track_ids in real]


def _drive(number: int, sequence: Sequence3D, setup: Setup) -> _Drive:
    truth = truth_of(sequence.labels, sequence.rig, setup.category, setup.kitti.truth)
    unfiltered = _tracked(sequence, setup, lambda _: True)
    points = estimates_of(unfiltered, sequence.tracks[0])
    real = real_tracks(truth, points, setup.gate_m, setup.kitti.truth)
    answers = {unfiltered[row].track_ids: answer for row, answer in real.items()}
    return _Drive(sequence, truth, unfiltered, _samples(number, sequence, answers, setup))


def _samples(number: int, sequence: Sequence3D, answers: Mapping[Ids, bool], setup: Setup) -> dict[Ids, Sample]:
    """Return the groups with an answer, whole: their age is the only one, 0."""
    config, tracks = setup.tracking.stereo, sequence.tracks
    association = associate(sequence.rig, tracks, config)
    motion = MotionPrior(setup.geometry.process_psd, setup.geometry.speed_sigma_mps)
    found: dict[Ids, Sample] = {}
    for group in association.groups:
        members = [own[index] for own, index in zip(tracks, group.members, strict=True) if index is not None]
        ids = tuple(track.track_id for track in members)
        if ids in answers:
            ghost = Ghost.NONE if answers[ids] else Ghost.CLUTTER
            confidence = mean_confidence_score(members[0], None)
            cues = group_cues(sequence.rig, association, group, tracks, config, motion)
            found[ids] = Sample(number, 0, ghost, answers[ids], len(members[0]), confidence, cues)
    return found


def _tracked(sequence: Sequence3D, setup: Setup, rule: Callable[[BoxTrack], bool]) -> Found:
    tracker = Integrated3DTracker(None, use_filter=False, rig=sequence.rig, config=setup.tracking)
    reconstructed, _ = tracker.process_scene(*(list(filter(rule, own)) for own in sequence.tracks))
    return reconstructed


def _judged(sequence: Sequence3D, setup: Setup, model: GeometryModel) -> _Judged:
    tracker = Integrated3DTracker(None, rig=sequence.rig, config=setup.tracking, geometry=model)
    found, decisions = tracker.process_scene(*sequence.tracks)
    log_odds = {each.group_ids: each.log_odds["total"] for each in decisions if each.group_ids and each.log_odds}
    return _Judged(found, log_odds)


def _count(drive: _Drive, found: Found, setup: Setup) -> Counts:
    points = estimates_of(found, drive.sequence.tracks[0])
    frames = scored_frames(drive.sequence.frames, drive.truth, points, setup.gate_m, setup.kitti.truth)
    return asdict(count_points(frames, setup.gate_m, setup.gate_m))

"""The `analyze` stage: what the classifier does on tracks it never learned from, as numbers to cite."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.classifier.checkpoint import LoadedClassifier, load_classifier
from track_persistence.classifier.intervals import bootstrap_interval
from track_persistence.classifier.trainer import torch_device
from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.files import read_json, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log, track_progress
from track_persistence.core.seeding import generator, split_of
from track_persistence.core.storage import read_features, read_provenance, shard_paths
from track_persistence.core.types import LabelledFeatures
from track_persistence.explain.cases import case_facts, choose_cases, example, hash_order, name_tracks
from track_persistence.explain.config import AnalyzeConfig
from track_persistence.explain.facts import flatten
from track_persistence.explain.measures import FloatVector, Interval
from track_persistence.explain.probe import ProbedTrack, probe
from track_persistence.explain.summary import build_evidence

BOUND_TO_ENCODER = ("encoder_digest", "precision")
OFF, GOSPA = "off", "gospa_m"
# Of these parts of the scenario metrics only the named ones become facts.
CHIEF_METRICS: Mapping[str, tuple[str, ...]] = {
    "counts": (),
    "ghost_tracks": (),
    "rejected": (),
    "distances": (),
    "tracks": ("hota", "idf1", "id_switches"),
    "paths": ("rmse_m", "bound_ratio", "nees", "coverage_95"),
    "frame_by_frame": ("rmse_m", "bound_ratio"),
}


@dataclass(frozen=True)
class EvidencePaths:
    """Inputs and output of the stage."""

    features: Path
    checkpoint: Path
    scenarios: Path
    output: Path


@dataclass(frozen=True)
class HeldBack:
    """The tracks of one held-back part of a profile's scenes, read from the shards each time they are asked for."""

    shards: tuple[Path, ...]
    config: AnalyzeConfig
    split: SplitConfig
    seed: int

    def __iter__(self) -> Iterator[LabelledFeatures]:
        """Iterate over the tracks in the order of the shards."""
        parts: dict[int, str] = {}
        for path in self.shards:
            for track in read_features(path):
                if track.scene_id not in parts:
                    parts[track.scene_id] = split_of(track.scene_id, self.seed, self.split)
                if parts[track.scene_id] == self.config.split:
                    yield track


def run(config: AnalyzeConfig, run_config: RunConfig, split: SplitConfig, seed: int, paths: EvidencePaths) -> None:
    """Write `evidence.json` (numbers and opaque names) and `examples.json` (what a report needs to draw the cases)."""
    scenarios = scenario_facts(paths.scenarios / "metrics.json")
    classifier = load_classifier(paths.checkpoint, torch_device(run_config.device))
    shards = shards_of(paths.features, config.profile)
    check_encoder(classifier, paths.checkpoint, shards)
    probed = probe_tracks(classifier, HeldBack(tuple(shards), config, split, seed))
    cases = choose_cases(name_tracks(probed), config)
    evidence = build_evidence(probed, config, scene_interval(config, seed))
    evidence["decisions"]["threshold"] = float(classifier.metadata["threshold"])
    evidence["cases"] = {name: case_facts(track, config) for name, track in cases.items()}
    evidence["scenarios"] = scenarios
    flatten(evidence, "evidence.json")
    write_json(paths.output / "evidence.json", evidence)
    write_json(paths.output / "examples.json", {name: example(track) for name, track in cases.items()})
    log(f"analyze: {len(probed)} {config.profile} tracks of the {config.split} split, {len(cases)} listed one by one")


def probe_tracks(classifier: LoadedClassifier, tracks: HeldBack) -> list[ProbedTrack]:
    """Probe every track, in one thread: float32 sums depend on their number. Raises `DataError` for no tracks."""
    lengths = {_key(track): len(track) for track in tracks}
    if not lengths:
        raise DataError(
            f"the {tracks.config.split} split holds no {tracks.config.profile} track; generate more scenes or raise "
            f"split.{tracks.config.split}"
        )
    chosen = deletion_candidates(lengths, tracks.config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [
            probe(
                classifier, track, tracks.config, _deletion_rng(track, tracks.seed) if _key(track) in chosen else None
            )
            for track in track_progress(tracks, len(lengths), "analyze", "tracks")
        ]
    finally:
        torch.set_num_threads(threads)


def deletion_candidates(lengths: dict[tuple[int, int, int], int], config: AnalyzeConfig) -> set[tuple[int, int, int]]:
    """Return the tracks, by scene, camera and number, that take part in the deletion test."""
    long_enough = [key for key, frames in lengths.items() if frames >= config.faithfulness_min_frames]
    return set(sorted(long_enough, key=lambda key: hash_order(*key))[: config.faithfulness_tracks])


def scene_interval(config: AnalyzeConfig, seed: int) -> Interval:
    """Return the function that gives a mean's 95 % interval over whole scenes; below two scenes there is none."""

    def interval(values: FloatVector, groups: NDArray[np.int64]) -> tuple[float, float] | None:
        if len(np.unique(groups)) < 2:
            return None
        rng = generator(seed, "analyze", "intervals")
        return bootstrap_interval(np.mean, (values,), groups, rng, config.bootstrap_replicates)

    return interval


def shards_of(features: Path, profile: str) -> list[Path]:
    """Return the shards of one profile in order; raises `DataError` when there is none."""
    shards = [path for path in shard_paths(features) if read_provenance(path).get("profile") == profile]
    if not shards:
        raise DataError(
            f"{features}: no shard is of profile {profile}; change analyze.profile, or run generate and extract again"
        )
    return shards


def check_encoder(classifier: LoadedClassifier, checkpoint: Path, shards: list[Path]) -> None:
    """Raise `CheckpointError` when a shard's features are not those the classifier was trained on."""
    for path in shards:
        provenance = read_provenance(path)
        for key in BOUND_TO_ENCODER:
            want, got = classifier.metadata[key], provenance.get(key)
            if want != got:
                raise CheckpointError(
                    f"{path}: {key} is {got}, {checkpoint} was trained on {want}; run extract and train again"
                )


def scenario_facts(path: Path) -> dict[str, Any]:
    """Return the chief metrics of the scenario stage. Raises `StorageError`, or `DataError` on any text in them.

    Of the methods beside the filter in use and none at all their GOSPA is kept.
    """
    content = read_json(path)
    flatten({"scenarios": content}, str(path))
    return {name: _of_scenario(scenario) for name, scenario in content.items()}


def _of_scenario(scenario: Mapping[str, Any]) -> dict[str, Any]:
    whole = (OFF, scenario.get("fusion"))
    shortened = {
        name: {GOSPA: item[GOSPA]} if name not in whole and isinstance(item, Mapping) and GOSPA in item else item
        for name, item in scenario.items()
    }
    return _chief(shortened)


def _chief(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested metrics without what would make a prompt long and no statement cites."""
    found: dict[str, Any] = {}
    for name, item in content.items():
        if name in CHIEF_METRICS:
            kept = {key: item[key] for key in CHIEF_METRICS[name] if key in item}
            found |= {name: kept} if kept else {}
        else:
            found[name] = _chief(item) if isinstance(item, Mapping) else item
    return found


def _key(track: LabelledFeatures) -> tuple[int, int, int]:
    return track.scene_id, track.camera, track.track_id


def _deletion_rng(track: LabelledFeatures, seed: int) -> np.random.Generator:
    return generator(seed, "analyze", "deletion", *_key(track))

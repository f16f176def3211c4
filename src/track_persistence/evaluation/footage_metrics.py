"""Precision, recall and AUC of the filter on labelled real tracks, beside simple rules, with intervals over tracks.

N labelled tracks that were born early enough. Every one of them counts at every age; one that ended before an age is
scored from all it has. `mean_confidence` cuts the mean of the confidences mapped to [0, 1] at `min_mean_confidence` for
its precision and recall; its AUC ranks tracks by the mean on the detector's own scale.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.curves import area_under_roc, decision_quality
from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.core.seeding import generator
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_rules import (
    FALSE_KINDS,
    BoxTrack,
    Floats,
    false_kind,
    no_pixels_scores,
)
from track_persistence.video.labels import FALSE, REAL

WHOLE = "whole"
COLUMNS = ("auc", "auc_flicker", "auc_static_clutter", "precision", "recall")
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """The filter's probability of every track, by id, then by age in frames or `WHOLE`."""

    by_track: Mapping[int, Mapping[int | str, float]]
    threshold: float


def footage_metrics(
    config: FootageConfig, seed: int, tracks: Sequence[BoxTrack], labels: Mapping[int, int], scores: Scores
) -> dict[str, Any]:
    """Compare the filter with the rules at every age of the config up to `full_view_frames`, and on whole tracks."""
    last = max(int(track.frames[-1]) for track in tracks)
    clear = [track for track in tracks if labels[track.track_id] in (REAL, FALSE)]
    scored = [track for track in clear if last - int(track.frames[0]) + 1 >= config.full_view_frames]
    real = np.array([labels[track.track_id] == REAL for track in scored], bool)
    ages: list[int | str] = [age for age in config.ages_frames if age <= config.full_view_frames]
    bench = _Bench(config, seed, scored, real, scores)
    return {
        "tracks": {
            "scored": len(scored),
            "real": int(real.sum()),
            "false": int((~real).sum()),
            "unclear_left_out": len(tracks) - len(clear),
            "born_too_late_left_out": len(clear) - len(scored),
        },
        "threshold": scores.threshold,
        "by_age": {str(age): bench.at(age) for age in [*ages, WHOLE]},
        "min_hits_whole": {str(hits): bench.min_hits(hits) for hits in config.min_hits},
        "false_tracks": {kind: bench.false_tracks(kind) for kind in FALSE_KINDS},
    }


class _Bench:
    """The labelled tracks together with what is needed to score them."""

    def __init__(
        self, config: FootageConfig, seed: int, tracks: Sequence[BoxTrack], real: Flags, scores: Scores
    ) -> None:
        self.config, self.seed, self.tracks, self.real, self.scores = config, seed, tracks, real, scores

    def at(self, age: int | str) -> dict[str, Any]:
        """Return the metrics of every method at `age`."""
        lives = [(track, track.span_frames if age == WHOLE else int(age)) for track in self.tracks]
        probability = self._probability(age)
        runs = np.array([track.longest_run(limit) for track, limit in lives])
        hits = np.array([track.hits(limit) for track, limit in lives], float)
        score = np.array([track.mean_score(limit) for track, limit in lives])
        confidence = np.array([track.mean_confidence(limit) for track, limit in lives])
        regression = no_pixels_scores(self.tracks, self.real, [limit for _, limit in lives], self.config.folds)
        return {
            "filter": {
                **self._aucs(probability, f"{age}/filter"),
                **self._kept(probability >= self.scores.threshold, f"{age}/filter"),
            },
            "min_hits": {
                **self._aucs(hits, f"{age}/min_hits"),
                **self._kept(runs >= self.config.min_hits[0], f"{age}/min_hits"),
            },
            "mean_confidence": {
                **self._aucs(score, f"{age}/mean_confidence"),
                **self._kept(confidence >= self.config.min_mean_confidence, f"{age}/mean_confidence"),
            },
            "no_pixels_with_labels": self._aucs(regression, f"{age}/no_pixels_with_labels"),
        }

    def min_hits(self, hits: int) -> dict[str, Any]:
        """Return precision and recall of the rule "so many boxes in a row, ever"."""
        runs = np.array([track.longest_run(track.span_frames) for track in self.tracks])
        return self._kept(runs >= hits, f"{WHOLE}/{hits}_hits")

    def false_tracks(self, kind: str) -> dict[str, Any]:
        """Return how many false tracks are of `kind`, how many are rejected, and real tracks' AUC against them."""
        of_kind = self._false_of(kind)
        probability = self._probability(WHOLE)
        chosen = of_kind | self.real
        return {
            "tracks": int(of_kind.sum()),
            "rejected": int((probability[of_kind] < self.scores.threshold).sum()),
            **self._auc(probability[chosen], self.real[chosen], f"{WHOLE}/{kind}"),
        }

    def _probability(self, age: int | str) -> Floats:
        return np.array([self.scores.by_track[track.track_id][age] for track in self.tracks], float)

    def _aucs(self, score: Floats | None, name: str) -> dict[str, Any]:
        """Return the AUC, and that of real tracks against the false ones of each kind alone."""
        if score is None:
            return {"auc": None, **{f"auc_{kind}": None for kind in FALSE_KINDS}}
        found = self._auc(score, self.real, name)
        for kind in FALSE_KINDS:
            chosen = self.real | self._false_of(kind)
            found[f"auc_{kind}"] = self._auc(score[chosen], self.real[chosen], f"{name}/{kind}")["auc"]
        return found

    def _false_of(self, kind: str) -> Flags:
        return np.array([false_kind(track, self.config) == kind for track in self.tracks], bool) & ~self.real

    def _auc(self, score: Floats, real: Flags, name: str) -> dict[str, Any]:
        return self._measured(lambda *drawn: [area_under_roc(*drawn)], (score, real), ("auc",), f"{name}/auc")

    def _kept(self, kept: Flags, name: str) -> dict[str, Any]:
        names = ("precision", "recall")
        return {
            "kept": int(kept.sum()),
            **self._measured(lambda *drawn: decision_quality(*drawn)[1:], (kept, self.real), names, f"{name}/kept"),
        }

    def _measured(
        self,
        statistics: Callable[..., Sequence[float]],
        arrays: tuple[NDArray[Any], ...],
        names: Sequence[str],
        key: str,
    ) -> dict[str, dict[str, float] | None]:
        """Return the named statistics with intervals; None where one is undefined."""
        rng = generator(self.seed, "footage", key)
        tracks = np.arange(len(arrays[0]))
        intervals = bootstrap_intervals(statistics, arrays, tracks, rng, self.config.bootstrap_replicates)
        return {
            name: {"value": value, "low": low, "high": high} if np.isfinite(value) else None
            for name, value, (low, high) in zip(names, statistics(*arrays), intervals.tolist(), strict=True)
        }


def table_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Return the metrics as a table of text."""
    count = metrics["tracks"]
    lines = [
        f"{count['real']} real and {count['false']} false tracks; left out: {count['unclear_left_out']} unclear, "
        f"{count['born_too_late_left_out']} born too late",
        "95 % intervals over tracks; no_pixels_with_labels was fitted on this footage's labels, the others saw none",
        f"{'age':>6}  {'method':<22}{'AUC':<22}{'AUC flicker':<22}{'AUC static clutter':<22}{'precision':<22}recall",
    ]
    for age, methods in metrics["by_age"].items():
        for method, values in methods.items():
            cells = "".join(f"{_cell(values.get(key)):<22}" for key in COLUMNS)
            lines.append(f"{age:>6}  {method:<22}{cells}".rstrip())
    for hits, values in metrics["min_hits_whole"].items():
        cells = "".join(f"{_cell(values[key]):<22}" for key in ("precision", "recall"))
        lines.append(f"{WHOLE:>6}  {f'{hits} hits in a row':<22}{'':<66}{cells}".rstrip())
    for kind, values in metrics["false_tracks"].items():
        lines.append(
            f"{WHOLE:>6}  false: {kind.replace('_', ' ')}: {values['rejected']} of {values['tracks']} rejected, "
            f"AUC against real tracks {_cell(values['auc'])}"
        )
    return lines


def _cell(value: Mapping[str, float] | None) -> str:
    return "-" if value is None else f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"

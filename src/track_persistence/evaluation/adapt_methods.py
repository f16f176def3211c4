"""The adapted filter and everybody it stands beside, each scoring tracks whose labels it has not seen.

All methods that learn are fitted on the same labelled tracks: those of the other blocks of time, or another recording.
N tracks scored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.adapter import PIXELS, SAME_DETECTOR, Adapter
from track_persistence.classifier.adapter_fit import fit_adapter, relearned_confidence, time_blocks
from track_persistence.classifier.baselines import NoPixelsModel
from track_persistence.classifier.decision import Decided, apply_rule
from track_persistence.classifier.sprt import SequentialTest
from track_persistence.evaluation.adapt_config import AdaptConfig
from track_persistence.evaluation.adapt_samples import SiteSamples
from track_persistence.evaluation.cheap_pixels import CheapPixelsModel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Scores = dict[str, dict[int, Floats]]
"""Method to age to score (N,); higher is more likely real. `adapted` and `before` are calibrated log-odds."""

ADAPTED, BEFORE, ADAPTED_PIXELS = "adapted", "before", "adapted_pixels_only"


@dataclass(frozen=True, eq=False)
class Scored:
    """What every method said of N tracks, and what the adapted filter decided while they grew."""

    scores: Scores
    decided: Decided


def adapted_to(config: AdaptConfig, site: SiteSamples, tracks: Rows, error_budget: float) -> Adapter:
    """Fit an adapter on some tracks of a site."""
    lesson = site.lesson(tracks, config.adapter.training_ages_frames)
    return fit_adapter(config.adapter, lesson, site.growth(tracks), error_budget)


def for_other_detector(config: AdaptConfig, adapter: Adapter, unlabelled: SiteSamples) -> Adapter:
    """Learn the confidences of another detector from all its tracks, without their labels."""
    everyone, ages = unlabelled.everyone, config.adapter.training_ages_frames
    evidence = unlabelled.lesson(everyone, ages).evidence
    return relearned_confidence(adapter, config.adapter, evidence, unlabelled.at(ages[-1], everyone))


def scores_in_time_blocks(config: AdaptConfig, samples: SiteSamples, blocks: int, error_budget: float) -> Scored:
    """Score every track of a recording by methods fitted on the recording's other blocks of time."""
    everyone = samples.everyone
    found, decided = _unlearned(config, samples), []
    for block in time_blocks(len(everyone), blocks):
        rest = np.setdiff1d(everyone, block)
        adapter = adapted_to(config, samples, rest, error_budget)
        decided.append(_decided(adapter, samples, block))
        scored = {**_adapted(config, adapter, samples, block), **_baselines(config, samples, rest, samples, block)}
        for method, by_age in scored.items():
            ages = found.setdefault(method, {age: np.empty(len(everyone)) for age in config.ages_frames})
            for age, values in by_age.items():
                ages[age][block] = values
    return Scored(found, Decided(*(np.concatenate([getattr(own, f.name) for own in decided]) for f in fields(Decided))))


def scores_on_other(config: AdaptConfig, adapter: Adapter, site: SiteSamples, test: SiteSamples) -> Scored:
    """Score every track of recording `test` by `adapter` and by baselines fitted on recording `site`."""
    scores = {
        **_unlearned(config, test),
        **_adapted(config, adapter, test, test.everyone),
        **_baselines(config, site, site.everyone, test, test.everyone),
    }
    return Scored(scores, _decided(adapter, test, test.everyone))


def _unlearned(config: AdaptConfig, samples: SiteSamples) -> Scores:
    rules = samples.rules[config.ages_frames[0]]
    return {
        BEFORE: {age: samples.before[age].copy() for age in config.ages_frames},
        **{rule: {age: samples.rules[age][rule].copy() for age in config.ages_frames} for rule in rules},
    }


def _decided(adapter: Adapter, samples: SiteSamples, tracks: Rows) -> Decided:
    growth = samples.growth(tracks)
    return apply_rule(adapter.rules[SAME_DETECTOR], growth.log_odds(adapter, SAME_DETECTOR), growth.lengths)


def _adapted(config: AdaptConfig, adapter: Adapter, samples: SiteSamples, tracks: Rows) -> Scores:
    """Score by all witnesses that are heard, by those of pixels, and by each one alone."""
    evidence = {age: samples.at(age, tracks) for age in config.ages_frames}
    alone = {
        f"witness_{name}": {age: adapter.witnesses[name].log_odds(rows[name]) for age, rows in evidence.items()}
        for name in adapter.sets[SAME_DETECTOR]
    }
    return {
        ADAPTED: {age: adapter.log_odds(rows, SAME_DETECTOR) for age, rows in evidence.items()},
        ADAPTED_PIXELS: {age: adapter.log_odds(rows, PIXELS) for age, rows in evidence.items()},
        **alone,
    }


def _baselines(config: AdaptConfig, source: SiteSamples, rest: Rows, target: SiteSamples, tracks: Rows) -> Scores:
    labels = source.recording.labels[rest]
    sequential = SequentialTest.fit([source.channels[row] for row in rest], labels)
    running = [sequential.score(target.channels[row]) for row in tracks]

    def no_pixels(age: int) -> Floats:
        return NoPixelsModel.fit(source.statistics[age][rest], labels).score(target.statistics[age][tracks])

    def cheap_pixels(age: int) -> Floats:
        return CheapPixelsModel.fit(source.descriptors[age][rest], labels).score(target.descriptors[age][tracks])

    def sprt(age: int) -> Floats:
        ends = target.boxes_seen[age][tracks] - 1
        return np.array([scores[end] for scores, end in zip(running, ends, strict=True)])

    methods: Mapping[str, Callable[[int], Floats]] = {
        "no_pixels": no_pixels,
        "sprt": sprt,
        "cheap_pixels": cheap_pixels,
    }
    return {name: {age: method(age) for age in config.ages_frames} for name, method in methods.items()}

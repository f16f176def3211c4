"""The adapted filter and everybody it stands beside, each scoring tracks whose labels it has not seen.

All methods that learn are fitted on the same labelled tracks: those of the other blocks of time, or another recording.
N tracks scored.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.adapter import Adapter, fit_adapter, relearned_confidence, time_blocks
from track_persistence.classifier.baselines import NoPixelsModel
from track_persistence.classifier.sprt import SequentialTest
from track_persistence.evaluation.adapt_config import AdaptConfig
from track_persistence.evaluation.adapt_samples import SiteSamples
from track_persistence.evaluation.cheap_pixels import CheapPixelsModel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Scores = dict[str, dict[int, Floats]]
"""Method to age to score (N,); higher is more likely real. `adapted` and `before` are calibrated log-odds."""

ADAPTED, BEFORE, PIXELS = "adapted", "before", "adapted_pixels_only"
SAME, OTHER = "same_detector", "other_detector"


def scores_in_time_blocks(config: AdaptConfig, samples: SiteSamples, blocks: int) -> Scores:
    """Score every track of a recording by methods fitted on the recording's other blocks of time."""
    everyone = np.arange(len(samples.recording), dtype=np.int64)
    found = _unlearned(config, samples)
    for block in time_blocks(len(everyone), blocks):
        rest = np.setdiff1d(everyone, block)
        adapter = fit_adapter(config.adapter, samples.lesson(rest, config.adapter.training_ages_frames))
        scored = {
            **_adapted(config, adapter, samples, block, SAME),
            **_baselines(config, samples, rest, samples, block),
        }
        for method, by_age in scored.items():
            ages = found.setdefault(method, {age: np.empty(len(everyone)) for age in config.ages_frames})
            for age, values in by_age.items():
                ages[age][block] = values
    return found


def scores_on_other(config: AdaptConfig, site: SiteSamples, test: SiteSamples, same_detector: bool) -> Scores:
    """Score every track of recording `test` by methods fitted on recording `site`.

    With another detector its confidences are learned anew from the tracks of `test`, without their labels.
    """
    source, target = (np.arange(len(s.recording), dtype=np.int64) for s in (site, test))
    ages = config.adapter.training_ages_frames
    adapter = fit_adapter(config.adapter, site.lesson(source, ages))
    if not same_detector:
        unlabelled = test.lesson(target, ages).evidence
        adapter = relearned_confidence(adapter, config.adapter, unlabelled, test.at(ages[-1], target), OTHER)
    return {
        **_unlearned(config, test),
        **_adapted(config, adapter, test, target, SAME if same_detector else OTHER),
        **_baselines(config, site, source, test, target),
    }


def _unlearned(config: AdaptConfig, samples: SiteSamples) -> Scores:
    rules = samples.rules[config.ages_frames[0]]
    return {
        BEFORE: {age: samples.before[age].copy() for age in config.ages_frames},
        **{rule: {age: samples.rules[age][rule].copy() for age in config.ages_frames} for rule in rules},
    }


def _adapted(config: AdaptConfig, adapter: Adapter, samples: SiteSamples, tracks: Rows, heard: str) -> Scores:
    """Score by all witnesses that are heard, by those of pixels, and by each one alone."""
    evidence = {age: samples.at(age, tracks) for age in config.ages_frames}
    alone = {
        f"witness_{name}": {age: adapter.witnesses[name].log_odds(rows[name]) for age, rows in evidence.items()}
        for name in adapter.sets[heard]
    }
    return {
        ADAPTED: {age: adapter.log_odds(rows, heard) for age, rows in evidence.items()},
        PIXELS: {age: adapter.log_odds(rows, "pixels") for age, rows in evidence.items()},
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

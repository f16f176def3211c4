"""The adapted filter and everybody it stands beside, each scoring tracks whose labels it has not seen.

All methods that read labels read the same ones: those of the other blocks of time, or of another recording.
N tracks scored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.adapter import OTHER_DETECTOR, PIXELS, SAME_DETECTOR, UNLABELLED, Adapter
from track_persistence.classifier.adapter_fit import fit_adapter, time_blocks
from track_persistence.classifier.baselines import NoPixelsModel
from track_persistence.classifier.co_training import co_trained
from track_persistence.classifier.decision import Decided, apply_rule
from track_persistence.classifier.sprt import SequentialTest
from track_persistence.core.errors import DataError
from track_persistence.core.progress import log
from track_persistence.evaluation.adapt_config import AdaptConfig
from track_persistence.evaluation.adapt_samples import SiteSamples
from track_persistence.evaluation.cheap_pixels import CheapPixelsModel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]
Scores = dict[str, dict[int, Floats]]
"""Method to age to score (N,); higher is more likely real. Adapters' and `before` are log-odds."""

ADAPTED, BEFORE, ADAPTED_PIXELS = "adapted", "before", "adapted_pixels_only"
LABELS_ALONE, SELF_TAUGHT = "labels_alone", "self_taught"


@dataclass(frozen=True, eq=False)
class Scored:
    """What every method said of N tracks, and what the adapted filter decided while they grew."""

    scores: Scores
    decided: Decided


def fitted_on(
    config: AdaptConfig, site: SiteSamples, tracks: Rows, error_budget: float, trusted: Bools | None = None
) -> Adapter:
    """Fit an adapter on the labels of some tracks of a site; trusted: see `fit_adapter`."""
    lesson = site.lesson(tracks, config.adapter.training_ages_frames)
    return fit_adapter(config.adapter, lesson, site.growth(tracks), error_budget, trusted)


def adapted_to(config: AdaptConfig, site: SiteSamples, labelled: Rows, error_budget: float) -> Adapter:
    """Fit an adapter on labelled tracks of a site, then on all its tracks."""
    alone = fitted_on(config, site, labelled, error_budget)
    return with_unlabelled(config, site, labelled, alone, error_budget)


def with_unlabelled(
    config: AdaptConfig, site: SiteSamples, labelled: Rows, alone: Adapter, error_budget: float
) -> Adapter:
    """Fit an adapter on labelled tracks and on all others of their site, whose labels it finds first.

    alone: what was fitted on the labelled ones; it teaches in the first round. Calibration and decision rule are fitted
    on the labelled ones alone.
    """
    if len(labelled) == len(site.everyone):
        return alone
    teacher = alone.log_odds(site.at(config.adapter.training_ages_frames[-1], site.everyone), SAME_DETECTOR)
    known = np.full(len(teacher), np.nan)
    known[labelled] = site.recording.labels[labelled]
    completed = _completed(config, site, site.everyone, SAME_DETECTOR, teacher, known)
    return fitted_on(config, completed, site.everyone, error_budget, ~np.isnan(known))


def self_taught(config: AdaptConfig, site: SiteSamples, tracks: Rows, error_budget: float) -> Adapter:
    """Fit an adapter on tracks of a site without reading a label; first the filter as it is teaches its witnesses."""
    teacher = site.before[config.ages_frames[-1]][tracks]
    return _taught(config, site, tracks, teacher, error_budget)


def for_other_detector(config: AdaptConfig, adapter: Adapter, site: SiteSamples, error_budget: float) -> Adapter:
    """Fit an adapter on all tracks of another detector without reading a label; first `adapter` teaches it."""
    age = config.adapter.training_ages_frames[-1]
    teacher = adapter.log_odds(site.at(age, site.everyone), OTHER_DETECTOR)
    return _taught(config, site, site.everyone, teacher, error_budget)


def _taught(config: AdaptConfig, site: SiteSamples, tracks: Rows, teacher: Floats, error_budget: float) -> Adapter:
    unknown = np.full(len(tracks), np.nan)
    completed = _completed(config, site, tracks, UNLABELLED, teacher, unknown)
    return fitted_on(config, completed, tracks, error_budget)


def _completed(
    config: AdaptConfig, site: SiteSamples, tracks: Rows, set_name: str, teacher: Floats, known: Floats
) -> SiteSamples:
    """Return the samples with labels of `tracks` that the witnesses of a set found, see `co_trained`."""
    ages = config.adapter.training_ages_frames
    rows, whole = site.lesson(tracks, ages).evidence, site.at(ages[-1], tracks)
    labels = co_trained(config.adapter, config.adapter.sets[set_name], rows, whole, teacher, known)
    return site.with_labels(tracks, labels)


def scores_in_time_blocks(config: AdaptConfig, samples: SiteSamples, blocks: int, error_budget: float) -> Scored:
    """Score every labelled track of a recording by methods that read no label of its block of time.

    `adapted` also learns from the block's own tracks, without their labels; `labels_alone` and the baselines learn from
    the labels of the other blocks alone, `self_taught` from the tracks of the other blocks without any label, and is
    left out where these are too few.
    """
    everyone, labelled = samples.everyone, samples.labelled
    found, decided, can_teach = _unlearned(config, samples), [], True
    for numbers in time_blocks(len(labelled), blocks):
        block = labelled[numbers]
        rest = np.setdiff1d(labelled, block)
        alone = fitted_on(config, samples, rest, error_budget)
        adapter = with_unlabelled(config, samples, rest, alone, error_budget)
        others = {LABELS_ALONE: alone}
        try:
            others[SELF_TAUGHT] = self_taught(config, samples, np.setdiff1d(everyone, block), error_budget)
        except DataError as error:
            can_teach = False
            log(f"adapt: {SELF_TAUGHT} is left out, these tracks cannot teach themselves: {error}")
        decided.append(_decided(adapter, samples, block))
        scored = {
            **_adapted(config, adapter, samples, block),
            **{name: _log_odds(config, other, samples, block) for name, other in others.items()},
            **_baselines(config, samples, rest, samples, block),
        }
        for method, by_age in scored.items():
            ages = found.setdefault(method, {age: np.empty(len(everyone)) for age in config.ages_frames})
            for age, values in by_age.items():
                ages[age][block] = values
    if not can_teach:
        found.pop(SELF_TAUGHT, None)
    return Scored(
        _of(found, labelled),
        Decided(*(np.concatenate([getattr(own, f.name) for own in decided]) for f in fields(Decided))),
    )


def scores_on_other(config: AdaptConfig, adapter: Adapter, site: SiteSamples, test: SiteSamples) -> Scored:
    """Score every labelled track of recording `test` by `adapter` and by baselines fitted on those of `site`."""
    learned, tracks = site.labelled, test.labelled
    scores = {
        **_of(_unlearned(config, test), tracks),
        **_adapted(config, adapter, test, tracks),
        **(_baselines(config, site, learned, test, tracks) if len(learned) else {}),
    }
    return Scored(scores, _decided(adapter, test, tracks))


def _of(scores: Scores, tracks: Rows) -> Scores:
    return {method: {age: values[tracks] for age, values in by_age.items()} for method, by_age in scores.items()}


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
    single = {
        f"witness_{name}": {age: adapter.witnesses[name].log_odds(rows[name]) for age, rows in evidence.items()}
        for name in adapter.sets[SAME_DETECTOR]
    }
    return {
        ADAPTED: _log_odds(config, adapter, samples, tracks),
        ADAPTED_PIXELS: {age: adapter.log_odds(rows, PIXELS) for age, rows in evidence.items()},
        **single,
    }


def _log_odds(config: AdaptConfig, adapter: Adapter, samples: SiteSamples, tracks: Rows) -> dict[int, Floats]:
    return {age: adapter.log_odds(samples.at(age, tracks), SAME_DETECTOR) for age in config.ages_frames}


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

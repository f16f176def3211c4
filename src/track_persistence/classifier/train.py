"""The train stage: features to a calibrated classifier, its metrics beside the baselines', and its plots.

N tracks of a split, A ages (those of the table, then the whole track).
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from track_persistence.classifier.battery import battery_metrics, battery_rows
from track_persistence.classifier.calibration import Calibration, fit_calibration
from track_persistence.classifier.checkpoint import FittedProfile, Metadata, profile_entries, save_classifier
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.curves import reliability
from track_persistence.classifier.dataset import balance_weights
from track_persistence.classifier.decision import DecisionRule, fit_rule
from track_persistence.classifier.early import early_metrics
from track_persistence.classifier.evaluate import (
    Baselines,
    Judged,
    fit_baselines,
    judge,
    rows_of_profile,
    split_metrics,
)
from track_persistence.classifier.ghosts import ghost_metrics
from track_persistence.classifier.input_source import InputSource
from track_persistence.classifier.intervals import Resamples
from track_persistence.classifier.plots import write_plots, write_predictions
from track_persistence.classifier.seeds import (
    HELD_BACK,
    SeedJob,
    SeedResult,
    make_seed,
    new_model,
    read_result,
    seed_jobs,
)
from track_persistence.classifier.spread import spread_metrics
from track_persistence.classifier.table import FeatureFolders, open_table
from track_persistence.classifier.trainer import torch_device
from track_persistence.core.errors import DataError
from track_persistence.core.files import write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, generator
from track_persistence.engine.shards import ShardJob, run_shards

Floats = NDArray[np.float64]


def run(
    config: TrainConfig, run_config: RunConfig, split: SplitConfig, seed: int, features: FeatureFolders, output: Path
) -> None:
    """Fit the classifier on the training scenes of `config.source`; write weights, metrics, plots and predictions.

    Metrics are of every profile in `features`, the one of recordings included, on its held-back scenes or blocks.

    Every seed trains in a one-thread process; the result does not depend on their number. After a kill the same call
    goes on from the last finished epochs, kept in `run_config.store`. Raises `StorageError`, `DataError` or
    `DeviceError` before any training.
    """
    torch_device(run_config.device)
    with open_table(features, config.ages, seed, split, run_config.store) as table:
        source = InputSource.of(table, config.inputs)
        counts = {name: len(table.rows_from(name, config.source)) for name in (TRAIN, *HELD_BACK)}
        log(f"train: {config.source}: " + ", ".join(f"{count} {name} tracks" for name, count in counts.items()))
        _check_held_back(config, source)
        baselines = {profile: fit_baselines(source, profile) for profile in table.profile_names()}
        jobs = seed_jobs(config, run_config, split, seed, features)
        results = _trained(jobs, run_config)
        _finish(jobs[0], results, source, baselines, output)


def _check_held_back(config: TrainConfig, source: InputSource) -> None:
    """Raise `DataError` now instead of after the training when there is nothing to calibrate or to measure on."""
    for split in HELD_BACK:
        for profile in source.table.profile_names():
            labels = source.labels[rows_of_profile(source, split, profile)]
            if labels.all() or not labels.any():
                raise DataError(
                    f"features: all {len(labels)} {split} tracks of profile {profile} are of one class; both are "
                    "needed, generate more scenes or label more footage"
                )
    rows_of_profile(source, VALIDATION, config.shipped_profile)


def _trained(jobs: list[SeedJob], run_config: RunConfig) -> list[SeedResult]:
    """Train all seeds, or take from the store what was trained before."""
    shards = [ShardJob(f"seed-{job.number:02}.safetensors", job.key, job) for job in jobs]
    workers = 1 if run_config.device == "cuda" else run_config.workers
    with tempfile.TemporaryDirectory(prefix="seeds-", dir=run_config.store) as folder:
        run_shards(make_seed, shards, Path(folder), run_config.store / "train", workers, "training")
        return [read_result(Path(folder) / shard.name) for shard in shards]


@dataclass(frozen=True)
class _Evaluation:
    """What was fitted on a profile's validation tracks, and what was judged with it.

    judged: split to what the methods said. by_seed: the log-odds (N, A) of the test tracks from every seed.
    """

    calibration: Calibration
    temperature: float
    rule: DecisionRule
    judged: Mapping[str, Judged]
    by_seed: tuple[Floats, ...]


def _finish(
    job: SeedJob, results: list[SeedResult], source: InputSource, baselines: Mapping[str, Baselines], output: Path
) -> None:
    """Calibrate and fit the decision rule on validation tracks, evaluate both held-back splits, and write all."""
    config, table, shipped = job.config, source.table, results[0]
    found = {profile: _evaluated(job, results, source, profile, own) for profile, own in baselines.items()}
    metrics: dict[str, Any] = {
        profile: _profile_metrics(job, profile, own, source, shipped) for profile, own in found.items()
    }
    metrics["training"] = {
        "source": config.source,
        "epochs": len(shipped.history),
        "best_epoch": shipped.best_epoch,
        "seeds": len(results),
    }
    fitted = {
        profile: FittedProfile(own.calibration, own.rule, source.scales[profile]) for profile, own in found.items()
    }
    metadata: Metadata = {
        "dtype": table.dtype.name,
        "encoder_digest": table.encoder.digest,
        "inputs": config.inputs,
        "max_frames": config.max_frames,
        "precision": table.encoder.precision,
        "profiles": profile_entries(fitted),
        "published": json.loads(table.encoder.published),
        "shipped_profile": config.shipped_profile,
        "threshold": config.threshold,
    }
    judged = {profile: own.judged for profile, own in found.items()}
    model = new_model(job, source)
    model.load_state_dict(shipped.weights)
    save_classifier(output / "persistence.safetensors", model, metadata)
    write_json(output / "metrics.json", metrics)
    write_plots(output / "plots", metrics, judged, shipped.history, config)
    write_predictions(output / "predictions.csv", table, judged)
    _log_result(metrics, table.profile_names())


def _evaluated(
    job: SeedJob, results: list[SeedResult], source: InputSource, profile: str, baselines: Baselines
) -> _Evaluation:
    """Fit calibration and decision rule on the validation tracks of a profile, and judge its held-back tracks."""
    config, shipped = job.config, results[0]
    calibrations = [_fitted_calibration(config, result, source, profile, config.calibration_ages) for result in results]
    log_odds = {
        split: calibrated_log_odds(shipped.logits[split], calibrations[0], source, (split, profile))
        for split in HELD_BACK
    }
    return _Evaluation(
        calibrations[0],
        _fitted_calibration(config, shipped, source, profile, (1,)).temperatures[0],
        _fitted_rule(config, log_odds[VALIDATION], source, profile),
        {
            split: judge(source, rows_of_profile(source, split, profile), log_odds[split], baselines, config)
            for split in HELD_BACK
        },
        tuple(
            calibrated_log_odds(result.logits[TEST], fitted, source, (TEST, profile))
            for result, fitted in zip(results, calibrations, strict=True)
        ),
    )


def shown_frames(source: InputSource, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many frames each of the tracks shows at every age, (N, A)."""
    lengths = source.lengths[rows]
    return np.stack([*(np.minimum(lengths, age) for age in source.table.ages), lengths], axis=1)


def calibrated_log_odds(logits: Floats, calibration: Calibration, source: InputSource, part: tuple[str, str]) -> Floats:
    """Return the log-odds (N, A) of the tracks of a split and profile; logits: (all tracks of the split, A)."""
    split, profile = part
    chosen = source.profiles[source.table.rows_of(split)] == profile
    return calibration.log_odds(logits[chosen], shown_frames(source, rows_of_profile(source, split, profile)))


def _fitted_calibration(
    config: TrainConfig, result: SeedResult, source: InputSource, profile: str, ages: tuple[int, ...]
) -> Calibration:
    """Fit on every validation track of a profile, once for each different number of frames it shows.

    Samples are weighted as in training, so that this number tells nothing about the class: calibration is not to bring
    back what balanced training kept out.
    """
    rows = rows_of_profile(source, VALIDATION, profile)
    chosen = source.profiles[source.table.rows_of(VALIDATION)] == profile
    shown, logits = shown_frames(source, rows), result.logits[VALIDATION][chosen]
    scored = np.isfinite(logits[0])
    shown, logits = shown[:, scored], logits[:, scored]
    fresh = np.append(np.ones((len(rows), 1), np.bool_), np.diff(shown, axis=1) > 0, axis=1)
    labels = np.broadcast_to(source.labels[rows][:, None], shown.shape)[fresh]
    profiles = np.broadcast_to(source.profiles[rows][:, None], shown.shape)[fresh]
    share = float(source.labels[rows].mean())
    weights = balance_weights(profiles, shown[fresh], labels, share, config.balance_lengths)
    return fit_calibration(logits[fresh], labels, shown[fresh], weights, ages)


def _fitted_rule(config: TrainConfig, log_odds: Floats, source: InputSource, profile: str) -> DecisionRule:
    """Fit the rule on the log-odds (N, A) of a profile's validation tracks."""
    rows = rows_of_profile(source, VALIDATION, profile)
    columns = [source.table.ages.index(age) for age in range(1, config.decision.longest_wait_frames + 1)]
    return fit_rule(log_odds[:, columns], source.lengths[rows], source.labels[rows], config.decision.error_budget)


def _profile_metrics(
    job: SeedJob, profile: str, found: _Evaluation, source: InputSource, shipped: SeedResult
) -> dict[str, Any]:
    config, judged = job.config, found.judged
    drawn = {
        split: Resamples.of(
            item.scenes, generator(job.seed, "train-bootstrap", profile, split), config.bootstrap_replicates
        )
        for split, item in judged.items()
    }
    return {
        **{split: split_metrics(item, config, drawn[split]) for split, item in judged.items()},
        "by_ghost": ghost_metrics(judged[TEST], config, drawn[TEST]),
        "early": early_metrics(found.rule, judged[VALIDATION], judged[TEST], config.decision, drawn[TEST]),
        "length": {
            split: _length_metrics(job, judged[split], shipped, found, source, split)
            | {"length_alone_auc": drawn[split].auc(judged[split].lengths.astype(np.float64), judged[split].labels)}
            for split in HELD_BACK
        },
        "seeds": spread_metrics(list(found.by_seed), judged[TEST], config),
        "calibration": _calibration_metrics(shipped, found, source, profile),
    }


def _length_metrics(
    job: SeedJob, judged: Judged, shipped: SeedResult, found: _Evaluation, source: InputSource, split: str
) -> dict[str, Any]:
    """Return the battery on its tracks of one split of one profile."""
    profile = str(source.profiles[judged.rows[0]])
    rows = battery_rows(source, source.table.rows_of(split), job.config.battery)
    chosen = source.profiles[rows] == profile
    rng = generator(job.seed, "train-battery-bootstrap", profile, split)
    drawn = Resamples.of(source.table.scene_ids[rows[chosen]], rng, job.config.bootstrap_replicates)
    logits = {name: values[chosen] for name, values in shipped.battery[split].items()}
    tracks = source.lengths[rows[chosen]], source.labels[rows[chosen]]
    return battery_metrics(logits, tracks, found.calibration, job.config, drawn)


def _calibration_metrics(result: SeedResult, found: _Evaluation, source: InputSource, profile: str) -> dict[str, Any]:
    """Return the calibration of a profile and its expected calibration error over all ages, before and after.

    `ece_*` is that of the validation split, on which it was fitted; `test_ece_*` is the one to believe.
    """
    fitted = found.calibration
    metrics: dict[str, Any] = {
        "temperature": found.temperature,
        "by_frames": {
            str(age): {"temperature": temperature, "bias": bias}
            for age, temperature, bias in zip(fitted.ages, fitted.temperatures, fitted.biases, strict=True)
        },
    }
    for split, prefix in zip(HELD_BACK, ("", "test_"), strict=True):
        logits = result.logits[split]
        labels = np.repeat(source.labels[rows_of_profile(source, split, profile)], logits.shape[1])
        for name, calibration in (("before", Calibration.constant(1.0)), ("after", fitted)):
            log_odds = calibrated_log_odds(logits, calibration, source, (split, profile))
            found_error = reliability(expit(log_odds).ravel(), labels).expected_calibration_error
            metrics[f"{prefix}ece_{name}"] = found_error
    return metrics


def _log_result(metrics: Mapping[str, Any], profiles: list[str]) -> None:
    for profile in profiles:
        whole = metrics[profile][VALIDATION]["by_frames"]["whole"]
        log(
            f"train: {profile}: validation accuracy on whole tracks {whole['transformer']['accuracy']['value']:.4f}; "
            f"the duration rule alone reaches {whole['min_hits']['accuracy']['value']:.4f}; length battery "
            f"{'passed' if metrics[profile]['length'][VALIDATION]['passes'] else 'failed'}"
        )

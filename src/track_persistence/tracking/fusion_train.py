"""The fuse stage: what each witness is worth beside the others, and the ablation of all sets of witnesses.

The witness by statistics is fitted on training tracks. The weights are fitted on validation tracks, for on the training
tracks classifier and geometry have seen the labels. Test tracks are measured alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from track_persistence.classifier.checkpoint import LoadedClassifier, load_classifier
from track_persistence.classifier.table import TrackTable, open_table
from track_persistence.core.errors import DataError
from track_persistence.core.files import write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, generator
from track_persistence.tracking.aged_logistic import fit_aged
from track_persistence.tracking.config import FUSIONS, TrackingConfig, Witnesses
from track_persistence.tracking.fusion_config import FuseConfig
from track_persistence.tracking.fusion_metrics import Thresholds, measured
from track_persistence.tracking.fusion_model import FusionModel, Stacker
from track_persistence.tracking.fusion_samples import Samples, gather, training_statistics
from track_persistence.tracking.held_back import read_verdicts
from track_persistence.tracking.reading import TrackReader

# One thread: float32 sums depend on the number.
NUM_THREADS = 1


@dataclass(frozen=True)
class Settings:
    """All the stage takes from params."""

    fuse: FuseConfig
    tracking: TrackingConfig
    split: SplitConfig
    run: RunConfig
    seed: int


@dataclass(frozen=True)
class Inputs:
    """What the stage reads: the features, the classifier, and the verdicts of stage `geometry`."""

    features: Path
    classifier: Path
    verdicts: Path


def run(settings: Settings, inputs: Inputs, output: Path) -> None:
    """Fit the fusion; write `fusion.json`, and `metrics.json` on the test tracks of every profile."""
    torch.set_num_threads(NUM_THREADS)
    device = torch.device(settings.run.device)
    loaded = load_classifier(inputs.classifier, device)
    verdicts = read_verdicts(inputs.verdicts)
    with open_table(
        inputs.features, settings.fuse.ages, settings.seed, settings.split, settings.run.store / "fuse"
    ) as table:
        _check_encoder(inputs, table, loaded)
        columns, frames_seen, labels = training_statistics(table, table.rows_of(TRAIN))
        config = settings.fuse
        statistics = fit_aged(columns, frames_seen, labels, config.ages, config.inverse_regularisation)
        log(f"fuse: statistics fitted on {len(labels)} training samples")
        readers = {profile: TrackReader(loaded, device, None, profile) for profile in table.profile_names()}
        samples = gather(verdicts, table, readers, statistics)
    fitted = samples.where((samples.splits == VALIDATION) & ~samples.repeated)
    log(f"fuse: weights fitted on {len(fitted.labels)} validation samples")
    if fitted.labels.all() or not fitted.labels.any():
        raise DataError(
            f"{inputs.verdicts}: all {len(fitted.labels)} validation samples are of one class; both are needed to fit: "
            "read more shards (geometry.shards) or raise split.validation"
        )
    model = FusionModel(
        format="track_persistence.fusion",
        statistics=statistics,
        stackers={name: _stacker(fitted, chosen, config) for name, chosen in FUSIONS.items()},
    )
    model.save(output / "fusion.json")
    thresholds = Thresholds(float(loaded.metadata["threshold"]), settings.tracking.geometry_threshold)
    write_json(output / "metrics.json", _metrics(model, samples.where(samples.splits == TEST), thresholds, settings))


def _stacker(samples: Samples, witnesses: Witnesses, config: FuseConfig) -> Stacker:
    found = {}
    for name, rows in (("group", samples.views > 1), ("alone", samples.views == 1)):
        own = samples.where(rows)
        numbers = {str(witness): own.said[witness] for witness in witnesses}
        found[name] = fit_aged(numbers, own.frames_seen, own.labels, config.ages, config.inverse_regularisation)
    return Stacker(**found)


def _check_encoder(inputs: Inputs, table: TrackTable, loaded: LoadedClassifier) -> None:
    trained_on = loaded.metadata["encoder_digest"]
    if trained_on != table.encoder.digest:
        raise DataError(
            f"{inputs.features}: features of encoder {table.encoder.digest}, but {inputs.classifier} was trained on "
            f"{trained_on}; run extract and train again"
        )


def _metrics(model: FusionModel, samples: Samples, thresholds: Thresholds, settings: Settings) -> dict[str, Any]:
    ages = list(dict.fromkeys(samples.ages.tolist()))
    found = {}
    for profile in np.unique(samples.profiles).tolist():
        rng = generator(settings.seed, "fuse-intervals", profile)
        own = samples.where(samples.profiles == profile)
        intervals = (rng, settings.fuse.bootstrap_replicates)
        found[profile] = {TEST: measured(model, own, ages, thresholds, intervals)}
    return found

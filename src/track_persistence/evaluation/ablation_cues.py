"""One cue of the ablation: fit on the training tracks, score the others.

A cue is what is known of every frame of a track: the features of an encoder, plain pixels, or no pixels at all. A head
is what is fitted on it: the transformer of the train stage, or a logistic regression on the first frames as a whole.
N tracks, T frames, A ages, D width of the cue, H heads, M tracks that are scored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from track_persistence.classifier.baselines import NoPixelsModel, statistics_by_count
from track_persistence.classifier.channels import CHANNELS, ConfidenceScale, Inputs, model_inputs
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.dataset import evaluation_loader, training_loader
from track_persistence.classifier.model import Architecture, PersistenceTransformer
from track_persistence.classifier.trainer import PersistenceTrainer
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, torch_seed
from track_persistence.core.types import LabelledFeatures
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_table import AblationTable, Floats, Rows, read_table
from track_persistence.evaluation.cheap_pixels import CheapPixelsModel
from track_persistence.video.descriptors import COLOURS_SIZE, FRAME_SIZE, GRADIENTS_SIZE, THUMBNAIL_SIZE, pooled

LINEAR, TRANSFORMER = "linear", "transformer"
MAGVIT, RANDOM_MAGVIT, COLOUR_HOG = "magvit", "random_magvit", "colour_hog"
NO_PIXELS, BOTH = "no_pixels", "both"
PIXELS_8X8, CHEAP_PIXELS, STATISTICS = "pixels_8x8", "cheap_pixels", "statistics"

CUES: Mapping[str, Sequence[str]] = {
    COLOUR_HOG: (TRANSFORMER, LINEAR),
    MAGVIT: (TRANSFORMER, LINEAR),
    RANDOM_MAGVIT: (TRANSFORMER, LINEAR),
    PIXELS_8X8: (TRANSFORMER, LINEAR),
    BOTH: (TRANSFORMER,),
    NO_PIXELS: (TRANSFORMER,),
    CHEAP_PIXELS: (LINEAR,),
    STATISTICS: (LINEAR,),
}
"""The heads of every cue, slow cues first, so that the workers end together."""
MOST_ITERATIONS = 2000


@dataclass(frozen=True)
class CueJob:
    """What a worker needs to fit and score one cue: its name, the sample shards and the params.

    training: the section `train`.
    """

    cue: str
    shards: tuple[Path, ...]
    config: AblateConfig
    training: TrainConfig
    split: SplitConfig
    seed: int


def make_scores(job: CueJob, path: Path) -> None:
    """Write the scores (H, M, A) float64 of the cue's heads as .npy; the M tracks are those of `scored_rows`."""
    torch.set_num_threads(1)
    table = _table(job)
    heads = {TRANSFORMER: transformer_scores, LINEAR: linear_scores}
    np.save(path, np.stack([heads[head](job, table, scored_rows(table)) for head in CUES[job.cue]]))


def scored_rows(table: AblationTable) -> Rows:
    """Return the rows that are scored: the tracks of the validation and of the test scenes, in the table's order."""
    return table.rows_of(VALIDATION, TEST)


def _table(job: CueJob) -> AblationTable:
    table = read_table(job.shards, _description(job), job.seed, job.split)
    return reduced(table, job.config.components) if job.cue == COLOUR_HOG else table


def _description(job: CueJob) -> Callable[[LabelledFeatures], NDArray[Any]]:
    """Return the function from a track of a sample shard to the values (T, D) of the job's cue."""
    cue = job.cue
    if cue == STATISTICS:
        return lambda track: statistics_by_count(track, np.arange(1, len(track) + 1))
    if cue in (NO_PIXELS, BOTH):
        inputs: Inputs = "no_pixels" if cue == NO_PIXELS else "both"
        scale = _confidence_scale(job)
        return lambda track: model_inputs(track.features[:, _columns(MAGVIT, track)], track, inputs, scale)
    return lambda track: track.features[:, _columns(cue, track)]


def _confidence_scale(job: CueJob) -> ConfidenceScale:
    """Return the scale of the training tracks' confidences."""
    table = read_table(job.shards, lambda track: track.confidences, job.seed, job.split)
    return ConfidenceScale.of(table.frames_of(table.rows_of(TRAIN)))


def _columns(cue: str, track: LabelledFeatures) -> slice:
    """Return where a cue stands among the values of a sample's frame."""
    width = track.features.shape[1]
    encoder = (width - FRAME_SIZE) // 2
    cheap = 2 * encoder
    return {
        MAGVIT: slice(encoder),
        RANDOM_MAGVIT: slice(encoder, cheap),
        COLOUR_HOG: slice(cheap, cheap + GRADIENTS_SIZE + COLOURS_SIZE),
        PIXELS_8X8: slice(width - THUMBNAIL_SIZE, width),
        CHEAP_PIXELS: slice(cheap, width),
    }[cue]


def reduced(table: AblationTable, components: int) -> AblationTable:
    """Project the frames on the principal components of the training tracks' frames."""
    seen = table.frames_of(table.rows_of(TRAIN)).astype(np.float32)
    solver = "covariance_eigh" if len(seen) > seen.shape[1] else "full"
    basis = PCA(min(components, *seen.shape), svd_solver=solver).fit(seen)
    parts = np.array_split(table.frames, 1 + len(table.frames) // len(seen))
    return replace(table, frames=np.concatenate([basis.transform(part.astype(np.float32)) for part in parts]))


def linear_scores(job: CueJob, table: AblationTable, rows: Rows) -> Floats:
    """Fit a logistic regression at every age and return the scores (len(rows), A)."""
    return np.column_stack([_linear_at(job, table, rows, age) for age in job.config.frames_seen])


def _linear_at(job: CueJob, table: AblationTable, rows: Rows, age: int) -> Floats:
    training = table.rows_of(TRAIN)
    labels = table.labels[training]
    if job.cue == STATISTICS:
        return NoPixelsModel.fit(_last_seen(table, training, age), labels).score(_last_seen(table, rows, age))
    if job.cue == CHEAP_PIXELS:
        return CheapPixelsModel.fit(_pooled(table, training, age), labels).score(_pooled(table, rows, age))
    seen = table.mean_of_first(training, age), table.mean_of_first(rows, age)
    return logistic_scores(job.config, *seen, labels)


def logistic_scores(config: AblateConfig, training: Floats, scored: Floats, labels: NDArray[np.bool_]) -> Floats:
    """Fit a logistic regression on (N, D) values and (N,) labels; return the log-odds (M,) of (M, D) others."""
    regression = LogisticRegression(C=config.inverse_regularisation, max_iter=MOST_ITERATIONS)
    scores: Floats = make_pipeline(StandardScaler(), regression).fit(training, labels).decision_function(scored)
    return scores


def _last_seen(table: AblationTable, rows: Rows, age: int) -> Floats:
    last = table.starts[rows] + np.minimum(table.lengths[rows], age) - 1
    return table.frames[last].astype(np.float64)


def _pooled(table: AblationTable, rows: Rows, age: int) -> NDArray[np.float32]:
    return np.concatenate([pooled(table.read(row, age), [age]) for row in rows.tolist()])


def _architecture(cue: str, width: int, training: TrainConfig) -> Architecture:
    channels = len(CHANNELS) if cue in (NO_PIXELS, BOTH) else 0
    return Architecture(
        input_dim=width - channels,
        hidden_dim=training.hidden_dim,
        num_layers=training.num_layers,
        num_heads=training.num_heads,
        feedforward_dim=training.feedforward_dim,
        dropout=training.dropout,
        channel_dim=channels,
    )


def transformer_scores(job: CueJob, table: AblationTable, rows: Rows) -> Floats:
    """Train the transformer to its last epoch and return the logits (len(rows), A)."""
    training = job.training.model_copy(update={"num_epochs": job.config.num_epochs})
    model = PersistenceTransformer(_architecture(job.cue, table.frames.shape[1], training))
    model.initialise(torch.Generator().manual_seed(torch_seed(job.seed, "ablate-weights")))
    trainer = PersistenceTrainer(model, training, seed=job.seed)
    for epoch in range(training.num_epochs):
        trainer.train_epoch(training_loader(table, table.rows_of(TRAIN), training, job.seed, epoch))
    logits = np.empty((len(rows), len(job.config.frames_seen)))
    for number, age in enumerate(job.config.frames_seen):
        loader = evaluation_loader(table, rows, age, training)
        logits[np.concatenate(loader.batches), number] = trainer.score(loader)[0]
    return logits

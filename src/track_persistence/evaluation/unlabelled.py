"""A site's own tracks as training clips of the encoder: nobody has to say what is real."""

from pathlib import Path

import numpy as np

from track_persistence.core.progress import log
from track_persistence.core.seeding import generator
from track_persistence.evaluation.footage_files import files_of, located
from track_persistence.magvit.clips import UNKNOWN_CAUSE, Clip, ClipReservoir
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.video.crops import stream_tracks
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video


def recorded_clips(
    config: TokenizerConfig, footage_dir: Path, crop_margin: float, seed: int
) -> tuple[list[Clip], list[Path]]:
    """Return the clips of `config.unlabelled`, each the first `pool_frames` boxes of a track, and the files read.

    Every track of all recordings is equally likely to be among the clips. crop_margin: share of a box's width and
    height added on each side of a crop. Raises `ParamsError` for files that are not below `footage_dir`, `VideoError`
    for unusable ones.
    """
    sources = located(config.unlabelled.sources, footage_dir, "tokenizer.unlabelled.sources")
    kept = ClipReservoir(config.unlabelled.tracks)
    for number, source in enumerate(sources):
        table = read_mot(source.tracks, "tracks")
        ranks = generator(seed, "tokenizer recordings", number)
        confidences = np.zeros(len(table))  # the encoder sees pixels alone
        for track in stream_tracks(Video(source.video), table, confidences, crop_margin, config.pool_frames):
            clip = Clip(number, track.camera, track.track_id, track.crops, UNKNOWN_CAUSE)
            kept.offer(float(ranks.random()), clip)
    if sources:
        log(f"tokenizer: {len(kept.heap)} unlabelled tracks of {len(sources)} recordings")
    return kept.clips(), [path for source in sources for path in files_of(source).values()]

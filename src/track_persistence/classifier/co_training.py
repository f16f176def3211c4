"""Labels for a site's tracks that nobody has labelled: its witnesses teach each other.

Co-EM (Nigam & Ghani 2000), a form of co-training (Blum & Mitchell 1998). Every witness sees another side of a track.
Round by round each is fitted anew to the probability that all the others together give, so that none confirms its own
mistakes. What comes again and again at a site, its people and its false alarms, agrees on many sides and is learned
although nobody named it; what the first teacher got wrong here and there is outvoted. Both kinds of tracks should be
common: how common they are is not estimated (docs/adr/0014-witnesses-teach-each-other.md).

N tracks, A ages, D values of a witness.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from track_persistence.classifier.adapter import Evidence, Floats, sum_of
from track_persistence.classifier.adapter_fit import AdapterConfig, Bools, fit_witnesses


def co_trained(
    config: AdapterConfig, names: Sequence[str], rows: Evidence, whole: Evidence, teacher: Floats, known: Floats
) -> Bools:
    """Return the label (N,) of every track: the known ones as they are, the others as the witnesses `names` agree.

    rows: (A * N, D) of the tracks at the training ages, age by age. whole: (N, D) of the same tracks at the last age.
    teacher: log-odds (N,) that all witnesses learn in the first round; of an unlabelled track alone they matter.
    known: (N,), 1 real, 0 false, NaN unlabelled. Raises `DataError` when all tracks seem to be of one class.
    """
    ages = len(rows[names[0]]) // len(teacher)
    weights = np.full(ages * len(teacher), 1 / ages)

    def believed(log_odds: Floats) -> Floats:
        return np.where(np.isnan(known), expit(log_odds), known)

    lessons, total = dict.fromkeys(names, believed(teacher)), teacher
    for _ in range(config.co_training_rounds):
        said = {}
        for name, probabilities in lessons.items():
            witness = fit_witnesses(config, (name,), rows, np.tile(probabilities, ages), weights)[name]
            said[name] = witness.log_odds(whole[name])
        total = sum_of(said, names)
        lessons = {name: believed(total - said[name]) for name in names}
    labels: Bools = believed(total) > 0.5
    return labels

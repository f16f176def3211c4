"""What adaptation brought, in numbers with 95 % intervals over tracks.

N tracks. Layout of the metrics: `tracks` (counts), `by_age` -> age -> method -> `auc`, `auc_flicker`,
`auc_static_clutter` (real tracks against false ones of that kind alone), for calibrated methods also `precision`,
`recall`, `calibration_error` at `threshold`; and age -> `gain` (adapted less the named best baseline, paired).
`decision`: mean observed `frames` until the adapted filter keeps or drops, of all, real and false tracks; shares
`forced` when waiting ended, `wrongly_kept` of false and `wrongly_dropped` of real tracks.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.curves import area_under_roc
from track_persistence.classifier.early import decision_metrics
from track_persistence.classifier.intervals import Resamples, bootstrap_interval
from track_persistence.core.seeding import generator
from track_persistence.evaluation.adapt_methods import (
    ADAPTED,
    ADAPTED_PIXELS,
    BEFORE,
    LABELS_ALONE,
    SELF_TAUGHT,
    Scored,
)
from track_persistence.evaluation.recordings import Recording

Floats = NDArray[np.float64]
KINDS = ("flicker", "static_clutter")
ADAPTERS = (ADAPTED, ADAPTED_PIXELS, LABELS_ALONE, SELF_TAUGHT)
CALIBRATED = (BEFORE, *ADAPTERS)
GAIN = "gain"
AUC_COLUMNS = ("auc", *(f"auc_{kind}" for kind in KINDS))


def adaptation_metrics(
    recording: Recording, scored: Scored, threshold: float, seed: int, replicates: int
) -> dict[str, Any]:
    """Return the metrics of every method on the N tracks that `scored` is about."""
    kinds = np.array(recording.kinds)
    labels, scores = recording.labels, scored.scores
    resamples = Resamples.of(np.arange(len(labels)), generator(seed, "adapt-bootstrap"), replicates)
    by_age: dict[str, Any] = {}
    for age in scores[ADAPTED]:
        at = {method: values[age] for method, values in scores.items()}
        methods = {method: _method(method, at[method], recording, resamples, threshold) for method in at}
        rng = generator(seed, "adapt-gain", age)
        by_age[str(age)] = {**methods, GAIN: _gain(at, labels, rng, replicates)}
    return {
        "tracks": {
            "scored": len(labels),
            "real": int(labels.sum()),
            "false": int((~labels).sum()),
            **{kind: int(((kinds == kind) & ~labels).sum()) for kind in KINDS},
        },
        "threshold": threshold,
        "by_age": by_age,
        "decision": decision_metrics(scored.decided, labels, resamples),
    }


def _method(
    method: str, scores: Floats, recording: Recording, resamples: Resamples, threshold: float
) -> dict[str, dict[str, float]]:
    labels, kinds = recording.labels, np.array(recording.kinds)
    found = {"auc": resamples.auc(scores, labels)}
    for kind in KINDS:
        rows = np.flatnonzero(labels | (kinds == kind))
        found[f"auc_{kind}"] = resamples.of_rows(rows).auc(scores[rows], labels[rows])
    if method in CALIBRATED:
        probabilities = 1 / (1 + np.exp(-scores))
        kept = probabilities >= threshold
        found["precision"] = resamples.share(labels, kept)
        found["recall"] = resamples.share(kept, labels)
        found["calibration_error"] = resamples.calibration_error(probabilities, labels)
    return found


def _gain(
    scores: Mapping[str, Floats], labels: NDArray[np.bool_], rng: np.random.Generator, replicates: int
) -> dict[str, Any]:
    """Compare with the method that had no part in the adaptation and ranks these tracks best."""
    others = [name for name in scores if name not in ADAPTERS and not name.startswith("witness_")]
    best = max(others, key=lambda name: area_under_roc(scores[name], labels))

    def difference(adapted: Floats, other: Floats, real: NDArray[np.bool_]) -> float:
        return area_under_roc(adapted, real) - area_under_roc(other, real)

    arrays = (scores[ADAPTED], scores[best], labels)
    low, high = bootstrap_interval(difference, arrays, np.arange(len(labels)), rng, replicates)
    return {"over": best, "auc": {"value": difference(*arrays), "low": low, "high": high}}


def table_lines(title: str, metrics: Mapping[str, Any]) -> list[str]:
    """Return the metrics as a table of text."""
    count = metrics["tracks"]
    lines = [
        f"{title}: {count['real']} real and {count['false']} false tracks, of these {count['flicker']} flicker and "
        f"{count['static_clutter']} static clutter; 95 % intervals over tracks",
        f"{'age':>4}  {'method':<22}{'AUC':<22}{'AUC flicker':<22}{'AUC static clutter':<22}calibration error",
    ]
    for age, methods in metrics["by_age"].items():
        for method, values in methods.items():
            if method != GAIN:
                columns = (*AUC_COLUMNS, "calibration_error")
                cells = "".join(f"{_cell(values.get(column)):<22}" for column in columns)
                lines.append(f"{age:>4}  {method:<22}{cells}".rstrip())
        gain = methods[GAIN]
        lines.append(f"{age:>4}  adapted less {gain['over']}: {_cell(gain['auc'])}")
    decision = {name: _cell(value) for name, value in metrics["decision"].items()}
    lines.append(
        f"keep or drop after {decision['frames']} observed frames; false tracks kept {decision['wrongly_kept']}, "
        f"real ones dropped {decision['wrongly_dropped']}"
    )
    return lines


def _cell(value: Mapping[str, float] | None) -> str:
    if value is None or not np.isfinite(value["value"]):
        return "-"
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"

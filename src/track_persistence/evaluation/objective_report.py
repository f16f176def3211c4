"""The comparison of the candidates as Markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from track_persistence.evaluation.ablation_cues import CHEAP_PIXELS, COLOUR_HOG, LINEAR, STATISTICS, TRANSFORMER
from track_persistence.evaluation.objectives_config import GIVEN, RANDOM_WEIGHTS

TITLES = {
    GIVEN: "given checkpoint",
    RANDOM_WEIGHTS: "random weights",
    COLOUR_HOG: "colour and gradient histograms",
    CHEAP_PIXELS: "histograms and thumbnail, principal components",
    STATISTICS: "boxes and confidences",
    TRANSFORMER: "transformer",
    LINEAR: "logistic regression",
}
NOTHING = "-"


def markdown(metrics: Mapping[str, Any]) -> str:
    """Return the tables of what `objectives.run` writes to objectives.json."""
    parts = [_choice(metrics), _simulated(metrics)]
    if metrics["transfer"]:
        parts.append(_transfer(metrics))
    return "\n\n".join(parts) + "\n"


def _choice(metrics: Mapping[str, Any]) -> str:
    choice = metrics["choice"]
    others = [
        f"{_title(name)} {_cell(values['minus_chosen'])}"
        for name, values in choice["candidates"].items()
        if name != choice["candidate"]
    ]
    return (
        f"Chosen: {_title(choice['candidate'])}, the largest mean AUC over ages under the transformer on validation "
        f"scenes. Less than it: {', '.join(others)}. Each candidate was trained once, for {metrics['steps']} steps; "
        "intervals (95 %) are over scenes and know nothing of the spread between trainings."
    )


def _simulated(metrics: Mapping[str, Any]) -> str:
    found, reference = metrics["simulated"], metrics["reference"]
    ages = list(found["by_frames"])
    lines = [
        f"{found['tracks']} tracks of {found['scenes']} validation scenes of the {found['profile']} profile, "
        f"{found['persistent']} of them real; heads fitted on {found['training_tracks']} tracks. AUC by frames seen.",
        "",
    ]
    title = ["encoder", "PSNR, dB", "codes used", "head", *ages, "mean", f"mean less {_title(reference)}"]
    rows = []
    for encoder in found["mean_over_ages"][TRANSFORMER]:
        quality = metrics["quality"].get(encoder)
        shown = [_title(encoder), *_quality(quality)]
        for head, mean in found["mean_over_ages"].items():
            areas = [_number(found["by_frames"][age][head][encoder]["auc"]["value"]) for age in ages]
            own = mean[encoder]
            rows.append([*shown, _title(head), *areas, _cell(own["auc"]), _cell(own[f"minus_{reference}"])])
            shown = ["", "", ""]
    return "\n".join([*lines, *_table(title, rows)])


def _quality(quality: Mapping[str, Any] | None) -> list[str]:
    if quality is None:
        return [NOTHING, NOTHING]
    return [f"{quality['psnr_db']['value']:.1f}", f"{quality['codebook']['used_share']:.0%}"]


def _transfer(metrics: Mapping[str, Any]) -> str:
    pairs, reference = metrics["transfer"], metrics["reference"]
    counts = [
        f"{name}: fitted on {found['fitted']['real']} real and {found['fitted']['false']} false tracks, tested on "
        f"{found['tested']['real']} and {found['tested']['false']}"
        for name, found in pairs.items()
    ]
    heading = (
        f"Real footage, first {metrics['transfer_frames']} frames: fitted on one detector's tracks, tested on "
        f"another's of the same scene ({'; '.join(counts)}). AUC, intervals over tracks; it has no part in the choice."
    )
    title = ["values", *(word for name in pairs for word in (name, f"less {_title(reference)}"))]
    methods = list(next(iter(pairs.values()))["methods"])
    rows = [
        [
            _title(method),
            *(
                _cell(found["methods"][method][key])
                for found in pairs.values()
                for key in ("auc", f"minus_{reference}")
            ),
        ]
        for method in methods
    ]
    return "\n".join([heading, "", *_table(title, rows)])


def _table(title: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---"] * len(title)
    return [f"| {' | '.join(cells)} |" for cells in (title, rule, *rows)]


def _title(name: str) -> str:
    return TITLES.get(name, f"`{name}`")


def _cell(measured: Mapping[str, float]) -> str:
    value, low, high = (_number(measured[key]) for key in ("value", "low", "high"))
    return value if low == NOTHING else f"{value} [{low}, {high}]"


def _number(value: float) -> str:
    """Return a share without the 0 before its point."""
    return f"{value:.3f}".replace("0.", ".", 1) if math.isfinite(value) else NOTHING

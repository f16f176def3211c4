"""What each encoder and each input of the classifier is worth, with differences on the same tracks."""

from collections.abc import Mapping, Sequence
from typing import Any

from track_persistence.report.ghost_tables import ghost_name
from track_persistence.report.tables import Row, Table, age_titles, ages_of, best_of, column_best
from track_persistence.report.values import lookup, value_of

Method = tuple[str, str]
"""Head and cue, as stage `ablate` names them."""
REFERENCE: Method = ("transformer", "magvit")
DIFFERENCE = "minus_transformer_magvit"
CUE_NAMES = {
    "magvit": "trained encoder",
    "random_magvit": "encoder with random weights",
    "colour_hog": "colour and gradient histograms",
    "cheap_pixels": "histograms and thumbnail",
    "pixels_8x8": "8 x 8 pixels",
    "no_pixels": "boxes and confidences",
    "both": "trained encoder, boxes and confidences",
    "statistics": "statistics of boxes and confidences",
}
HEAD_NAMES = {"transformer": "transformer", "linear": "logistic regression"}
ENCODERS: tuple[Method, ...] = (
    REFERENCE,
    ("transformer", "random_magvit"),
    ("transformer", "colour_hog"),
    ("transformer", "pixels_8x8"),
    ("linear", "magvit"),
    ("linear", "random_magvit"),
    ("linear", "colour_hog"),
    ("linear", "cheap_pixels"),
    ("linear", "pixels_8x8"),
)
INPUTS: tuple[Method, ...] = (
    REFERENCE,
    ("transformer", "no_pixels"),
    ("transformer", "both"),
    ("linear", "statistics"),
)
BY_GHOST: tuple[Method, ...] = (*INPUTS[:3], ("transformer", "colour_hog"), ("linear", "cheap_pixels"))


def method_name(method: Method) -> str:
    """Return what tables and sentences call a cue under a head."""
    head, cue = method
    return f"{CUE_NAMES.get(cue, cue.replace('_', ' '))}, {HEAD_NAMES.get(head, head)}"


def areas_table(part: Mapping[str, Any], origin: str, methods: Sequence[Method], caption: str) -> Table:
    """Return the area of each method by frames seen; the highest at each age is marked."""
    ages = ages_of(part, origin)
    columns = [[value_of(lookup(part, origin, "by_frames", age, *method, "auc")) for method in methods] for age in ages]
    best = column_best(columns, 1)
    rows = [
        Row((method_name(method), *(column[line].number() for column in columns)), best[line])
        for line, method in enumerate(methods)
    ]
    return Table(caption, ("", *age_titles(ages)), tuple(rows))


def differences_table(part: Mapping[str, Any], origin: str, methods: Sequence[Method], caption: str) -> Table:
    """Return the area of each method minus that of the trained encoder under the transformer; above 0 it is better."""
    ages = ages_of(part, origin)
    rows = []
    for method in methods:
        if method != REFERENCE:
            values = [value_of(lookup(part, origin, "by_frames", age, *method, DIFFERENCE)) for age in ages]
            rows.append(Row((method_name(method), *(value.number() for value in values))))
    return Table(caption, ("", *age_titles(ages)), tuple(rows))


def ghosts_table(part: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the area of real objects against each kind of ghost alone; the best of a line is marked."""
    rows = []
    for ghost, found in lookup(part, origin, "by_ghost").items():
        areas = [value_of(lookup(found, origin, *method, "auc")) for method in BY_GHOST]
        cells = (ghost_name(ghost), str(lookup(found, origin, "tracks")), *(area.number() for area in areas))
        rows.append(Row(cells, frozenset(2 + at for at in best_of(areas))))
    return Table(caption, ("ghost", "tracks", *map(method_name, BY_GHOST)), tuple(rows))

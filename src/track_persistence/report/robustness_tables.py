"""Does the model lean on the length of a track, and how much do results depend on the training seed?"""

from collections.abc import Mapping
from typing import Any

from track_persistence.report.tables import Row, Table, age_titles
from track_persistence.report.values import Value, lookup, value_of

SPLITS = ("validation", "test")
CHECKS = {
    "recall_lost_by_truncation": "real objects lost when tracks are cut short",
    "ghosts_gained_by_tiling": "ghosts kept more often when their frames are repeated",
    "accuracy_lost_by_shuffling": "accuracy lost when frames are shuffled",
}
ORDER_CHECK = "accuracy_lost_by_shuffling"
VARIANTS = {"whole": "as it is", "mean_frame": "every frame the mean frame", "shuffled": "frames shuffled"}
PASSED, FAILED = "passed", "FAILED"


def leans_on(profile: Mapping[str, Any], origin: str) -> str:
    """Return what the battery finds the model to lean on, in validation or test tracks: "" when it passes on both."""
    failed = {
        name
        for split in SPLITS
        for name, check in lookup(profile, origin, "length", split, "checks").items()
        if not lookup(check, origin, "passes")
    }
    order = ["the order of its frames"] if ORDER_CHECK in failed else []
    return " and ".join((["the length of a track"] if failed - {ORDER_CHECK} else []) + order)


def checks_table(profile: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the quantities that have a limit."""
    rows = []
    for split in SPLITS:
        for name, check in lookup(profile, origin, "length", split, "checks").items():
            value, limit = (value_of(lookup(check, origin, key)) for key in ("value", "limit"))
            cells = (CHECKS.get(name, name.replace("_", " ")), split, value.percent(), limit.percent())
            rows.append(Row((*cells, PASSED if lookup(check, origin, "passes") else FAILED)))
    return Table(caption, ("check", "tracks", "measured", "limit", ""), tuple(rows))


def variants_table(profile: Mapping[str, Any], origin: str, split: str, caption: str) -> Table:
    """Return what is kept of real objects and of ghosts under every change to the tracks."""
    variants = lookup(profile, origin, "length", split, "variants")
    rows = []
    for name in sorted(variants, key=_order):
        shares = [value_of(lookup(variants, origin, name, key)) for key in ("real_kept", "ghosts_kept", "accuracy")]
        area = value_of(lookup(variants, origin, name, "auc"))
        rows.append(Row((_variant(name), *(share.percent() for share in shares), area.number())))
    return Table(caption, ("tracks", "real objects kept", "ghosts kept", "accuracy", "AUC"), tuple(rows))


def spread_table(profile: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return mean, least and greatest AUC and accuracy over training seeds by frames seen."""
    seeds = lookup(profile, origin, "seeds")
    ages = sorted(seeds, key=lambda age: (not age.isdecimal(), _parts(age)))
    rows = []
    for measure, title in (("auc", "AUC"), ("accuracy", "accuracy")):
        values = [
            Value(*(float(lookup(seeds, origin, age, measure, key)) for key in ("mean", "min", "max"))) for age in ages
        ]
        rows.append(Row((title, *(value.number() for value in values))))
    return Table(caption, ("", *age_titles(ages)), tuple(rows))


def _order(name: str) -> tuple[int, str, int]:
    known = list(VARIANTS)
    return (known.index(name) if name in known else len(known), *_parts(name))


def _variant(name: str) -> str:
    kind, _, count = name.rpartition("_")
    first = "first frame alone" if count == "1" else f"first {count} frames alone"
    words = {"truncated": first, "tiled": f"repeated to {count} frames"}
    return VARIANTS.get(name) or words.get(kind, name.replace("_", " "))


def _parts(name: str) -> tuple[str, int]:
    kind, _, count = name.rpartition("_")
    return (kind, int(count)) if count.isdecimal() else (name, 0)

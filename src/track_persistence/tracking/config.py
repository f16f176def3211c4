"""The `tracking` section of params.yaml."""

from itertools import combinations
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from track_persistence.core.params import Section
from track_persistence.stereo.config import LastingConfig, SmoothingConfig, StereoConfig

Witness = Literal["appearance", "statistics", "geometry"]
"""Who says something about a track: its pixels, its boxes and confidences, or the geometry of its group."""
WITNESSES: tuple[Witness, ...] = get_args(Witness)
Witnesses = tuple[Witness, ...]
SEPARATOR = "_"


def _a_list(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"expected a list of witnesses out of {', '.join(WITNESSES)}, such as [appearance, geometry]")
    return value


def _in_order(value: Witnesses) -> Witnesses:
    if len(set(value)) != len(value):
        raise ValueError("a witness is named twice")
    return tuple(witness for witness in WITNESSES if witness in value)


class TrackingConfig(Section):
    """From 2D tracks of two cameras to 3D; the filter's threshold comes from the classifier's checkpoint."""

    fusion: Annotated[Witnesses, Field(min_length=1), AfterValidator(_in_order), BeforeValidator(_a_list)]
    """What the decision rests on: `appearance` (pixels of a track), `statistics` (its boxes and confidences) and
    `geometry` (cues of its group), any of them; several are weighed by the model of stage `fuse`."""
    geometry_threshold: Annotated[float, Field(gt=0, lt=1)]
    """Without `appearance`, probability from which on a track is kept; else the classifier's checkpoint says."""
    stereo: StereoConfig
    """Association and triangulation."""
    smoothing: SmoothingConfig
    """From the pixels of a group to its 3D path."""
    lasting: LastingConfig | None
    """Errors that more frames do not average away; null states the uncertainty without them."""


def name_of(witnesses: Witnesses) -> str:
    """Return what tables and files call a set of witnesses, such as `appearance_geometry`."""
    return SEPARATOR.join(witness for witness in WITNESSES if witness in witnesses)


FUSIONS: dict[str, Witnesses] = {
    name_of(chosen): chosen for count in range(1, len(WITNESSES) + 1) for chosen in combinations(WITNESSES, count)
}
"""Every set of witnesses, by name."""


def needs_fusion(witnesses: Witnesses) -> bool:
    """Return whether the model of stage `fuse` is needed: to judge by statistics, or to weigh several witnesses."""
    return "statistics" in witnesses or len(witnesses) > 1

"""What the quantities of the self-check mean, in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from track_persistence.stereo.self_check_config import SelfCheckConfig
from track_persistence.stereo.self_check_fit import Measured

# Deviations on either side of the intervals in texts.
INTERVAL_SIGMAS = 2.0
DIGITS = 2
NAMES = {
    "pitch": "pitch",
    "yaw": "yaw",
    "roll": "roll",
    "offset": "time offset",
    "bias": "vertical bias",
    "behind": "rays that meet behind a camera",
}
UNITS = {"pitch": "°", "yaw": "°", "roll": "°", "offset": " frames", "bias": " px", "behind": " of the joint frames"}
REMEDIES = {
    "pitch": "turn the second camera by this about its x axis, or calibrate anew",
    "yaw": "turn the second camera by this about its y axis, or calibrate anew; depths are off",
    "roll": "turn the second camera by this about its z axis, or calibrate anew",
    "offset": "add this to the second camera's frame numbers",
    "bias": "partners lie this far off their epipolar lines on average; calibrate anew",
    "behind": "are the two cameras swapped, or one of them turned?",
}


class State(StrEnum):
    """What a quantity, or all of them together, says about the rig."""

    SOUND = "sound"
    UNDECIDED = "undecided"
    WRONG = "wrong"


@dataclass(frozen=True)
class Seen:
    """What a verdict rests on.

    pairs: of partners. sharing: tracks of either camera that share a frame with one of the other. regions: of the image
    with partners, and all.
    """

    pairs: int
    sharing: tuple[int, int]
    regions: tuple[int, int]

    @property
    def text(self) -> str:
        """One phrase."""
        return (
            f"{self.pairs} pairs of partners among {self.sharing[0]} and {self.sharing[1]} tracks that share frames, "
            f"in {self.regions[0]} of {self.regions[1]} regions of the image"
        )


@dataclass(frozen=True)
class Quantity:
    """A quantity that is 0 in a right rig: its estimate, standard deviation and tolerated size, in one unit."""

    name: str
    value: float
    sigma: float
    tolerated: float
    state: State

    @property
    def words(self) -> tuple[str, str]:
        """Name, and value with interval and unit."""
        # Adding 0 turns a rounded -0 into 0.
        value = round(self.value, DIGITS) + 0.0
        return NAMES[self.name], f"{value:+.{DIGITS}f} ± {INTERVAL_SIGMAS * self.sigma:.{DIGITS}f}{UNITS[self.name]}"

    @property
    def text(self) -> str:
        """Name, value, interval and unit."""
        return " ".join(self.words)


def judge(name: str, measured: Measured, config: SelfCheckConfig) -> Quantity:
    """Return the quantity `name` (pitch, yaw, roll, offset, bias or behind) with its state."""
    tolerated = {
        "offset": config.tolerated_offset_frames,
        "bias": config.tolerated_bias_px,
        "behind": config.tolerated_behind_share,
    }.get(name, config.tolerated_angle_deg)
    size = abs(measured.value)
    state = State.UNDECIDED
    if size > tolerated and size > config.alarm_sigmas * measured.sigma:
        state = State.WRONG
    elif size + config.exclude_sigmas * measured.sigma < 2 * tolerated:
        state = State.SOUND
    return Quantity(name, measured.value, measured.sigma, tolerated, state)


def overall(quantities: Mapping[str, Quantity]) -> State:
    """Return the state of the rig: wrong if anything is, sound if everything was measured and is."""
    states = {quantity.state for quantity in quantities.values()}
    if State.WRONG in states:
        return State.WRONG
    return State.SOUND if states == {State.SOUND} and len(quantities) == len(NAMES) else State.UNDECIDED


def verdict(quantities: Mapping[str, Quantity], seen: Seen, config: SelfCheckConfig) -> tuple[str, ...]:
    """Return the verdict as lines, the first one the sum of the others."""
    by_state = {state: [each for each in quantities.values() if each.state is state] for state in State}
    state = overall(quantities)
    if state is State.WRONG:
        head = f"WRONG: {', '.join(each.text for each in by_state[State.WRONG])}"
    elif state is State.SOUND:
        head = "SOUND: rotation and synchronisation can be trusted; the baseline's length cannot be told from tracks"
    elif seen.pairs < config.fewest_tracks:
        head = _without_partners(seen, config)
    else:
        names = " and ".join(NAMES[each.name] for each in by_state[State.UNDECIDED])
        head = f"UNDECIDED: no fault found, but the tracks do not suffice to tell {names}"
    return (
        f"{head} ({seen.text})",
        *[f"wrong: {each.text}: {REMEDIES[each.name]}" for each in by_state[State.WRONG]],
        *[f"undecided: {each.text}: {_needed(each, seen.pairs, config)}" for each in by_state[State.UNDECIDED]],
        *[f"sound: {each.text}" for each in by_state[State.SOUND]],
    )


def _without_partners(seen: Seen, config: SelfCheckConfig) -> str:
    reason = f"UNDECIDED: fewer than fewest_tracks {config.fewest_tracks} pairs of partners"
    if min(seen.sharing) < config.fewest_tracks:
        return f"{reason}, as hardly any tracks share frames"
    return (
        f"{reason}, though many tracks share frames: the calibration is far off, belongs to other cameras, or the "
        f"offset is beyond max_offset_frames {config.max_offset_frames}"
    )


def _needed(quantity: Quantity, pairs: int, config: SelfCheckConfig) -> str:
    """Say what would decide: deviations shrink with the root of the number of pairs."""
    limit = f"{2 * quantity.tolerated:g}{UNITS[quantity.name]}"
    count = math.ceil(pairs * (config.exclude_sigmas * quantity.sigma / quantity.tolerated) ** 2)
    if count > pairs:
        return f"an error of {limit} could hide; about {count} pairs would tell, fewer nearer the image's corners"
    return f"too near the limit of {limit} to tell"

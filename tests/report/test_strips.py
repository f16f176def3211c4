import base64
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import StorageError
from track_persistence.report.strips import sampled, strips_of

Make = Callable[[str], Any]
Example = Callable[[int, str, int], dict[str, Any]]


def test_sampling_keeps_both_ends_and_the_order() -> None:
    assert list(sampled(3, 20)) == [0, 1, 2]
    assert sampled(11, 3) == [0, 5, 10]


def test_a_strip_shows_the_crops_in_colour_with_their_lift(make_run: Make, example: Example) -> None:
    run = make_run("run")
    (strip,) = strips_of(
        run.config, {"track-0001": example(1, "true_positive", 3)}, "examples.json", run.folders.scenes
    )
    assert [frame.number for frame in strip.frames] == [5, 6, 7]
    # attention 1/6, 2/6, 3/6 of 3 frames: lifts 0.5, 1, 1.5
    assert [frame.lift for frame in strip.frames] == pytest.approx([0.5, 1.0, 1.5])
    assert [frame.height_percent for frame in strip.frames] == pytest.approx([33.3, 66.7, 100.0])
    png = base64.b64decode(strip.frames[0].image.partition(",")[2])
    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    assert bgr.shape == (64, 64, 3)
    assert tuple(bgr[0, 0]) == (0, 0, 200)  # blue, green, red
    assert strip.facts == "truth: real object, probability 0.750, 3 frames"


def test_a_ghost_is_called_by_its_cause_and_not_by_how_long_it_lasts(make_run: Make, example: Example) -> None:
    run = make_run("run")
    ghost = example(1, "false_positive", 3) | {"kind": "brief", "ghost": "static_glare"}
    (strip,) = strips_of(run.config, {"track-0001": ghost}, "examples.json", run.folders.scenes)
    assert strip.facts.startswith("truth: static glare, ")


def test_each_outcome_shows_at_most_so_many_tracks(make_run: Make, example: Example) -> None:
    run = make_run("run")
    config = run.config.model_copy(update={"strips_per_outcome": 1})
    examples = {f"track-{n}": example(1, "true_positive", 3) for n in range(3)}
    examples["track-9"] = example(2, "false_negative", 30)
    strips = strips_of(config, examples, "examples.json", run.folders.scenes)
    assert sorted(strip.title for strip in strips) == ["track-0", "track-9"]


def test_an_example_without_its_scene_is_an_error(make_run: Make, example: Example) -> None:
    run = make_run("run")
    missing = {"track-0001": example(77, "true_positive", 3)}
    with pytest.raises(StorageError, match="track 77 of camera 0 in scene 3 is not among the scenes"):
        strips_of(run.config, missing, "examples.json", run.folders.scenes)


def test_attention_of_another_length_is_an_error(make_run: Make, example: Example) -> None:
    run = make_run("run")
    wrong = {"track-0001": example(1, "true_positive", 4)}
    with pytest.raises(StorageError, match="4 attention values for 3 frames"):
        strips_of(run.config, wrong, "examples.json", run.folders.scenes)

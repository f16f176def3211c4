from typing import Any

import numpy as np
import pytest
from markupsafe import Markup

from track_persistence.core.errors import StorageError
from track_persistence.report import scenario_figures
from track_persistence.report.scenario_figures import depth_figure, example_figure, time_figure

Example = dict[str, Any]
ORIGINS = ("examples.json: 1", "metrics.json")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """What the figures were asked to draw, by the name of the figure."""
    calls: dict[str, tuple[Any, ...]] = {}

    def remember(name: str) -> Any:
        def draw(*arguments: Any) -> Markup:
            calls[name] = arguments
            return Markup()

        return draw

    for name in ("scene_figure", "gospa_time_figure", "depth_error_figure"):
        monkeypatch.setattr(scenario_figures, name, remember(name))
    return calls


def test_the_rig_and_the_tracks_are_those_of_the_scene(
    scenario_example: Example, drawn: dict[str, tuple[Any, ...]]
) -> None:
    example_figure(scenario_example, ORIGINS[0], "1 clean")
    rig, truth_m, paths, name = drawn["scene_figure"]
    assert name == "1 clean"
    assert rig.cameras[1].centre_m == pytest.approx([0.5, 0, 0])
    assert [path.shape for path in truth_m] == [(6, 3)]
    assert [(path.kept, path.positions_m.shape, path.covariances_m2.shape) for path in paths] == [
        (True, (6, 3), (6, 3, 3)),
        (False, (6, 3), (6, 3, 3)),
    ]


def test_a_scene_without_visible_truth_is_drawn(scenario_example: Example) -> None:
    scenario_example["truth"] = [[]]
    assert "from the side" in example_figure(scenario_example, ORIGINS[0], "1 clean")


def test_gospa_without_a_filter_comes_first(scenario_example: Example, drawn: dict[str, tuple[Any, ...]]) -> None:
    time_figure(scenario_example, ORIGINS[0], "1 clean")
    methods, _ = drawn["gospa_time_figure"]
    assert [method.name for method in methods] == ["filter off", "filter by appearance"]
    assert methods[0].root_mean_square_m == pytest.approx(np.sqrt(4.51))


def test_plain_triangulation_stands_beside_the_result_and_the_bound(
    scenario_example: Example, scenario_metrics: dict[str, Any], drawn: dict[str, tuple[Any, ...]]
) -> None:
    depth_figure(scenario_example, scenario_metrics["1"], ORIGINS, "1 clean")
    methods, edges_m, bound_m, _ = drawn["depth_error_figure"]
    assert edges_m.tolist() == [3, 10, 30]
    assert bound_m == pytest.approx([0.4, 1.2])
    # the hand-made errors are 1.1 times the bound frame by frame and 0.5 times with all frames
    assert [(method.name, method.rmse_m.tolist()) for method in methods] == [
        ("frame by frame", pytest.approx([0.44, 1.32])),
        ("3D result", pytest.approx([0.2, 0.6])),
    ]
    assert methods[1].low_m == pytest.approx([0.18, 0.58])


def test_a_missing_entry_is_named(scenario_example: Example, scenario_metrics: dict[str, Any]) -> None:
    del scenario_example["cameras"][0]["lens"]
    with pytest.raises(StorageError, match=r"examples\.json: 1: cameras: lens: key is missing"):
        example_figure(scenario_example, ORIGINS[0], "1 clean")
    del scenario_metrics["1"]["frame_by_frame"]
    with pytest.raises(StorageError, match=r"metrics\.json: frame_by_frame: key is missing"):
        depth_figure(scenario_example, scenario_metrics["1"], ORIGINS, "1 clean")

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from track_persistence.core.errors import StorageError
from track_persistence.report.report import numbers_of, run

Make = Callable[[str], Any]
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Collects what a browser would fetch, and checks that tags nest."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def written(made: Any) -> dict[str, bytes]:
    root = made.targets.metrics.parent
    folders = (made.targets.metrics, made.targets.plots, made.targets.report)
    return {str(path.relative_to(root)): path.read_bytes() for folder in folders for path in folder.rglob("*")}


def page_of(made: Any) -> str:
    run(made.config, made.folders, made.targets)
    return (made.targets.report / "report.html").read_text()


def test_the_same_results_in_another_folder_give_the_same_bytes(make_run: Make) -> None:
    first, second = make_run("first"), make_run("second")
    for made in (first, second):
        run(made.config, made.folders, made.targets)
    assert written(first) == written(second)
    assert set(written(first)) == {
        *(f"metrics/{name}.json" for name in ("tokenizer", "train", "geometry", "scenarios", "analyze")),
        *(f"plots/{name}.csv" for name in ("loss", "roc", "pr", "calibration", "confusion", "by_frames")),
        "reports/report.html",
    }


def test_the_page_loads_nothing_from_outside_and_its_tags_nest(make_run: Make) -> None:
    text = page_of(make_run("run"))
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched
    assert all(url.startswith(("data:image/png;base64,", "#")) for url in page.fetched)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "@import" not in text
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", text))


def test_every_figure_is_on_the_page(make_run: Make) -> None:
    text = page_of(make_run("run"))
    titles = re.findall(r"<title>(.*?)</title>", text)
    assert titles[1:] == [
        "AUC and accuracy by number of frames seen",
        "Loss and accuracy during training",
        "ROC, precision-recall and calibration",
        "GOSPA parts by scenario and filter",
        "2 cluttered: 3D tracks from above and from the side",
        "2 cluttered: GOSPA over time by part",
        "2 cluttered: 3D error against depth with the Cramér-Rao bound",
    ]


def test_text_from_data_is_escaped(make_run: Make, analysis: Make) -> None:
    made = make_run("run")
    hostile = analysis("<script>alert(1)</script> is what the model wrote")
    (made.folders.analysis / "analysis.json").write_text(json.dumps({"attention_patterns": hostile}))
    text = page_of(made)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; is what the model wrote" in text


def test_the_author_of_the_analysis_is_named(make_run: Make, analysis: Make) -> None:
    made = make_run("run")
    assert "no language model took part" in page_of(made)
    live = analysis("Attention grows along the track.") | {"source": "live", "model": "some-model"}
    (made.folders.analysis / "analysis.json").write_text(json.dumps({"attention_patterns": live}))
    assert "the language model some-model" in page_of(made)


def test_a_baseline_that_wins_is_named_at_the_top(make_run: Make) -> None:
    text = page_of(make_run("run"))
    assert text.index("The baseline wins") < text.index("Deciding early")


def test_metrics_are_rounded_and_sorted_and_single_cases_stay_out(make_run: Make) -> None:
    made = make_run("run")
    page_of(made)
    assert (made.targets.metrics / "analyze.json").read_text() == json.dumps(
        {"attention": {"excess_lift": {"high": 0.42, "low": 0.38, "value": 0.4}}}, indent=2, sort_keys=True
    ) + "\n"  # fmt: skip
    assert "0.123457,0.1,30" in (made.targets.plots / "calibration.csv").read_text()


def test_plot_data_has_one_column_per_curve_and_the_early_age_alone(make_run: Make) -> None:
    made = make_run("run")
    page_of(made)
    assert (made.targets.plots / "roc.csv").read_text() == "fpr,tpr,frames_seen\n0,0,3\n0.1,0.9,3\n1,1,3\n"
    lines = (made.targets.plots / "by_frames.csv").read_text().splitlines()
    assert lines[0] == "frames_seen,transformer,min_hits,mean_confidence,no_pixels"
    assert lines[2] == "3,0.93,0.71,0.7,0.8"
    assert lines[4] == "whole,0.98,1,0.72,0.99"


def test_lists_and_texts_are_no_metrics() -> None:
    content = {"a": 1, "b": "text", "c": [1, 2], "d": {"e": "text"}, "f": {"g": 0.5}, "h": True, "i": None}
    assert numbers_of(content) == {"a": 1, "f": {"g": 0.5}}


@pytest.mark.parametrize("missing", ["model/metrics.json", "tokenizer/reconstructions.png", "model/plots/roc.csv"])
def test_a_missing_result_is_named(make_run: Make, missing: str) -> None:
    made = make_run("run")
    path: Path = made.folders.model.parent / missing
    path.unlink()
    with pytest.raises(StorageError, match=re.escape(missing) + ": no such file"):
        run(made.config, made.folders, made.targets)


def test_a_csv_of_unequal_lines_is_an_error(make_run: Make) -> None:
    made = make_run("run")
    (made.folders.model / "plots" / "roc.csv").write_text("false_positive_rate,true_positive_rate\n0.5\n")
    with pytest.raises(StorageError, match=r"roc\.csv: not a CSV"):
        run(made.config, made.folders, made.targets)

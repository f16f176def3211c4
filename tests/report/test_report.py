import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TextIO

import pytest
from matplotlib.figure import Figure

from track_persistence.core.errors import StorageError
from track_persistence.report.git_files import metrics_of, numbers_of
from track_persistence.report.report import run
from track_persistence.report.scenario_tables import FUSED
from track_persistence.report.sources import read_results
from track_persistence.report.tables import METHODS

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


def read_page(made: Any) -> str:
    return (made.targets.report / "report.html").read_text()


def page_of(made: Any) -> str:
    run(made.config, made.folders, made.targets)
    return read_page(made)


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are empty frames below their titles: for what a page says beside them, a tenth of the time."""

    def savefig(_: Figure, file: TextIO, **_settings: Any) -> None:
        file.write('<svg viewBox="0 0 1 1"></svg>')

    monkeypatch.setattr(Figure, "savefig", savefig)


def test_the_same_results_in_another_folder_give_the_same_bytes(finished: Any, make_run: Make) -> None:
    again = make_run("again")
    page_of(again)
    assert written(finished) == written(again)
    assert set(written(again)) == {
        *(f"metrics/{name}.json" for name in ("tokenizer", "train", "geometry", "fuse", "ablate")),
        *(f"metrics/{name}.json" for name in ("scenarios", "analyze")),
        *(f"plots/{name}.csv" for name in ("loss", "roc", "pr", "calibration", "confusion", "by_frames", "delays")),
        "reports/report.html",
    }


def test_the_page_loads_nothing_from_outside_and_its_tags_nest(finished: Any) -> None:
    text = read_page(finished)
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched
    assert all(url.startswith(("data:image/png;base64,", "data:image/jpeg;base64,", "#")) for url in page.fetched)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "@import" not in text
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", text))


def test_every_figure_is_on_the_page(finished: Any) -> None:
    text = read_page(finished)
    titles = re.findall(r"<title>(.*?)</title>", text)
    assert titles[1:] == [
        *(
            f"{profile}: {title}"
            for profile in ("Matched profile", "Nominal profile")
            for title in (
                "AUC and decisions by number of frames seen",
                "reliability by number of frames seen",
                "ROC, precision and recall",
                "frames until decided against error",
            )
        ),
        "Loss and accuracy during training",
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


@pytest.mark.usefixtures("sketched")
def test_the_author_of_the_analysis_is_named(finished: Any, make_run: Make, analysis: Make) -> None:
    assert "no language model took part" in read_page(finished)
    made = make_run("run")
    live = analysis("Attention grows along the track.") | {"source": "live", "model": "some-model"}
    (made.folders.analysis / "analysis.json").write_text(json.dumps({"attention_patterns": live}))
    assert "the language model some-model" in page_of(made)


def test_a_baseline_that_wins_is_named_at_the_top(finished: Any) -> None:
    text = read_page(finished)
    assert text.index("The baseline wins on whole tracks") < text.index("Deciding early")


def test_metrics_are_rounded_and_sorted_and_single_cases_stay_out(finished: Any) -> None:
    assert (finished.targets.metrics / "analyze.json").read_text() == json.dumps(
        {"attention": {"excess_lift": {"high": 0.42, "low": 0.38, "value": 0.4}}}, indent=2, sort_keys=True
    ) + "\n"  # fmt: skip
    assert "1,0.123457,0.1,30" in (finished.targets.plots / "calibration.csv").read_text()


def test_plot_data_is_of_the_matched_profile_with_one_column_per_curve_and_the_early_age_alone(finished: Any) -> None:
    assert (finished.targets.plots / "roc.csv").read_text() == "fpr,tpr\n0,0\n0.1,0.9\n1,1\n"
    assert (finished.targets.plots / "confusion.csv").read_text().count("\n") == 4  # the header and 3 of 4 tracks
    lines = (finished.targets.plots / "by_frames.csv").read_text().splitlines()
    assert lines[0] == f"frames_seen,{','.join(METHODS)}"
    assert lines[2] == "3,0.93,0.6,0.8,0.71,0.6,0.6,0.6,0.7,0.6,0.6"
    assert lines[4].startswith("whole,0.98,0.65,0.99,1,")


def test_delays_are_the_least_error_of_each_method_within_so_many_frames(finished: Any) -> None:
    lines = (finished.targets.plots / "delays.csv").read_text().splitlines()
    assert lines[0] == "frames,transformer,sprt,min_hits"
    assert lines[1:5] == ["1,0.3,0.5,0.5", "2,0.2,0.5,0.5", "3,0.2,0.25,0.5", "4,0.2,0.2,0.5"]
    assert lines[-1] == "10,0.2,0.2,0.1"


def test_what_nobody_compares_stays_out_of_git(make_run: Make) -> None:
    made = make_run("run")
    path = made.folders.scenarios / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["2"]["min_hits"] = metrics["2"]["off"]
    for state in ("off", "appearance", "min_hits"):
        metrics["2"][state] = metrics["2"][state] | {"counts": {"kept": 5}}
    path.write_text(json.dumps(metrics))
    found = metrics_of(read_results(made.folders))
    kept = found["scenarios"]["2"]
    assert {"paths", "distances", "gospa_m"} <= kept["appearance"].keys() & kept["off"].keys()
    assert not {"paths", "distances"} & kept["min_hits"].keys() and "gospa_m" in kept["min_hits"]
    assert not any("counts" in kept[state] for state in ("off", "appearance", "min_hits"))
    early = found["train"]["matched"]["early"]
    assert "curves" not in early and "at_equal_error" in early


@pytest.mark.usefixtures("sketched")
def test_the_page_turns_red_when_the_model_leans_on_length(finished: Any, make_run: Make) -> None:
    made, calm = make_run("run"), read_page(finished)
    assert '<p class="alarm">' not in calm and '<body class="leaning">' not in calm
    path = made.folders.model / "metrics.json"
    metrics = json.loads(path.read_text())
    failed = {"value": 0.3, "limit": 0.1, "passes": False}
    metrics["nominal"]["length"]["validation"]["checks"]["recall_lost_by_truncation"] = failed
    metrics["nominal"]["length"]["validation"]["passes"] = False
    path.write_text(json.dumps(metrics))
    text = page_of(made)
    assert '<body class="leaning">' in text
    alarm = text[text.index('<p class="alarm">') : text.index("Verdicts")]
    assert "Nominal profile: on the length of a track." in alarm
    assert re.search(r'class="[^"]*bad">FAILED', text)


def test_the_matched_profile_comes_first(finished: Any) -> None:
    text = read_page(finished)
    assert text.index("<h2>Matched profile</h2>") < text.index("<h2>Nominal profile</h2>")


@pytest.mark.usefixtures("sketched")
def test_a_run_of_one_profile_has_a_page_too(make_run: Make) -> None:
    made = make_run("run")
    for name in ("model", "fusion", "geometry"):
        path = getattr(made.folders, name) / "metrics.json"
        path.write_text(
            json.dumps({key: part for key, part in json.loads(path.read_text()).items() if key != "matched"})
        )
    text = page_of(made)
    assert "<h2>Nominal profile</h2>" in text and "<h2>Matched profile</h2>" not in text
    assert (made.targets.plots / "roc.csv").read_text() == "fpr,tpr\n0,0\n1,1\n"


@pytest.mark.usefixtures("sketched")
def test_labelled_recordings_have_a_section_when_there_are_any(finished: Any, make_run: Make) -> None:
    """No other stage measures them: they come from one camera."""
    made = make_run("run")
    path = made.folders.model / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["recordings"], metrics["training"]["source"] = metrics["matched"], "both"
    path.write_text(json.dumps(metrics))
    text = page_of(made)
    assert text.index("<h2>Nominal profile</h2>") < text.index("<h2>Labelled recordings</h2>")
    assert "<h3>Labelled recordings" in text and "Labelled recordings: ROC, precision and recall" in text
    assert "The filter learned from simulated scenes and labelled recordings." in text
    assert "calibration, Labelled recordings.temperature" in text
    assert json.loads((made.targets.metrics / "train.json").read_text())["recordings"]["test"]["tracks"] == 90
    usual = read_page(finished)
    assert "abelled recordings" not in usual and "The filter learned from simulated scenes alone." in usual


def test_metrics_without_profiles_name_the_remedy(make_run: Make) -> None:
    made = make_run("run")
    (made.folders.model / "metrics.json").write_text(json.dumps({"test": {}}))
    with pytest.raises(
        StorageError, match=r"no profile out of matched, nominal, recordings; run the stage that writes it"
    ):
        run(made.config, made.folders, made.targets)


def test_contact_sheets_stand_by_profile(finished: Any) -> None:
    text = read_page(finished)
    sheets = text[text.index("What the simulation shows") :]
    names = re.findall(r"<h3>(.*?)</h3>|<summary>(.*?)</summary>", sheets)
    assert [heading or kind for heading, kind in names] == [
        "Matched profile",
        "static glare",
        "Nominal profile",
        "persistent",
    ]


@pytest.mark.usefixtures("sketched")
def test_a_broken_sheet_is_named(make_run: Make) -> None:
    made = make_run("run")
    (made.folders.contact_sheets / "matched-glint.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(StorageError, match=r"matched-glint\.png: not a readable PNG"):
        run(made.config, made.folders, made.targets)


def test_lists_and_texts_are_no_metrics() -> None:
    content = {"a": 1, "b": "text", "c": [1, 2], "d": {"e": "text"}, "f": {"g": 0.5}, "h": True, "i": None}
    assert numbers_of(content) == {"a": 1, "f": {"g": 0.5}}


@pytest.mark.parametrize(
    "missing", ["model/metrics.json", "fusion/metrics.json", "tokenizer/reconstructions.png", "model/plots/roc.csv"]
)
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


def test_cases_stand_in_a_section_of_their_own_and_their_names_are_escaped(make_run: Make) -> None:
    made = make_run("run")
    path = made.folders.scenarios / "metrics.json"
    metrics = json.loads(path.read_text())
    shares = {"rejected": {"glare": {"value": 0.25, "low": 0.2, "high": 0.3}}}
    case = metrics["2"] | {"expected_filtered": None, "ghost_tracks": {"glare": 4}}
    for state in ("off", "appearance", "statistics", "geometry", FUSED):
        case[state] = metrics["2"]["appearance"] | shares | {"track_reduction": shares["rejected"]["glare"]}
    path.write_text(json.dumps(metrics | {"<b>fog": case}))
    text = page_of(made)
    section = text[text.index("Hard cases in 3D") : text.index("What the filter looked at")]
    assert "&lt;b&gt;fog" in section and "<b>fog" not in text
    assert "25.0" in section
    assert text.count("3D tracks from above and from the side</title>") == 1  # of the specified scenario alone

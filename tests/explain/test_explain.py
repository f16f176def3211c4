import json
import subprocess
import sys
from pathlib import Path

import pytest

from track_persistence.core.errors import LanguageModelError
from track_persistence.core.files import write_json
from track_persistence.explain.explain import run
from track_persistence.explain.facts import measured

ROOT = Path(__file__).parents[2]


@pytest.fixture
def evidence(tmp_path):
    path = tmp_path / "evidence.json"
    difference = measured(0.5, (0.25, 0.75))
    write_json(
        path,
        {
            "schema": 1,
            "split": "validation",
            "counts": {"persistent": 20, "transient": 10},
            "faithfulness": {
                "all": {"tracks": 9, "drop_attended": 0.75, "drop_random": 0.25, "difference": difference}
            },
            "failures": {"false_positive": {"count": 1}, "false_negative": {"count": 2}},
            "cases": {"track-0007": {"outcome": "false_negative", "probability": 0.25}},
        },
    )
    return path


@pytest.fixture
def explain(evidence, tmp_path, make_config):
    def start(output="out", **changes):
        run(make_config(**changes), evidence, tmp_path / "responses", tmp_path / output)
        content = json.loads((tmp_path / output / "analysis.json").read_text())
        return content, (tmp_path / output / "analysis.md").read_text()

    return start


def test_offline_writes_three_analyses_that_say_who_wrote_them(explain):
    content, page = explain()
    assert set(content) == {"provenance", "attention_patterns", "failure_cases", "research_questions"}
    assert content["provenance"]["mode"] == "offline"
    assert set(content["provenance"]["requests"]) == {"attention_patterns", "failure_cases", "research_questions"}
    assert content["failure_cases"]["source"] == "offline"
    assert (
        content["failure_cases"]["statements"][0]["text"] == "1 of 10 transient tracks are wrongly kept as persistent."
    )
    assert "no language model took part" in page
    assert "`faithfulness.all.difference` = 0.5 [0.25, 0.75]" in page
    for task, digest in content["provenance"]["requests"].items():
        assert f"- request {task} {digest}" in page


def test_every_cited_fact_stands_beside_its_statement(explain):
    content, _ = explain()
    for task in ("attention_patterns", "failure_cases", "research_questions"):
        cited = {key for item in content[task]["statements"] for key in item["cites"]}
        assert cited <= content[task]["facts"].keys()


def test_offline_twice_gives_the_same_bytes(explain, tmp_path):
    explain("first")
    explain("second")
    for name in ("analysis.json", "analysis.md"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_replay_without_stored_answers_writes_nothing(explain, tmp_path):
    with pytest.raises(LanguageModelError, match="run once with"):
        explain(mode="replay")
    assert not (tmp_path / "out").exists()


def test_live_without_a_key_fails_before_the_evidence_is_opened(make_config, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(LanguageModelError, match="OPENAI_API_KEY is not set"):
        run(make_config(mode="live"), tmp_path / "missing.json", tmp_path / "responses", tmp_path / "out")


def test_live_then_replay_give_the_same_statements_and_only_live_asks(explain, httpserver, monkeypatch, tmp_path):
    statement = {
        "topic": "duration",
        "text": "<b>20</b> tracks, not 21, ![x](http://x.y)",
        "cites": ["counts.persistent"],
    }
    foreign = {"topic": "duration", "text": "The camera is made of cheese.", "cites": ["camera.cheese"]}
    message = {"content": json.dumps({"statements": [statement, foreign]})}
    httpserver.expect_request("/chat/completions").respond_with_json({"choices": [{"message": message}], "model": "m"})
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    monkeypatch.setenv("OPENAI_BASE_URL", httpserver.url_for("/"))
    live, page = explain("live", mode="live")
    assert len(httpserver.log) == 3
    monkeypatch.delenv("OPENAI_API_KEY")
    replayed, _ = explain("replay", mode="replay")
    assert len(httpserver.log) == 3
    for task in ("attention_patterns", "failure_cases", "research_questions"):
        assert live[task]["source"] == "live"
        assert replayed[task]["source"] == "replay"
        assert live[task]["statements"] == replayed[task]["statements"]
        assert live[task]["statements"][0]["unsupported_numbers"] == ["21"]
        assert live[task]["refused"][0]["unknown_keys"] == ["camera.cheese"]
    assert "Refused, because they cite facts that do not exist: 1 statements." in page
    assert "Not among the cited facts: 21" in page
    assert "<b>" not in page
    assert "http://" not in page
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 1 + 3 + 4  # evidence, answers, two outputs of two runs
    assert not any("sk-secret-value" in path.read_text() for path in written)


def stage(name, *flags):
    command = [sys.executable, str(ROOT / "stages" / f"{name}.py"), *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_stage_writes_its_outputs(evidence, tmp_path):
    flags = ("--attention-data", evidence, "--responses", tmp_path / "responses", "--output-dir", tmp_path / "out")
    done = stage("explain", *flags)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "analysis.md").is_file()


def test_the_stage_reports_a_missing_file_in_one_line(tmp_path):
    flags = ("--attention-data", tmp_path / "none.json", "--responses", tmp_path, "--output-dir", tmp_path / "out")
    done = stage("explain", *flags)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1

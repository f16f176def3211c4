"""The `explain` stage: evidence to three analyses, as JSON for the report and as a page for people."""

from pathlib import Path
from typing import Any

from track_persistence.core.files import file_digest, write_json, write_text
from track_persistence.core.progress import log
from track_persistence.explain.analyzer import analyse, language_model
from track_persistence.explain.answers import Analysis, Task
from track_persistence.explain.config import ExplainConfig
from track_persistence.explain.facts import read_evidence, under
from track_persistence.explain.page import render
from track_persistence.explain.prompts import PROMPT_VERSION, AnalysisRequest, findings_of

SECTIONS = {
    Task.PATTERNS: ("counts", "tracks", "attention", "faithfulness", "prefix"),
    Task.FAILURES: ("counts", "decisions", "failures", "cases"),
    Task.QUESTIONS: ("counts", "tracks", "attention", "faithfulness", "prefix", "decisions", "failures", "scenarios"),
}


def run(config: ExplainConfig, evidence: Path, responses: Path, output: Path) -> None:
    """Write `analysis.json` and `analysis.md`; mode `live` also adds its answers to `responses`.

    Raises `LanguageModelError` before any work when mode `live` has no key.
    """
    model = language_model(config, responses)
    facts = read_evidence(evidence)
    analyses: list[Analysis] = []
    for task in Task:
        selected = under(facts, SECTIONS[task])
        request = AnalysisRequest(task, selected, findings_of(analyses, selected))
        analyses.append(analyse(model, config.llm, request))
    provenance = {
        "mode": config.llm.mode,
        "model": analyses[0].model,
        "prompt_version": PROMPT_VERSION,
        "evidence_digest": file_digest(evidence),
        "requests": {analysis.task.value: analysis.request_digest for analysis in analyses},
    }
    content = {"provenance": provenance} | {analysis.task.value: _content(analysis) for analysis in analyses}
    write_json(output / "analysis.json", content)
    write_text(output / "analysis.md", render(analyses, provenance))
    refused = sum(len(analysis.refused) for analysis in analyses)
    kept = sum(len(analysis.statements) for analysis in analyses)
    log(f"explain: {kept} statements by mode {config.llm.mode}, {refused} refused for citing facts that do not exist")


def _content(analysis: Analysis) -> dict[str, Any]:
    return analysis.model_dump(mode="json") | {"facts": analysis.cited_facts(), "text": analysis.text}

"""Analyses as a Markdown page in which every statement stands beside the numbers it cites."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from track_persistence.explain.answers import Analysis, GroundedStatement, Task, author
from track_persistence.explain.facts import Facts, show

TITLES = {
    Task.PATTERNS: "Attention patterns",
    Task.FAILURES: "Failure cases",
    Task.QUESTIONS: "Research questions",
}
MARKUP = re.compile(r"([\\`*_{}\[\]<>#|!&~])")


def render(analyses: Sequence[Analysis], provenance: Mapping[str, Any]) -> str:
    """Return the page; a model's sentences are escaped, so they cannot bring links, images or HTML."""
    lines = ["# What the persistence filter looks at, and where it fails", ""]
    lines += [escape(author(analyses[0].source, analyses[0].model)), ""]
    for analysis in analyses:
        lines += [f"## {TITLES[analysis.task]}", ""]
        for statement in analysis.statements:
            lines += [_statement(statement, analysis.facts)]
        if analysis.refused:
            lines += ["", f"Refused, because they cite facts that do not exist: {len(analysis.refused)} statements."]
        lines += [""]
    lines += ["## Provenance", ""]
    lines += [
        f"- mode {provenance['mode']}, model {escape(provenance['model'])}, prompt {provenance['prompt_version']}"
    ]
    lines += [f"- evidence {provenance['evidence_digest']}"]
    lines += [f"- request {task} {digest}" for task, digest in provenance["requests"].items()]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return `text` with Markdown and HTML markup made harmless."""
    return MARKUP.sub(r"\\\1", text).replace("://", ":\\//")


def _statement(statement: GroundedStatement, facts: Facts) -> str:
    cited = "; ".join(f"`{key}` = {_shown(key, facts)}" for key in statement.cites)
    line = f"- {escape(statement.text)}\n  <br>Facts: {cited}"
    if statement.unsupported_numbers:
        line += f"\n  <br>Not among the cited facts: {', '.join(statement.unsupported_numbers)}"
    return line


def _shown(key: str, facts: Facts) -> str:
    low, high = facts.get(f"{key}.low"), facts.get(f"{key}.high")
    interval = "" if low is None or high is None else f" [{show(low)}, {show(high)}]"
    return show(facts[key]) + interval

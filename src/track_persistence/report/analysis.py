"""The analyst's statements, and who wrote them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from track_persistence.report.values import lookup

TITLES = {
    "attention_patterns": "Attention patterns",
    "failure_cases": "Failure cases",
    "research_questions": "Research questions",
}


@dataclass(frozen=True)
class Statement:
    """A sentence or two, and the facts it rests on."""

    text: str
    support: str


@dataclass(frozen=True)
class Section:
    """One analysis: what it is about, who wrote it, what it says."""

    title: str
    author: str
    statements: tuple[Statement, ...]


def analysis_of(analysis: Mapping[str, Any], origin: str) -> list[Section]:
    """Return the analyses of analysis.json in their order."""
    return [_section(item, f"{origin}: {name}") for name, item in analysis.items() if "statements" in item]


def _section(item: Mapping[str, Any], origin: str) -> Section:
    task, facts = str(lookup(item, origin, "task")), lookup(item, origin, "facts")
    return Section(
        TITLES.get(task, task.replace("_", " ")),
        author(str(lookup(item, origin, "source")), str(lookup(item, origin, "model"))),
        tuple(_statement(statement, facts) for statement in lookup(item, origin, "statements")),
    )


def _statement(statement: Mapping[str, Any], facts: Mapping[str, Any]) -> Statement:
    support = "; ".join(f"{key} = {_shown(facts.get(key))}" for key in statement["cites"])
    doubtful = statement.get("unsupported_numbers", ())
    if doubtful:
        support += f". No cited fact gives these numbers of the text: {', '.join(doubtful)}"
    return Statement(str(statement["text"]), support)


def _shown(fact: Any) -> str:
    return f"{fact:.3g}" if isinstance(fact, float) else str(fact)


def author(source: str, model: str) -> str:
    """Return who wrote an analysis: fixed rules, a language model now, or its stored answer."""
    if source == "offline":
        return "fixed rules, no language model took part (offline)"
    return f"the language model {model}, {'asked now (live)' if source == 'live' else 'a stored answer (replay)'}"

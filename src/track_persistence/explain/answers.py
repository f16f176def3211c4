"""What an analyst may answer, and the check that every statement rests on facts it was given."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from track_persistence.core.errors import LanguageModelError
from track_persistence.explain.facts import Fact, Facts, show

Source = Literal["offline", "replay", "live"]
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.(\d+))?(?:[eE]([-+]?\d+))?(?!\w|\.\d)")
INTERVAL_PERCENT = 95.0
RULES = "rules"


class Task(StrEnum):
    """The three analyses."""

    PATTERNS = "attention_patterns"
    FAILURES = "failure_cases"
    QUESTIONS = "research_questions"


class Topic(StrEnum):
    """What a statement is about; the only part of a statement that may reach a further prompt."""

    CONCENTRATION = "concentration"
    POSITION = "position"
    FAITHFULNESS = "faithfulness"
    DURATION = "duration"
    EARLY_DECISION = "early_decision"
    GHOST_TYPE = "ghost_type"
    FALSE_POSITIVES = "false_positives"
    FALSE_NEGATIVES = "false_negatives"
    DETECTOR_CONFIDENCE = "detector_confidence"
    SCENARIOS = "scenarios"
    DATA_LIMITS = "data_limits"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Statement(_Strict):
    """One sentence or two, with the keys of the facts it rests on."""

    topic: Topic
    text: Annotated[str, Field(min_length=10, max_length=800)]
    cites: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=1, max_length=10)]

    @field_validator("text")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return "".join(char for char in " ".join(text.split()) if char.isprintable())


class Answer(_Strict):
    """The JSON object an analyst returns."""

    statements: Annotated[tuple[Statement, ...], Field(min_length=1, max_length=16)]


class Usage(BaseModel):
    """Tokens as counted by the server, where it counts them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    prompt_tokens: int
    completion_tokens: int


class Completion(_Strict):
    """An answer, who gave it, and what it cost where that is known."""

    answer: Answer
    model: Annotated[str, Field(max_length=200)]
    usage: Usage | None = None


class GroundedStatement(Statement):
    """A statement whose citations all exist; `unsupported_numbers` are those in its text that no cited fact gives."""

    unsupported_numbers: tuple[str, ...] = ()


class RefusedStatement(Statement):
    """A statement that cites facts which do not exist; kept for the record, part of no text."""

    unknown_keys: tuple[str, ...]


class Analysis(BaseModel):
    """The result of one analysis.

    source: `offline` (fixed rules, no language model), `replay` or `live`. request_digest: names the stored answer.
    facts: what the analyst was given. refused: statements that cited facts which do not exist.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    task: Task
    source: Source
    model: str
    request_digest: str
    statements: tuple[GroundedStatement, ...]
    refused: tuple[RefusedStatement, ...] = ()
    facts: dict[str, Fact]
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """The analysis as readable lines, opening with who wrote it."""
        return "\n".join([author(self.source, self.model), *[f"- {item.text}" for item in self.statements]])

    def cited_facts(self) -> Facts:
        """Return the facts that the statements cite, with the bounds of their intervals."""
        keys = {key for statement in self.statements for key in statement.cites}
        cited = {f"{key}{end}" for key in keys for end in ("", ".low", ".high")}
        return {key: value for key, value in self.facts.items() if key in cited}


def author(source: Source, model: str) -> str:
    """Return one sentence that says who wrote an analysis."""
    if source == "offline":
        return "Written by fixed rules from the numbers cited; no language model took part."
    stored = " (answer taken from the response store)" if source == "replay" else ""
    return f"Written by the language model {model}{stored} from the numbers cited; its wording is unreviewed."


def parse_answer(content: str, place: str) -> Answer:
    """Return the JSON object `content`; raises `LanguageModelError` naming `place` and the first fault."""
    try:
        return Answer.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise LanguageModelError(
            f"{place}: {where}: {first['msg']}; expected a JSON object of statements with topic, text and cites; "
            "run again or choose another explain.llm.model"
        ) from None


def ground(answer: Answer, facts: Facts) -> tuple[tuple[GroundedStatement, ...], tuple[RefusedStatement, ...]]:
    """Return the statements that rest on `facts`, and those refused for citing facts which do not exist.

    Raises `LanguageModelError` when nothing is left.
    """
    kept, refused = [], []
    for item in answer.statements:
        unknown = tuple(key for key in item.cites if key not in facts)
        if unknown:
            refused.append(RefusedStatement(**item.model_dump(), unknown_keys=unknown))
        else:
            numbers = unsupported_numbers(item.text, item.cites, facts)
            kept.append(GroundedStatement(**item.model_dump(), unsupported_numbers=numbers))
    if not kept:
        raise LanguageModelError(
            f"all {len(refused)} statements cite facts that do not exist, such as {refused[0].unknown_keys[0]!r}; "
            "run again or choose another explain.llm.model"
        )
    return tuple(kept), tuple(refused)


def unsupported_numbers(text: str, cites: Sequence[str], facts: Facts) -> tuple[str, ...]:
    """Return the numbers in `text` that no cited fact, its interval, its key or its percentage rounds to."""
    known = [INTERVAL_PERCENT]
    for key in cites:
        known += [float(part) for part in key.split(".") if part.isdigit()]
        for value in (facts[key], facts.get(f"{key}.low"), facts.get(f"{key}.high")):
            if isinstance(value, int | float):
                known += [sign * scale * number for number in (value, float(show(value))) for sign, scale in _VIEWS]
    found = []
    for match in NUMBER.finditer(text):
        exponent = int(match.group(2) or 0) - len(match.group(1) or "")
        half_unit = 0.5 * 10.0**exponent * (1 + 1e-9)
        if all(abs(float(match.group()) - number) > half_unit for number in known):
            found.append(match.group())
    return tuple(found)


_VIEWS = ((1, 1), (-1, 1), (1, 100), (-1, 100))
"""A text may give a share as a percentage, and a loss by its size."""

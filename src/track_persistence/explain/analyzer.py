"""`LLMAttentionAnalyzer`: three analyses of a filter's decisions, bound to the facts they are given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from track_persistence.core.errors import DataError
from track_persistence.core.params import load_section
from track_persistence.explain.answers import Analysis, Task, ground
from track_persistence.explain.config import ExplainConfig, LlmConfig
from track_persistence.explain.facts import Facts, checked_facts
from track_persistence.explain.live import LiveModel
from track_persistence.explain.observations import failure_facts, pattern_facts
from track_persistence.explain.offline import OfflineAnalyst
from track_persistence.explain.prompts import AnalysisRequest, findings_of, request_digest
from track_persistence.explain.store import LanguageModel, ReplayModel, ResponseStore

DEFAULT_PARAMS = Path("params.yaml")
DEFAULT_RESPONSES = Path("responses")


def language_model(config: ExplainConfig, responses: Path) -> LanguageModel:
    """Return the analyst that `config.llm.mode` names. Raises `LanguageModelError` when it lacks its key or library."""
    if config.llm.mode == "offline":
        return OfflineAnalyst(config.fewest_tracks)
    store = ResponseStore(responses)
    return ReplayModel(config.llm, store) if config.llm.mode == "replay" else LiveModel(config.llm, store)


def analyse(model: LanguageModel, llm: LlmConfig, request: AnalysisRequest) -> Analysis:
    """Ask `model` and keep what its facts support. Raises `LanguageModelError`."""
    completion = model.complete(request)
    statements, refused = ground(completion.answer, request.facts)
    return Analysis(
        task=request.task,
        source=model.source,
        model=completion.model,
        request_digest=request_digest(request, llm),
        statements=statements,
        refused=refused,
        facts=request.facts,
        usage=completion.usage,
    )


class LLMAttentionAnalyzer:
    """Describes attention patterns and failures, and proposes questions; each result says who wrote it.

    Every result is an `Analysis`: `source` (`offline`, `replay` or `live`), `statements` with the facts they cite,
    `refused` statements, and `text`. What a language model sees of the arguments is numbers and a few fixed words.
    """

    def __init__(self, config: ExplainConfig | None = None, responses: Path = DEFAULT_RESPONSES) -> None:
        """Use `config`, or section `explain` of params.yaml in the working directory when it is None.

        responses: folder of stored answers, used by the modes `replay` and `live`. Raises `ParamsError` without the
        section and `LanguageModelError` when mode `live` has no key.
        """
        self.config = load_section(DEFAULT_PARAMS, "explain", ExplainConfig) if config is None else config
        self._model = language_model(self.config, responses)

    def analyze_attention_patterns(
        self, attention_data: Sequence[Any], track_metadata: Sequence[Mapping[str, Any]]
    ) -> Analysis:
        """Describe where the filter looks.

        attention_data: weights (T,) per track, as `PersistenceFilter.predict` returns them. track_metadata: per track
        a mapping with `is_persistent` (bool) and optionally `duration` (frames), `confidence` (the filter's
        probability) and `ghost`; other fields are not read. Raises `DataError`.
        """
        return self._ask(Task.PATTERNS, pattern_facts(attention_data, track_metadata))

    def analyze_failure_cases(
        self, false_positives: Sequence[Mapping[str, Any]], false_negatives: Sequence[Mapping[str, Any]]
    ) -> Analysis:
        """Describe transient tracks that were kept and persistent ones that were filtered out.

        Each track is a mapping with any of `attention`, `duration`, `confidence`, `ghost`. Raises `DataError`.
        """
        return self._ask(Task.FAILURES, failure_facts(false_positives, false_negatives))

    def generate_research_questions(self, analysis_results: Any) -> Analysis:
        """Propose questions that earlier results raise.

        analysis_results: one `Analysis`, a sequence of them, or a mapping whose values are; their JSON form will do.
        Raises `DataError`.
        """
        analyses = read_analyses(analysis_results)
        facts: Facts = {}
        for analysis in analyses:
            facts |= checked_facts(analysis.facts, f"analysis_results: {analysis.task.value}")
        if not facts:
            raise DataError("analysis_results: hold no facts; pass what the other two analyses returned")
        return self._ask(Task.QUESTIONS, facts, analyses)

    def _ask(self, task: Task, facts: Facts, earlier: Sequence[Analysis] = ()) -> Analysis:
        return analyse(self._model, self.config.llm, AnalysisRequest(task, facts, findings_of(earlier, facts)))


def read_analyses(results: Any) -> list[Analysis]:
    """Return earlier results in any of the forms `generate_research_questions` takes. Raises `DataError`."""
    if isinstance(results, Analysis) or (isinstance(results, Mapping) and "statements" in results):
        items: list[Any] = [results]
    elif isinstance(results, Mapping):
        items = list(results.values())
    elif isinstance(results, Sequence) and not isinstance(results, str):
        items = list(results)
    else:
        raise DataError(f"analysis_results: expected results of this analyzer, got {type(results).__name__}")
    if not items:
        raise DataError("analysis_results: is empty; pass at least one result of this analyzer")
    return [_read_analysis(number, item) for number, item in enumerate(items)]


def _read_analysis(number: int, item: Any) -> Analysis:
    try:
        return Analysis.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise DataError(
            f"analysis_results[{number}]: {'.'.join(map(str, first['loc']))}: {first['msg']}; pass what "
            "analyze_attention_patterns or analyze_failure_cases returned"
        ) from None

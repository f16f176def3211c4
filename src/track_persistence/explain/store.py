"""The git-tracked store of a language model's answers, one JSON file a request, and the model that reads it."""

from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from track_persistence.core.errors import LanguageModelError
from track_persistence.core.files import read_json, write_json
from track_persistence.explain.answers import Completion, Source, ground
from track_persistence.explain.config import LlmConfig
from track_persistence.explain.prompts import AnalysisRequest, request_body, request_digest


class LanguageModel(Protocol):
    """Whoever turns a request into an answer."""

    @property
    def source(self) -> Source:
        """`offline`, `replay` or `live`."""

    def complete(self, request: AnalysisRequest) -> Completion:
        """Return a validated answer; raises `LanguageModelError`."""


class ResponseStore:
    """A folder of validated answers named by the digest of their request; holds no key, host or time."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is made when the first answer is stored."""
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return where the answer to the request of that digest lies."""
        return self.folder / f"{digest}.json"

    def find(self, request: AnalysisRequest, llm: LlmConfig) -> Completion | None:
        """Return the stored answer, or None. Raises `LanguageModelError` when the file is not what its name says."""
        path = self.path(request_digest(request, llm))
        if not path.is_file():
            return None
        content = read_json(path)
        if content.get("request") != request_body(request, llm):
            raise LanguageModelError(f"{path}: holds the answer to another request; restore the file from git")
        try:
            completion = Completion.model_validate({key: content.get(key) for key in ("answer", "model", "usage")})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise LanguageModelError(f"{path}: {where}: {first['msg']}; restore the file from git") from None
        ground(completion.answer, request.facts)
        return completion

    def save(self, request: AnalysisRequest, llm: LlmConfig, completion: Completion) -> None:
        """Write an answer with its request, atomically."""
        content: dict[str, Any] = {"request": request_body(request, llm), **completion.model_dump(mode="json")}
        write_json(self.path(request_digest(request, llm)), content)


class ReplayModel:
    """Answers from the store alone; needs neither key nor network."""

    source: Literal["replay"] = "replay"

    def __init__(self, llm: LlmConfig, store: ResponseStore) -> None:
        """Read answers to requests made under `llm` from `store`."""
        self.llm = llm
        self.store = store

    def complete(self, request: AnalysisRequest) -> Completion:
        """Return the stored answer. Raises `LanguageModelError` when there is none."""
        completion = self.store.find(request, self.llm)
        if completion is None:
            path = self.store.path(request_digest(request, self.llm))
            raise LanguageModelError(
                f"{path}: no stored answer to {request.task.value}; run once with explain.llm.mode: live and commit "
                "the file, or set explain.llm.mode: offline"
            )
        return completion

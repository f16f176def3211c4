"""A language model behind an OpenAI-compatible chat endpoint.

The key comes from the environment and goes nowhere but into the request: error lines are built from the status alone,
because servers are known to quote the key in their messages, and foreign exceptions are not chained.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from track_persistence.core.errors import LanguageModelError
from track_persistence.core.progress import log
from track_persistence.explain.answers import Completion, Usage, ground, parse_answer
from track_persistence.explain.config import LlmConfig
from track_persistence.explain.prompts import AnalysisRequest, request_body
from track_persistence.explain.store import ResponseStore

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
REMEDIES = {
    400: "the endpoint refuses the request; check explain.llm.token_limit_field and temperature",
    401: f"check {KEY_VARIABLE}",
    403: f"check what {KEY_VARIABLE} may use",
    404: f"check explain.llm.model and {URL_VARIABLE}",
    429: "the limit of the account or the endpoint is reached; wait, or raise explain.llm.retries",
}


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _ChatBody(BaseModel):
    """What is used of a chat answer; servers differ in everything else."""

    model_config = ConfigDict(extra="ignore")

    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: Any = None


class LiveModel:
    """Asks the endpoint for what the store does not hold, and stores every validated answer.

    An answer is therefore asked for and paid once, and a repeated run gives the same bytes; delete a file of the store
    to ask again.
    """

    source: Literal["live"] = "live"

    def __init__(self, llm: LlmConfig, store: ResponseStore, environment: Mapping[str, str] | None = None) -> None:
        """Check key, address and library before any work; `environment` is `os.environ` unless a test gives its own."""
        environment = os.environ if environment is None else environment
        self.llm = llm
        self.store = store
        self._key = _key(environment)
        self._client = _client(self._key, _base_url(environment), llm)

    def complete(self, request: AnalysisRequest) -> Completion:
        """Return the stored answer, or ask, validate, store and return. Raises `LanguageModelError`."""
        stored = self.store.find(request, self.llm)
        if stored is not None:
            log(f"explain: {request.task.value} is in {self.store.folder}")
            return stored
        completion = self._read(request, self._ask(request_body(request, self.llm)))
        ground(completion.answer, request.facts)
        self.store.save(request, self.llm, completion)
        return completion

    def _ask(self, body: dict[str, Any]) -> str:
        import openai

        try:
            return self._client.chat.completions.with_raw_response.create(**body).text
        except openai.APITimeoutError:
            raise LanguageModelError(
                f"the language model gave no answer within {self.llm.timeout_s:g} s, {self.llm.retries + 1} times; "
                "raise explain.llm.timeout_s or try later"
            ) from None
        except openai.APIConnectionError:
            raise LanguageModelError(
                f"no connection to the language model's endpoint; check {URL_VARIABLE} and the network"
            ) from None
        except openai.APIStatusError as error:
            status = error.status_code
            remedy = REMEDIES.get(status, "try later or another endpoint")
            raise LanguageModelError(f"the language model's endpoint answered with status {status}; {remedy}") from None
        except openai.OpenAIError as error:
            raise LanguageModelError(f"the language model's client failed: {type(error).__name__}") from None

    def _read(self, request: AnalysisRequest, text: str) -> Completion:
        place = f"the language model's answer to {request.task.value}"
        if self._key in text:
            raise LanguageModelError(f"{place} quotes {KEY_VARIABLE}; it is not kept, use another endpoint")
        try:
            body = _ChatBody.model_validate_json(text)
        except ValidationError:
            raise LanguageModelError(
                f"{place} is no chat completion; check that {URL_VARIABLE} names an OpenAI-compatible endpoint"
            ) from None
        choice = body.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise LanguageModelError(f"{place} is a refusal; run again or choose another explain.llm.model")
        if choice.finish_reason == "length":
            raise LanguageModelError(f"{place} was cut at {self.llm.max_tokens} tokens; raise explain.llm.max_tokens")
        if not choice.message.content:
            raise LanguageModelError(f"{place} is empty; run again or choose another explain.llm.model")
        answer = parse_answer(choice.message.content, place)
        return Completion(answer=answer, model=(body.model or self.llm.model)[:200], usage=_usage(body.usage))


def _usage(value: Any) -> Usage | None:
    """Return the token counts where the server gives both; they inform, nothing depends on them."""
    try:
        return Usage.model_validate(value)
    except ValidationError:
        return None


def _key(environment: Mapping[str, str]) -> str:
    key = environment.get(KEY_VARIABLE, "").strip()
    if not key:
        raise LanguageModelError(
            f"explain.llm.mode is live, but the environment variable {KEY_VARIABLE} is not set; set it, or use "
            "explain.llm.mode: replay or offline"
        )
    if not all("!" <= character <= "~" for character in key):
        raise LanguageModelError(f"{KEY_VARIABLE}: holds a character that no HTTP header takes; copy the key again")
    return key


def _base_url(environment: Mapping[str, str]) -> str | None:
    """Return the endpoint's address, None for the library's own; the address may hold a password, so none is quoted."""
    address = environment.get(URL_VARIABLE, "").strip()
    if not address:
        return None
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise LanguageModelError(f"{URL_VARIABLE}: expected an address such as https://host/v1")
    return address


def _client(key: str, base_url: str | None, llm: LlmConfig) -> "OpenAI":
    """Return the library's client; imported here because that takes seconds, which the other modes need not spend."""
    try:
        from openai import OpenAI
    except ImportError:
        raise LanguageModelError(
            "explain.llm.mode is live, but the openai library is missing; pip install 'track-persistence[llm]'"
        ) from None
    return OpenAI(api_key=key, base_url=base_url, timeout=llm.timeout_s, max_retries=llm.retries)

"""The real openai client against a real HTTP server on the loopback interface."""

import json
import time

import pytest
from werkzeug import Response

from track_persistence.core.errors import LanguageModelError
from track_persistence.explain.answers import Task, Usage
from track_persistence.explain.live import LiveModel
from track_persistence.explain.prompts import AnalysisRequest, user_prompt
from track_persistence.explain.store import ReplayModel, ResponseStore

KEY = "sk-loopback-0123456789abcdef"
ENDPOINT = "/v1/chat/completions"
AT_ONCE = {"retry-after-ms": "1"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@pytest.fixture(autouse=True)
def _direct_connection(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "OPENAI_LOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def store(tmp_path):
    return ResponseStore(tmp_path / "responses")


@pytest.fixture
def ask(httpserver, store, make_llm, facts):
    def run(**changes):
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": httpserver.url_for("/v1")}
        llm = make_llm(mode="live", **changes)
        return LiveModel(llm, store, environment).complete(AnalysisRequest(Task.PATTERNS, facts))

    return run


def chat(content, **changes):
    message = {"role": "assistant", "content": content} | changes.pop("message", {})
    choice = {"index": 0, "finish_reason": changes.pop("finish_reason", "stop"), "message": message}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "served-model", "choices": [choice]}
    return body | {"usage": USAGE} | changes


def failure(status):
    return Response(json.dumps({"error": {"message": f"bad key {KEY}"}}), status, AT_ONCE, mimetype="application/json")


def refused(ask, store, match, **changes):
    """Ask, expect one line that matches, says nothing of the key, and leaves the store empty."""
    with pytest.raises(LanguageModelError, match=match) as caught:
        ask(**changes)
    assert "\n" not in str(caught.value)
    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not list(store.folder.glob("*"))


def test_a_good_answer_is_validated_stored_and_replayed_without_a_key(
    ask, httpserver, store, make_llm, facts, good_answer
):
    httpserver.expect_ordered_request(ENDPOINT, method="POST").respond_with_json(chat(good_answer))
    completion = ask()
    assert completion.answer.statements[0].cites == ("attention.persistent.excess_lift",)
    assert (completion.model, completion.usage) == ("served-model", Usage(prompt_tokens=11, completion_tokens=7))
    replayed = ReplayModel(make_llm(mode="replay"), store).complete(AnalysisRequest(Task.PATTERNS, facts))
    assert replayed == completion


def test_the_request_carries_the_key_the_prompt_and_the_params(ask, httpserver, facts, good_answer):
    httpserver.expect_request(ENDPOINT, headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(chat(good_answer))
    ask(temperature=0.25)
    sent = json.loads(httpserver.log[0][0].data)
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("test-model", 0.25, 500)
    assert sent["messages"][1]["content"] == user_prompt(AnalysisRequest(Task.PATTERNS, facts))


def test_the_key_and_the_address_are_in_no_stored_file(ask, httpserver, store, good_answer):
    httpserver.expect_request(ENDPOINT).respond_with_json(chat(good_answer))
    ask()
    (path,) = store.folder.iterdir()
    assert KEY not in path.read_text()
    assert str(httpserver.port) not in path.read_text()


def test_a_stored_answer_is_not_asked_for_again(ask, httpserver, good_answer):
    httpserver.expect_request(ENDPOINT).respond_with_json(chat(good_answer))
    assert ask() == ask()
    assert len(httpserver.log) == 1


def test_a_rate_limit_is_waited_out(ask, httpserver, good_answer):
    httpserver.expect_ordered_request(ENDPOINT).respond_with_response(failure(429))
    httpserver.expect_ordered_request(ENDPOINT).respond_with_json(chat(good_answer))
    assert ask().model == "served-model"
    assert len(httpserver.log) == 2


@pytest.mark.parametrize(("status", "attempts"), [(500, 3), (503, 3), (429, 3), (401, 1), (404, 1), (400, 1)])
def test_a_lasting_failure_is_one_line_with_its_status(ask, httpserver, store, status, attempts):
    httpserver.expect_request(ENDPOINT).respond_with_response(failure(status))
    refused(ask, store, f"answered with status {status}; ")
    assert len(httpserver.log) == attempts


def test_a_time_out_names_the_limit_and_the_attempts(ask, httpserver, store, good_answer):
    def slowly(request):
        time.sleep(0.5)
        return Response(json.dumps(chat(good_answer)), mimetype="application/json")

    httpserver.expect_request(ENDPOINT).respond_with_handler(slowly)
    refused(ask, store, r"no answer within 0\.1 s, 1 times; raise explain\.llm\.timeout_s", timeout_s=0.1, retries=0)


def test_no_server_is_a_failed_connection(store, make_llm, facts):
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    model = LiveModel(make_llm(mode="live", retries=0), store, environment)
    with pytest.raises(LanguageModelError, match="no connection to the language model's endpoint"):
        model.complete(AnalysisRequest(Task.PATTERNS, facts))


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (chat(None, message={"refusal": "I cannot help with that."}), "is a refusal"),
        (chat("", finish_reason="content_filter"), "is a refusal"),
        (chat('{"statements": [', finish_reason="length"), "was cut at 500 tokens; raise explain.llm.max_tokens"),
        (chat(""), "is empty"),
        (chat('{"statements": [{'), "Invalid JSON"),
        (chat('{"findings": []}'), "expected a JSON object of statements"),
        (
            chat('{"statements": [{"topic": "duration", "text": "long enough"}]}'),
            r"statements\.0\.cites: Field required",
        ),
        (chat("x", choices=[]), "is no chat completion"),
        ({"error": "none"}, "is no chat completion"),
        (chat(f"your key is {KEY}"), "quotes OPENAI_API_KEY; it is not kept"),
    ],
)
def test_an_unusable_answer_is_one_line_and_not_stored(ask, httpserver, store, body, match):
    httpserver.expect_request(ENDPOINT).respond_with_json(body)
    refused(ask, store, match)


def test_a_page_instead_of_json_is_no_chat_completion(ask, httpserver, store):
    httpserver.expect_request(ENDPOINT).respond_with_data("<html>welcome</html>", content_type="text/html")
    refused(ask, store, "is no chat completion; check that OPENAI_BASE_URL")


def test_an_answer_without_any_grounded_statement_is_not_stored(ask, httpserver, store, answer_json):
    answer = answer_json(("The camera is made of cheese.", ["camera.cheese"]))
    httpserver.expect_request(ENDPOINT).respond_with_json(chat(answer))
    refused(ask, store, "cite facts that do not exist")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many"}])
def test_token_counts_may_be_missing(ask, httpserver, good_answer, usage):
    httpserver.expect_request(ENDPOINT).respond_with_json(chat(good_answer, usage=usage))
    assert ask().usage is None


def test_an_answer_without_a_usage_field_is_good(ask, httpserver, good_answer):
    body = chat(good_answer)
    del body["usage"]
    httpserver.expect_request(ENDPOINT).respond_with_json(body)
    assert ask().usage is None


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": " \n"}])
def test_live_without_a_key_fails_before_any_work(make_llm, store, environment):
    with pytest.raises(
        LanguageModelError, match=r"OPENAI_API_KEY is not set; set it, or use explain\.llm\.mode: replay"
    ):
        LiveModel(make_llm(mode="live"), store, environment)


@pytest.mark.parametrize("key", ["sk-\u043a\u043b\u044e\u0447", "sk-two lines\nin one"])
def test_a_key_that_no_header_takes_is_refused_without_quoting_it(make_llm, store, key):
    with pytest.raises(LanguageModelError, match="OPENAI_API_KEY: holds a character") as caught:
        LiveModel(make_llm(mode="live"), store, {"OPENAI_API_KEY": key})
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("address", ["user:secret@host", "http://user:secret@[::", "http://", "ftp://user:secret@host"])
def test_an_unusable_address_is_refused_without_quoting_it(make_llm, store, address):
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": address}
    with pytest.raises(LanguageModelError, match="OPENAI_BASE_URL: expected") as caught:
        LiveModel(make_llm(mode="live"), store, environment)
    assert "secret" not in str(caught.value)

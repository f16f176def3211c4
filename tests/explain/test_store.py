import json

import pytest

from track_persistence.core.errors import LanguageModelError
from track_persistence.explain.answers import Completion, Task, parse_answer
from track_persistence.explain.prompts import AnalysisRequest
from track_persistence.explain.store import ReplayModel, ResponseStore


@pytest.fixture
def request_made(facts):
    return AnalysisRequest(Task.PATTERNS, facts)


@pytest.fixture
def stored(tmp_path, make_llm, request_made, good_answer):
    store = ResponseStore(tmp_path / "responses")
    store.save(request_made, make_llm(), Completion(answer=parse_answer(good_answer, "answer"), model="m"))
    (path,) = store.folder.iterdir()
    return store, path


def test_what_is_stored_is_found_under_the_same_request_only(stored, make_llm, request_made, facts):
    store, _ = stored
    assert store.find(request_made, make_llm()).model == "m"
    assert store.find(request_made, make_llm(model="another")) is None
    assert store.find(AnalysisRequest(Task.FAILURES, facts), make_llm()) is None


def test_storing_twice_gives_the_same_bytes(stored, make_llm, request_made):
    store, path = stored
    before = path.read_bytes()
    store.save(request_made, make_llm(), store.find(request_made, make_llm()))
    assert path.read_bytes() == before


def test_a_missing_answer_says_to_run_live_once(tmp_path, make_llm, request_made):
    model = ReplayModel(make_llm(mode="replay"), ResponseStore(tmp_path))
    with pytest.raises(LanguageModelError, match=r"no stored answer to attention_patterns; run once with .* live"):
        model.complete(request_made)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_an_answer_under_a_foreign_request_is_refused(stored, make_llm, request_made):
    store, path = stored
    edit(path, lambda content: content["request"].update(model="another"))
    with pytest.raises(LanguageModelError, match="holds the answer to another request; restore the file from git"):
        store.find(request_made, make_llm())


def test_an_edited_answer_passes_the_same_checks_as_a_live_one(stored, make_llm, request_made):
    store, path = stored
    edit(path, lambda content: content["answer"]["statements"][0].update(topic="cheese"))
    with pytest.raises(LanguageModelError, match=r"answer\.statements\.0\.topic: .*; restore the file from git"):
        store.find(request_made, make_llm())


def test_an_edited_citation_must_exist(stored, make_llm, request_made):
    store, path = stored
    edit(path, lambda content: content["answer"]["statements"][0].update(cites=["camera.cheese"]))
    with pytest.raises(LanguageModelError, match="cite facts that do not exist"):
        store.find(request_made, make_llm())

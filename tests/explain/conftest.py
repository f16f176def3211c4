import json

import pytest

from track_persistence.explain.config import ExplainConfig, LlmConfig


@pytest.fixture
def make_llm():
    """Build the `llm` part of the section, with changes."""

    def make(**changes):
        values = {
            "mode": "offline",
            "model": "test-model",
            "temperature": 0.0,
            "max_tokens": 500,
            "token_limit_field": "max_tokens",
            "timeout_s": 5.0,
            "retries": 2,
        }
        return LlmConfig.model_validate(values | changes)

    return make


@pytest.fixture
def make_config(make_llm):
    return lambda **changes: ExplainConfig(fewest_tracks=5, llm=make_llm(**changes))


@pytest.fixture
def facts():
    return {
        "counts.persistent": 40,
        "counts.transient": 30,
        "attention.persistent.excess_lift": -1.25,
        "attention.persistent.excess_lift.low": -1.5,
        "attention.persistent.excess_lift.high": -1.0,
        "decisions.transient.kept_share": 0.125,
    }


@pytest.fixture
def answer_json():
    """Build a model's answer from pairs of text and cited keys."""

    def make(*statements):
        items = [{"topic": "concentration", "text": text, "cites": cites} for text, cites in statements]
        return json.dumps({"statements": items})

    return make


@pytest.fixture
def good_answer(answer_json):
    return answer_json(("Attention on persistent tracks is even.", ["attention.persistent.excess_lift"]))

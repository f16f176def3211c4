"""What a language model is asked: fixed sentences and the facts, nothing else.

No word from the data reaches a prompt: facts pass `facts.flatten`, and of earlier analyses only topics and cited keys
travel on, never their sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from track_persistence.core.files import digest_of
from track_persistence.explain.answers import Analysis, Task, Topic
from track_persistence.explain.config import LlmConfig
from track_persistence.explain.facts import Facts, show

PROMPT_VERSION = 2

SYSTEM = f"""You analyse a classifier that decides which 2D tracks of a camera pair are persistent, that is, real
objects, and which are transient: ghosts (reflections, highlights, glare, shadows, flares, clutter, false boxes of the
detector or tracker) or detector noise. Ghosts need not be short: in profile matched they last as long as objects.
The classifier sees the crop of each frame, and perhaps the detector's confidence and the motion of the box.
You are given measured facts, one a line, as key = value. k.low and k.high bound the 95 % interval of k.
Lift is T times the attention weight of a frame of a track of T frames: 1 everywhere means even attention.
Random controls are what meaningless weights show on tracks of the same lengths; excess_lift is lift minus that.
peak_position runs from 0, the first frame, to 1, the last; meaningless weights peak at 0.5 on average.
probability is the classifier's probability that a track is persistent. prefix.<group>.<n>: after the first n frames.
faithfulness compares the loss of decision support, in log-odds, when the most attended frames are removed with the
loss when as many random frames are removed.
Rules: every statement cites one to ten of the given keys exactly as written. Use no number that is not the value of
a key you cite. Where an interval includes the control, say that the difference is not established. Attention shows
where the classifier looks, not why it decides. Do not guess at causes that no fact speaks of.
Answer with one JSON object and nothing else: {{"statements": [{{"topic": "...", "text": "...", "cites": ["..."]}}]}}
with 1 to 16 statements; text is one or two plain sentences, under 800 characters;
topic is one of {", ".join(Topic)}."""

INSTRUCTIONS = {
    Task.PATTERNS: "Describe how attention differs between persistent and transient tracks, beside the controls, "
    "and whether it can be trusted as an explanation.",
    Task.FAILURES: "Describe which tracks are decided wrongly and how they differ from those decided rightly.",
    Task.QUESTIONS: "Propose research questions that these facts raise. Each text is one question that an experiment "
    "could settle; cite the facts that raise it.",
}


@dataclass(frozen=True)
class AnalysisRequest:
    """One analysis to make: its task, the facts, and topics with cited keys of earlier analyses."""

    task: Task
    facts: Facts
    findings: tuple[tuple[Topic, tuple[str, ...]], ...] = ()


def findings_of(analyses: Sequence[Analysis], facts: Facts) -> tuple[tuple[Topic, tuple[str, ...]], ...]:
    """Return topic and cited keys of every statement whose keys are among `facts`."""
    statements = [statement for analysis in analyses for statement in analysis.statements]
    return tuple((item.topic, item.cites) for item in statements if all(key in facts for key in item.cites))


def user_prompt(request: AnalysisRequest) -> str:
    """Return the question with its facts, in the order of their keys."""
    lines = [INSTRUCTIONS[request.task], "", "Facts:"]
    lines += [f"{key} = {show(value)}" for key, value in sorted(request.facts.items())]
    if request.findings:
        lines += ["", "Earlier findings, by topic and the facts they rest on:"]
        lines += [f"{topic.value}: {', '.join(keys)}" for topic, keys in request.findings]
    return "\n".join(lines)


def request_body(request: AnalysisRequest, llm: LlmConfig) -> dict[str, Any]:
    """Return everything that shapes the answer, as sent to the chat endpoint."""
    body: dict[str, Any] = {
        "model": llm.model,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": user_prompt(request)},
        ],
        "response_format": {"type": "json_object"},
        llm.token_limit_field: llm.max_tokens,
    }
    if llm.temperature is not None:
        body["temperature"] = llm.temperature
    return body


def request_digest(request: AnalysisRequest, llm: LlmConfig) -> str:
    """Return the name under which the answer to `request` is stored."""
    return digest_of(PROMPT_VERSION, request_body(request, llm))

"""Sections `analyze` and `explain` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from track_persistence.core.params import Section


class AnalyzeConfig(Section):
    """What the evidence is measured on and how much of it is kept."""

    profile: Literal["nominal", "matched"]
    """Profile of the simulator whose tracks are examined."""
    split: Literal["validation", "test"]
    """Part of the scenes whose tracks are examined."""
    prefix_frames: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Numbers of frames after which a track is judged again."""
    faithfulness_tracks: PositiveInt
    """At most so many tracks take part in the deletion test, chosen by the order of a hash."""
    faithfulness_min_frames: Annotated[int, Field(ge=2)]
    """Shortest track in frames of which frames can be deleted."""
    removed_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of a track's frames that the deletion test takes away, rounded up to whole frames."""
    random_orders: PositiveInt
    """Random deletions of the same size that each attention-ordered one is held against."""
    bootstrap_replicates: PositiveInt
    """Resamples of whole scenes behind every 95 % interval."""
    failure_cases: NonNegativeInt
    """At most so many false positives, and so many false negatives, are listed one by one."""
    typical_cases: NonNegativeInt
    """So many ordinary tracks of each kind, those nearest the kind's median probability, are listed beside them."""


class LlmConfig(Section):
    """Which analyst writes the analyses, and how the language model is asked."""

    mode: Literal["offline", "replay", "live"]
    """`offline`: fixed rules, no language model; `replay`: stored answers; `live`: asks for what is not stored."""
    model: Annotated[str, Field(min_length=1)]
    """Name of the model at the OpenAI-compatible endpoint."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None
    """Sampling temperature; null leaves it to the server, as some models demand."""
    max_tokens: PositiveInt
    """Upper limit of the answer's length in tokens."""
    token_limit_field: Literal["max_tokens", "max_completion_tokens"]
    """Name under which the endpoint takes `max_tokens`; some compatible servers know the older name only."""
    timeout_s: Annotated[float, Field(gt=0)]
    """Seconds to wait for one answer."""
    retries: NonNegativeInt
    """Further attempts after a time-out, a lost connection, status 429 or a server error."""


class ExplainConfig(Section):
    """How evidence is turned into statements."""

    fewest_tracks: Annotated[int, Field(ge=2)]
    """Groups smaller than this support no statement of the rule-based analyst."""
    llm: LlmConfig
    """The analyst."""

import pytest

from track_persistence.core.errors import LanguageModelError
from track_persistence.explain.answers import (
    Analysis,
    GroundedStatement,
    Task,
    Topic,
    ground,
    parse_answer,
    unsupported_numbers,
)


def test_a_statement_with_existing_keys_is_kept(facts, good_answer):
    kept, refused = ground(parse_answer(good_answer, "answer"), facts)
    assert [item.cites for item in kept] == [("attention.persistent.excess_lift",)]
    assert refused == ()


def test_a_statement_that_cites_an_unknown_key_is_refused(facts, answer_json):
    answer = parse_answer(
        answer_json(
            ("Attention is even on 40 tracks.", ["counts.persistent"]),
            ("The camera is made of cheese.", ["counts.persistent", "camera.cheese"]),
        ),
        "answer",
    )
    kept, refused = ground(answer, facts)
    assert [item.text for item in kept] == ["Attention is even on 40 tracks."]
    assert [item.unknown_keys for item in refused] == [("camera.cheese",)]


def test_an_answer_of_which_nothing_is_grounded_is_an_error(facts, answer_json):
    answer = parse_answer(answer_json(("The camera is made of cheese.", ["camera.cheese"])), "answer")
    with pytest.raises(LanguageModelError, match=r"all 1 statements .* 'camera.cheese'"):
        ground(answer, facts)


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        ("an excess of -1.25", ()),
        ("an excess of -1.3, below 0.7", ("0.7",)),  # -1.25 rounds to -1.3 or -1.2
        ("1.25 less than chance", ()),  # a loss by its size
        ("between -1.5 and -1.0", ()),  # the interval
        ("with 95 % confidence", ()),
        ("12.5 % are kept, not 13.6 %", ("13.6",)),  # a share of 0.125 as a percentage
        ("in 3D, on class 7b", ()),  # no numbers of their own
        ("on 41 tracks", ("41",)),
        ("an excess of -1.25e+00, not 5.01e-05", ("5.01e-05",)),  # scientific notation is one number
    ],
)
def test_numbers_in_a_text_must_round_from_a_cited_fact(facts, text, unsupported):
    cites = ["attention.persistent.excess_lift", "decisions.transient.kept_share"]
    assert unsupported_numbers(text, cites, facts) == unsupported


def test_a_number_of_an_uncited_fact_does_not_count(facts):
    assert unsupported_numbers("40 tracks", ["counts.transient"], facts) == ("40",)


def test_numbers_within_a_cited_key_are_supported():
    assert (
        unsupported_numbers(
            "after 3 frames",
            ["prefix.persistent.3.kept_share"],
            {
                "prefix.persistent.3.kept_share": 0.5,
            },
        )
        == ()
    )


@pytest.mark.parametrize(
    "content",
    [
        "I think that",
        "[]",
        '{"statements": []}',
        '{"statements": [{"topic": "cheese", "text": "long enough text", "cites": ["a"]}]}',
        '{"statements": [{"topic": "duration", "text": "long enough text", "cites": []}]}',
        '{"statements": [{"topic": "duration", "text": "long enough text"}]}',
        '{"statements": [{"topic": "duration", "text": "long enough text", "cites": ["a"], "html": "x"}]}',
    ],
)
def test_an_answer_of_another_shape_is_one_clear_line(content):
    with pytest.raises(LanguageModelError, match=r"^the place: ") as caught:
        parse_answer(content, "the place")
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_text_becomes_one_printable_line(answer_json):
    answer = parse_answer(answer_json(("two\nlines and \x1b[31m colour", ["a"])), "answer")
    assert answer.statements[0].text == "two lines and [31m colour"


def analysis(source, model):
    statement = GroundedStatement(topic=Topic.DURATION, text="Some long tracks.", cites=("a.b",))
    return Analysis(
        task=Task.PATTERNS,
        source=source,
        model=model,
        request_digest="0",
        statements=(statement,),
        facts={"a.b": 1.0, "a.b.low": 0.5, "a.b.high": 1.5, "a.c": 2},
    )


def test_the_text_opens_with_who_wrote_it():
    assert analysis("offline", "rules").text.startswith("Written by fixed rules")
    assert "no language model took part" in analysis("offline", "rules").text
    assert analysis("replay", "m").text.startswith("Written by the language model m (answer taken from the response")
    assert analysis("live", "m").text.endswith("\n- Some long tracks.")


def test_cited_facts_bring_their_interval_and_nothing_else():
    assert analysis("offline", "rules").cited_facts() == {"a.b": 1.0, "a.b.low": 0.5, "a.b.high": 1.5}


def test_an_analysis_survives_its_json_form():
    result = analysis("live", "m")
    assert Analysis.model_validate_json(result.model_dump_json()) == result

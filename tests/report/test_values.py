import math

import pytest

from track_persistence.core.errors import StorageError
from track_persistence.report.values import leaves, lookup, value_of


def test_a_share_is_written_as_percent_with_its_interval() -> None:
    assert value_of({"value": 0.973, "low": 0.961, "high": 0.98}).percent() == "97.3 % [96.1, 98.0]"


def test_a_plain_number_has_no_interval() -> None:
    assert value_of(0.5).number() == "0.500"
    assert value_of({"value": 0.5}).number() == "0.500"


def test_what_could_not_be_measured_is_said_to_be_absent() -> None:
    missing = value_of({"value": None, "low": None, "high": None})
    assert missing.percent() == "n/a"
    assert math.isnan(missing.value)
    assert value_of(None).number() == "n/a"


def test_a_missing_key_is_named_with_its_file() -> None:
    with pytest.raises(StorageError, match=r"metrics\.json: test\.by_frames: key is missing"):
        lookup({"test": {"tracks": 3}}, "metrics.json", "test", "by_frames", "3")


def test_leaves_are_listed_by_dotted_key_and_intervals_stay_together() -> None:
    content = {"a": {"b": {"value": 1.0, "low": 0.5, "high": 1.5}, "c": 3}, "d": None, "e": 0.12345}
    assert list(leaves(content)) == [("a.b", "1.000 [0.500, 1.500]"), ("a.c", "3"), ("d", "n/a"), ("e", "0.1235")]

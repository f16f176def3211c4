import numpy as np
import pytest

from track_persistence.classifier.adapter import Adapter, SumCalibration, Witness
from track_persistence.classifier.decision import DecisionRule
from track_persistence.core.errors import DataError

RULE = DecisionRule(0.1, (1.0,), (-1.0,), 0.0)


def test_one_witness_cannot_outvote_the_others():
    witness = Witness(np.array([1.0]), 0.0, 6.0)
    assert witness.log_odds(np.array([[-1e9], [2.0], [1e9]])).tolist() == [-6, 2, 6]


def test_the_sum_is_calibrated_by_slope_and_bias():
    witnesses = {"a": Witness(np.array([1.0]), 0.0, 6.0), "b": Witness(np.array([0.0, 2.0]), 1.0, 6.0)}
    adapter = Adapter(witnesses, {"both": ("a", "b")}, {"both": SumCalibration(0.5, -1.0)}, {"both": RULE})
    evidence = {"a": np.array([[2.0]]), "b": np.array([[9.0, 1.0]])}
    assert adapter.log_odds(evidence, "both").tolist() == [0.5 * (2 + 3) - 1]


def test_a_missing_witness_and_an_unknown_set_are_named():
    witnesses = {"looks": Witness(np.zeros(40), 0.0, 6.0), "confidence": Witness(np.zeros(1), 0.0, 6.0)}
    sets = {"both": ("looks", "confidence"), "pixels": ("looks",)}
    adapter = Adapter(witnesses, sets, dict.fromkeys(sets, SumCalibration(1.0, 0.0)), dict.fromkeys(sets, RULE))
    evidence = {"looks": np.zeros((1, 40))}
    with pytest.raises(DataError, match=r"no evidence of \['confidence'\]; give boxes"):
        adapter.log_odds(evidence, "both")
    with pytest.raises(DataError, match="no set 'all'; it has"):
        adapter.log_odds(evidence, "all")
    with pytest.raises(DataError, match="witness of 40 values: got rows of shape"):
        adapter.log_odds({"looks": np.zeros((1, 39))}, "pixels")

import pytest

from track_persistence.core import errors
from track_persistence.core.command import run_command
from track_persistence.core.errors import ParamsError, TrackPersistenceError


def test_bad_input_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise ParamsError("params.yaml: train.epohcs: not a known key (got 3)")

    with pytest.raises(SystemExit) as left:
        run_command(main)
    captured = capsys.readouterr()
    assert left.value.code == 2
    assert (captured.out, captured.err) == ("", "error: params.yaml: train.epohcs: not a known key (got 3)\n")


def test_an_interrupt_says_that_work_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as left:
        run_command(main)
    assert left.value.code == 130
    assert "run the same command again" in capsys.readouterr().err


def test_our_own_bugs_keep_their_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(main)


def test_a_good_run_just_returns(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(lambda: None)
    assert capsys.readouterr().err == ""


def test_every_error_is_of_the_one_tree() -> None:
    ours = [item for item in vars(errors).values() if isinstance(item, type)]
    assert len(ours) > 5
    assert all(issubclass(item, TrackPersistenceError) for item in ours)
    assert issubclass(TrackPersistenceError, ValueError)

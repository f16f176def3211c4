import pytest

from track_persistence.core.progress import log, track_progress


def lines(captured: str) -> list[str]:
    return captured.strip().splitlines()


def test_every_item_passes_through_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track_progress("abc", 3, "spelling", "letters")) == ["a", "b", "c"]


def test_without_a_terminal_a_line_comes_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    list(track_progress(range(1000), 1000, "counting", "numbers", clock=lambda: 0.0))
    got = lines(capsys.readouterr().err)
    assert got[0] == "counting: 100/1000 numbers (10%), 0 s"
    assert got[-1] == "counting: 1000/1000 numbers (100%), 0 s"
    assert len(got) == 10


def test_slow_work_speaks_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    # 10 s an item: 0.1 % each, so only time can be due; 30 s pass after items 3, 6, 9
    times = iter(range(0, 10_000, 10))
    list(track_progress(range(10), 1000, "crawling", "steps", clock=lambda: next(times)))
    assert lines(capsys.readouterr().err) == [
        "crawling: 3/1000 steps (0%), 30 s",
        "crawling: 6/1000 steps (1%), 60 s",
        "crawling: 9/1000 steps (1%), 90 s",
    ]


def test_no_work_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track_progress([], 0, "resting", "naps")) == []
    assert capsys.readouterr().err == ""


def test_a_log_line_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    log("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, PositiveInt, ValidationError

from track_persistence.core.errors import ParamsError
from track_persistence.core.params import RunConfig, Section, SplitConfig, load_section, load_seed, read_params

ROOT = Path(__file__).resolve().parents[2]


class Inner(Section):
    steps: PositiveInt


class Example(Section):
    rate: Annotated[float, Field(gt=0, lt=1)]
    inner: Inner


GOOD = "seed: 3\nexample:\n  rate: 1e-4\n  inner:\n    steps: 2\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_section_comes_back_typed(tmp_path: Path) -> None:
    section = load_section(written(tmp_path, GOOD), "example", Example)
    assert section.rate == 1 / 10_000  # PyYAML would read 1e-4 as a string
    assert section.inner.steps == 2


def test_a_section_is_frozen(tmp_path: Path) -> None:
    section = load_section(written(tmp_path, GOOD), "example", Example)
    with pytest.raises(ValidationError, match="frozen"):
        section.rate = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps", "setps", r"example.inner.setps: not a known key \(got 2\)"),
        ("steps", "setps", "example.inner.steps: key is missing"),
        ("steps: 2", "steps: 0", r"example.inner.steps: .* greater than 0 \(got 0\)"),
        ("steps: 2", "steps: two", r"example.inner.steps: .*\(got 'two'\)"),
        ("rate: 1e-4", "rate: .nan", r"example.rate: .*\(got nan\)"),
        ("rate: 1e-4", "rate: 2", r"example.rate: .* less than 1 \(got 2\)"),
        ("example:", "sample:", "example: section is missing; copy it"),
    ],
)
def test_a_wrong_key_or_value_is_named_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ParamsError, match=message) as caught:
        load_section(path, "example", Example)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\n", "not valid YAML"),
        ("a: 1\na: 2\n", "not valid YAML: .*duplicate key"),
        ("- 1\n", "expected a mapping of sections, got list"),
        ("", "expected a mapping of sections, got NoneType"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        read_params(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"absent.yaml: no such file; run from the repository root"):
        read_params(tmp_path / "absent.yaml")


def test_what_is_no_text_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"cannot be read: Is a directory; pass a file with --params"):
        read_params(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParamsError, match=r"binary.yaml: not valid YAML"):
        read_params(tmp_path / "binary.yaml")


def test_the_seed_is_a_whole_number(tmp_path: Path) -> None:
    assert load_seed(written(tmp_path, GOOD)) == 3


@pytest.mark.parametrize("seed", ["-1", "1.5", "true", "abc", "null"])
def test_another_seed_is_refused(tmp_path: Path, seed: str) -> None:
    with pytest.raises(ParamsError, match="seed: expected a whole number of at least 0"):
        load_seed(written(tmp_path, f"seed: {seed}\n"))


def test_the_repository_s_own_core_sections_load() -> None:
    path = ROOT / "params.yaml"
    assert load_section(path, "split", SplitConfig).validation > 0
    assert load_section(path, "run", RunConfig).engine == "local"
    assert load_seed(path) >= 0

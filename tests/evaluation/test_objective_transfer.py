from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.footage_maker import write_footage
from tests.evaluation.test_ablation_config import SECTION as ABLATE
from tests.evaluation.test_objectives_config import SECTION

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.params import load_section
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.objective_transfer import (
    Described,
    TransferParams,
    describe_recording,
    read_first_frames,
    transfer_metrics,
)
from track_persistence.evaluation.objectives_config import ObjectivesConfig

ROOT = Path(__file__).parents[2]
PETS = ROOT.parent / "shared" / "data" / "pets09"
ALIKE = {"bootstrap_replicates": 20}
LABELS = np.arange(40) % 2 == 0


def params(recordings=(), **changes) -> TransferParams:
    footage = load_section(ROOT / "params.yaml", "footage", FootageConfig).model_copy(update=ALIKE | changes)
    objectives = ObjectivesConfig(**(SECTION | {"recordings": recordings}))
    return TransferParams(objectives, footage, AblateConfig(**ABLATE), 0.1, 7)


def made(name: str, sign: float) -> Described:
    """Values that tell the class: `all` in both recordings alike, `cause` with the given sign."""
    rng = np.random.default_rng(len(name))
    told, noise = np.where(LABELS, 1.0, -1.0), rng.normal(0, 0.1, (40, 2))
    values = {
        "all": np.column_stack([told, told]) + noise,
        "cause": sign * np.column_stack([told, told]) + noise,
        "statistics": np.column_stack([sign * told, noise]),
        "cheap_pixels": np.column_stack([told, rng.normal(0, 0.01, (40, 60))]),
    }
    return Described(name, values, LABELS)


def test_each_is_fitted_on_one_recording_and_tested_on_the_other_both_ways():
    found = transfer_metrics([made("hog", 1.0), made("mog2", -1.0)], params())
    assert found.keys() == {"hog_to_mog2", "mog2_to_hog"}
    for pair in found.values():
        assert pair["fitted"] == pair["tested"] == {"real": 20, "false": 20}
        areas = {method: values["auc"]["value"] for method, values in pair["methods"].items()}
        assert areas == {"all": 1, "cause": 0, "statistics": 0, "cheap_pixels": 1}
        assert pair["methods"]["cause"]["minus_all"] == {"value": -1, "low": -1, "high": -1}


def test_a_track_is_described_by_what_it_showed_in_its_first_frames(tmp_path):
    """Real tracks have twelve boxes, false ones two; three frames show three and two of them."""
    sources = [write_footage(tmp_path, name) for name in ("hog", "mog2")]
    recordings = read_first_frames(params(sources), tmp_path)
    assert [recording.name for recording in recordings] == ["hog", "mog2"]
    for recording in recordings:
        assert {(bool(real), len(track)) for real, track in zip(recording.labels, recording.tracks, strict=True)} == {
            (True, 3),
            (False, 2),
        }
    mean_level = {"all": lambda crops: [own.mean(axis=(1, 2)) for own in crops]}
    described = describe_recording(recordings[0], mean_level, 3)
    first = recordings[0].tracks[0].crops
    assert np.allclose(described.values["all"][0], first.mean(axis=(0, 1, 2)))
    assert {len(values) for values in described.values.values()} == {len(recordings[0])}
    hits = described.values["statistics"][:, 0]
    assert np.array_equal(hits, np.where(recordings[0].labels, 3, 2))


def test_gaps_count_as_frames_of_a_life(tmp_path):
    sources = [write_footage(tmp_path, name) for name in ("hog", "mog2")]
    path = tmp_path / "hog.txt"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("4,0,")]
    path.write_text("\n".join(kept))  # track 0 is born in frame 3 and now missed in frame 4
    track = next(t for t in read_first_frames(params(sources), tmp_path)[0].tracks if t.track_id == 0)
    assert track.frames.tolist() == [3, 5]


def test_tracks_of_one_class_are_an_error(tmp_path):
    sources = [write_footage(tmp_path, name) for name in ("hog", "mog2")]
    labels = tmp_path / "mog2.csv"
    labels.write_text(labels.read_text().replace(",0", ",-1"))
    with pytest.raises(DataError, match=r"mog2.txt: \d+ labelled tracks of one class"):
        read_first_frames(params(sources), tmp_path)


def test_a_recording_that_is_not_there_is_named(tmp_path):
    sources = [write_footage(tmp_path, name) for name in ("hog", "mog2")]
    (tmp_path / "mog2.avi").unlink()
    with pytest.raises(ParamsError, match=r"objectives.recordings.1.video: 'mog2.avi' is no file"):
        read_first_frames(params(sources), tmp_path)


@pytest.mark.skipif(not PETS.is_dir(), reason="PETS09 is not beside the repository")
def test_the_controls_on_pets_score_as_they_do_when_a_filter_is_adapted():
    own = params(load_section(ROOT / "params.yaml", "objectives", ObjectivesConfig).recordings)
    found = transfer_metrics(
        [describe_recording(recording, {"all": _histogram}, 3) for recording in read_first_frames(own, PETS)], own
    )
    forth = found["hog_to_mog2"]
    assert forth["fitted"] == {"real": 79, "false": 170}
    assert forth["tested"] == {"real": 97, "false": 96}
    assert forth["methods"]["cheap_pixels"]["auc"]["value"] == pytest.approx(0.918, abs=0.02)


def _histogram(crops):
    return [own.mean(axis=(1, 2)) for own in crops]

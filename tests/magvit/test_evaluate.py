"""The validation metrics on cases with a known answer."""

import numpy as np
import pytest
import torch

from track_persistence.magvit.clips import Clip
from track_persistence.magvit.evaluate import _codebook_use, _measured, _psnr_db, _recognised, evaluate
from track_persistence.magvit.pictures import reconstruction_sheet


def flat_clip(scene_id: int, track_id: int, frames: int, grey: int) -> Clip:
    return Clip(scene_id, 0, track_id, np.full((frames, 64, 64, 3), grey, np.uint8), 0)


def test_psnr_of_an_error_of_one_grey_level_is_48_13_db():
    # 10 log10(255^2 / 1)
    assert _psnr_db([1.0])[0] == pytest.approx(48.13, abs=0.01)


def test_a_perfect_reconstruction_has_a_finite_psnr():
    assert _psnr_db([0.0])[0] == pytest.approx(10 * np.log10(4 * 255**2))


def test_the_interval_resamples_scenes_so_one_scene_has_none():
    rng = np.random.default_rng(0)
    one = _measured(np.array([1.0, 3.0]), [4, 4], rng, 1000)
    two = _measured(np.array([1.0, 3.0]), [4, 5], rng, 1000)
    assert one == {"value": 2.0, "low": 2.0, "high": 2.0}
    assert two == {"value": 2.0, "low": 1.0, "high": 3.0}


def test_half_of_the_codes_used_alike_is_a_perplexity_of_one_half(tokenizer_config):
    # 6 bits in 2 groups: 8 codes each; both groups use 4 codes equally
    indices = np.stack([np.tile([0, 1, 2, 3], 5), np.tile([4, 5, 6, 7], 5)], axis=1)
    use = _codebook_use(indices, tokenizer_config())
    assert (use["codes_per_group"], use["used_share"]) == (8, 0.5)
    assert use["perplexity_share"] == pytest.approx(0.5)


@torch.inference_mode()
def test_still_tracks_of_different_grey_recognise_themselves(tiny):
    clips = [flat_clip(0, index, 2 * index + 2, grey) for index, grey in enumerate((0, 60, 120, 250))]
    assert _recognised(tiny, clips, 4).tolist() == [1.0] * 4


@torch.inference_mode()
def test_tracks_that_all_look_alike_cannot_all_be_recognised(tiny):
    clips = [flat_clip(0, index, 2, 90) for index in range(4)]
    assert _recognised(tiny, clips, 4).sum() == 1


def test_the_mean_colour_baseline_of_flat_clips_is_perfect(tiny, tokenizer_config):
    clips = [flat_clip(0, 0, 1, 50), flat_clip(1, 0, 3, 200)]
    metrics = evaluate(tiny, tiny, clips, tokenizer_config(), 7)
    assert metrics["psnr_mean_colour_db"]["value"] == pytest.approx(10 * np.log10(4 * 255**2))
    assert (metrics["clips"], metrics["scenes"], metrics["track_recognition"]["tracks"]) == (2, 2, 1)
    assert metrics["codebook"]["voxels"] == (1 + 3) * 16
    assert metrics["psnr_db"]["value"] < metrics["psnr_mean_colour_db"]["value"]


def test_the_sheet_of_reconstructions_is_the_same_each_time(tiny, crops_of):
    clips = [Clip(0, 0, index, crops_of(index + 1), 0) for index in range(3)]
    sheets = [reconstruction_sheet(tiny, clips, 4) for _ in range(2)]
    assert sheets[0] == sheets[1]
    assert sheets[0].startswith(b"\x89PNG")

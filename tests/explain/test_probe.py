from pathlib import Path

import numpy as np
import pytest
import torch
from tests.explain.made_tracks import METADATA, WIDTH, analyze_config, make_track
from tests.made_classifier import profile_entry

from track_persistence.classifier.channels import CHANNELS, ConfidenceScale, no_pixel_channels
from track_persistence.classifier.checkpoint import LoadedClassifier
from track_persistence.core.errors import CheckpointError
from track_persistence.core.types import Ghost, Kind
from track_persistence.explain.probe import probe, without

PATH = Path("model")


class FirstFrameModel(torch.nn.Module):
    """Decides by feature 0 summed over frames; its attention says so, or the opposite."""

    def __init__(self, honest):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.honest = honest

    def logits(self, features, valid):
        return (features[..., 0] * valid).sum(dim=1)

    def get_frame_importance(self, features):
        weights = features[:, 0] if self.honest else features[:, 0].max() - features[:, 0]
        return weights / weights.sum()


@pytest.mark.parametrize(("honest", "attended"), [(True, 8 / 2), (False, 0)])
def test_removing_the_frame_that_decides_costs_its_whole_support(honest, attended):
    track = make_track(1, 1, Kind.PERSISTENT, Ghost.NONE, 5)
    track.features[:, 0] = [0, 0, 8, 0, 0]
    classifier = LoadedClassifier(PATH, FirstFrameModel(honest), METADATA)
    config = analyze_config(random_orders=4000)
    deletion = probe(classifier, track, config, np.random.default_rng(0)).deletion
    # a fifth of five frames is one; temperature 2 halves the logit; a random frame is the decisive one in 1 of 5
    assert deletion.attended == attended
    assert deletion.random == pytest.approx(4 / 5, abs=0.15)


def test_support_of_a_rejection_counts_towards_the_rejection():
    track = make_track(1, 1, Kind.NOISE, Ghost.NOISE, 5)
    track.features[:, 0] = [0, 0, -8, 0, 0]
    classifier = LoadedClassifier(PATH, FirstFrameModel(honest=True), METADATA)
    probed = probe(classifier, track, analyze_config(), np.random.default_rng(0))
    assert probed.outcome == "true_negative"
    assert probed.deletion.attended == 8 / 2
    assert probed.prefix_probabilities[0] == 1 / 2  # the first frame says nothing


class SumOfInputs(FirstFrameModel):
    """Decides by the sum of one column of its inputs, attends to all frames alike and remembers their width."""

    def __init__(self, column):
        super().__init__(honest=True)
        self.column, self.widths = column, []

    def logits(self, features, valid):
        self.widths.append(features.shape[2])
        return (features[..., self.column] * valid).sum(dim=1)

    def get_frame_importance(self, features):
        return np.full(len(features), 1 / len(features))


def test_a_classifier_of_boxes_sees_the_channels_at_the_scale_of_the_profile():
    track = make_track(1, 1, Kind.PERSISTENT, Ghost.NONE, 3)
    profiles = {"matched": profile_entry(2.0, scale=(0.0, 0.5)), "nominal": profile_entry(2.0, scale=(9.0, 0.5))}
    metadata = METADATA | {"inputs": "both", "profiles": profiles}
    track.confidences[:] = 1 / (1 + np.exp(-0.5))  # a logit of 0.5 is 1 standard deviation above the mean
    model = SumOfInputs(WIDTH)
    probed = probe(LoadedClassifier(PATH, model, metadata), track, analyze_config(), None)
    assert model.widths == [WIDTH + len(CHANNELS)]
    assert probed.probability == pytest.approx(1 / (1 + np.exp(-3 / 2)), rel=1e-5)  # 3 frames, temperature 2


def test_removed_frames_leave_a_gap_that_the_classifier_sees():
    track = make_track(1, 1, Kind.PERSISTENT, Ghost.NONE, 4)
    left = without(track, np.array([0, 3]))
    assert left.frames.tolist() == [0, 3]
    channels = no_pixel_channels(left, ConfidenceScale(0.0, 1.0))
    assert channels[:, CHANNELS.index("gap")].tolist() == pytest.approx([0.0, np.log(3)])


def test_the_calibration_of_the_number_of_frames_and_of_the_profile_counts():
    track = make_track(1, 1, Kind.PERSISTENT, Ghost.NONE, 3)
    track.features[:, 0] = [1, 0, 0]
    calibration = {"ages": [1, 3], "temperatures": [1.0, 0.5], "biases": [0.0, -1.0]}
    profiles = {"matched": profile_entry(9.0), "nominal": profile_entry() | {"calibration": calibration}}
    classifier = LoadedClassifier(PATH, FirstFrameModel(honest=True), METADATA | {"profiles": profiles})
    probed = probe(classifier, track, analyze_config(profile="nominal"), None)
    odds = [value / (1 - value) for value in (*probed.prefix_probabilities[:2], probed.probability)]
    assert np.log(odds) == pytest.approx([1, 2 - 1, 2 - 1])  # after 1 frame, after 3, and whole


def test_a_profile_that_the_classifier_never_saw_is_refused():
    metadata = METADATA | {"profiles": {"matched": profile_entry()}}
    track = make_track(1, 1, Kind.PERSISTENT, Ghost.NONE, 3)
    with pytest.raises(CheckpointError, match=r"model: holds no profile 'nominal'; choose one of matched"):
        probe(
            LoadedClassifier(PATH, FirstFrameModel(honest=True), metadata),
            track,
            analyze_config(profile="nominal"),
            None,
        )

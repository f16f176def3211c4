"""Each term of the loss on cases that can be computed by hand."""

import math

import numpy as np
import pytest
import torch

from track_persistence.magvit.clips import CAUSES, UNKNOWN_CAUSE, Pair
from track_persistence.magvit.objective import (
    cause_loss,
    clip_embeddings,
    fresh_cause_head,
    info_nce,
    pair_loss,
    pair_videos,
)

CPU = torch.device("cpu")
BOTH = torch.tensor([True, True])


def test_info_nce_of_two_orthogonal_tracks_is_the_cross_entropy_of_1_against_0():
    unit = torch.eye(2)
    # at temperature 1 each row has logits (1, 0): -log(e / (e + 1))
    assert float(info_nce(unit, unit, BOTH, 1.0)) == pytest.approx(math.log(1 + math.exp(-1)))


def test_info_nce_of_tracks_that_look_alike_is_the_log_of_their_number():
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(info_nce(same, same, BOTH, 0.1)) == pytest.approx(math.log(2))


def test_a_clip_paired_with_itself_is_a_negative_only():
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    second = torch.tensor([[0.0, 1.0], [0.0, 1.0]])  # row 0 finds the wrong track, row 1 the right one
    # only row 1 counts; forth its logits are (1, 1): log 2; back they are (0, 1): log(1 + 1/e)
    expected = (math.log(2) + math.log(1 + math.exp(-1))) / 2
    assert float(info_nce(first, second, torch.tensor([False, True]), 1.0)) == pytest.approx(expected)


def test_info_nce_is_zero_when_no_pair_is_distinct():
    assert float(info_nce(torch.eye(2), torch.eye(2), ~BOTH, 0.1)) == 0


def test_clip_embeddings_have_length_one_and_point_along_the_mean():
    latents = torch.zeros(1, 2, 2, 4, 4)
    latents[0, 0, 0], latents[0, 1] = 6.0, 4.0  # means 3 and 4
    torch.testing.assert_close(clip_embeddings(latents), torch.tensor([[0.6, 0.8]]))


def test_a_strided_tokenizer_sees_the_last_frame_repeated(architecture, crops_of):
    tokenizer = torch.nn.Module()
    tokenizer.config = architecture(time_stride=4)
    crops = crops_of(2)[None]
    video, _ = pair_videos(tokenizer, Pair.same(crops), CPU)
    assert video.shape[2] == 5
    assert torch.equal(video[:, :, 4], video[:, :, 1])


def test_the_total_is_the_weighted_sum_and_reaches_every_weight(tiny, tokenizer_config, crops_of):
    crops = np.stack([crops_of(4), crops_of(5)[:4]])
    pair = Pair(crops[:, :3], crops[:, 1:], np.array([True, True]), np.array([0, 3]))
    config = tokenizer_config().loss
    terms = pair_loss(tiny.train(), fresh_cause_head(tiny.config, 7), pair, config, CPU)
    expected = sum(getattr(config, name) * term.item() for name, term in terms.items() if name != "total")
    assert terms["total"].item() == pytest.approx(expected, rel=1e-5)
    terms["total"].backward()
    assert [name for name, weight in tiny.named_parameters() if weight.grad is None] == []


def test_the_cause_term_is_the_cross_entropy_of_the_named_causes(tiny, tokenizer_config):
    crops = np.zeros((2, 1, 64, 64, 3), np.uint8)
    pair = Pair(crops, crops, np.array([False, False]), np.array([0, 3]))
    head = fresh_cause_head(tiny.config, 7)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    # A layer that knows nothing gives every one of the K causes 1 / K: cross-entropy log K.
    terms = pair_loss(tiny, head, pair, tokenizer_config().loss, CPU)
    assert float(terms["cause"].detach()) == pytest.approx(math.log(len(CAUSES)), rel=1e-5)


def test_tracks_of_unknown_cause_have_no_part_in_the_cause_term():
    logits = torch.tensor([[3.0, 0.0], [0.0, 5.0]], requires_grad=True)
    # the first row alone counts: log(1 + e^-3)
    loss = cause_loss(logits, torch.tensor([0, UNKNOWN_CAUSE]), 0.0)
    assert float(loss.detach()) == pytest.approx(math.log(1 + math.exp(-3)))
    nothing = cause_loss(logits, torch.tensor([UNKNOWN_CAUSE, UNKNOWN_CAUSE]), 0.1)
    nothing.backward()
    assert float(nothing.detach()) == 0 and not logits.grad.any()


def test_smoothing_makes_certainty_cost_something(tiny, tokenizer_config):
    crops = np.zeros((1, 1, 64, 64, 3), np.uint8)
    pair = Pair(crops, crops, np.array([False]), np.array([2]))
    head = fresh_cause_head(tiny.config, 7)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()[2] = 20.0
    losses = {
        smoothing: float(
            pair_loss(tiny, head, pair, tokenizer_config().loss.model_copy(update={"cause_smoothing": smoothing}), CPU)[
                "cause"
            ].detach()
        )
        for smoothing in (0.0, 0.1)
    }
    assert losses[0.0] < 1e-3 < 1.0 < losses[0.1]


def test_only_the_wanted_share_is_reconstructed(tiny, tokenizer_config):
    crops = np.zeros((4, 1, 64, 64, 3), np.uint8)
    crops[1:] = 255
    pair = Pair(crops, crops, np.zeros(4, bool), np.zeros(4, np.int64))
    black = Pair(crops[:1], crops[:1], np.zeros(1, bool), np.zeros(1, np.int64))
    loss = tokenizer_config().loss
    head = fresh_cause_head(tiny.config, 7)
    quarter = pair_loss(tiny, head, pair, loss.model_copy(update={"reconstructed_share": 0.25}), CPU)
    alone = pair_loss(tiny, head, black, loss, CPU)
    assert float(quarter["reconstruction"].detach()) == pytest.approx(float(alone["reconstruction"].detach()), rel=1e-5)


def test_without_weight_the_cause_changes_nothing(tiny, tokenizer_config):
    crops = np.zeros((2, 1, 64, 64, 3), np.uint8)
    pair = Pair(crops, crops, np.array([False, False]), np.array([0, 3]))
    config = tokenizer_config().loss.model_copy(update={"cause": 0.0})
    one, other = (
        pair_loss(tiny, fresh_cause_head(tiny.config, seed), pair, config, CPU)["total"].detach() for seed in (1, 2)
    )
    assert float(one) == float(other)

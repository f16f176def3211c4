"""Combinations of params that cannot work are refused."""

import pytest
from pydantic import ValidationError


def test_groups_must_divide_the_bits(architecture):
    with pytest.raises(ValidationError, match="code_groups 4 does not divide code_bits 6"):
        architecture(code_bits=6, code_groups=4)


def test_groups_of_too_many_bits_are_refused(architecture):
    with pytest.raises(ValidationError, match="above 12"):
        architecture(code_bits=36, code_groups=2)


def test_one_frame_clips_must_be_trained_on(tokenizer_config):
    with pytest.raises(ValidationError, match="must hold 1"):
        tokenizer_config(clip_lengths=(2, 4))


def test_clips_longer_than_the_pooled_frames_are_refused(tokenizer_config):
    with pytest.raises(ValidationError, match="above pool_frames"):
        tokenizer_config(pool_frames=3)

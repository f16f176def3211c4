"""Params of the tokenizer and of feature extraction."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from track_persistence.core.params import Section

Precision = Literal["float32", "bfloat16"]
Widths = tuple[PositiveInt, PositiveInt, PositiveInt]


class ArchitectureConfig(Section):
    """Shape of the network; written into the checkpoint, so that its weights can be read back alone."""

    encoder_widths: Widths
    """Channels of the encoder at 16x16, 8x8 and 4x4 voxels per frame."""
    decoder_widths: Widths
    """Channels of the decoder at 16x16, 8x8 and 4x4; it only serves training, so it may be thinner."""
    blocks_per_level: PositiveInt
    """Residual blocks at each of the three resolutions."""
    latent_dim: PositiveInt
    """Channels before quantisation; the width D of the extracted features."""
    time_stride: Literal[1, 2, 4]
    """Frames per latent; 1 keeps every frame, more is faster and blind to tracks of few frames."""
    code_bits: PositiveInt
    """Bits of a voxel's code; each is the sign of one projected latent."""
    code_groups: PositiveInt
    """Groups the bits are cut into for the entropy terms, which list 2^(bits / groups) codes each."""

    @model_validator(mode="after")
    def _groups_divide_the_bits(self) -> Self:
        if self.code_bits % self.code_groups:
            raise ValueError(f"code_groups {self.code_groups} does not divide code_bits {self.code_bits}")
        if self.code_bits // self.code_groups > 12:
            raise ValueError("code_bits / code_groups is above 12; raise code_groups to save memory")
        return self


class LossConfig(Section):
    """Weights of the terms of the loss."""

    reconstruction: NonNegativeFloat
    """Mean absolute pixel error, pixels in [-1, 1]."""
    reconstructed_share: Annotated[float, Field(gt=0, le=1)]
    """Share of a step's clips that are quantised and reconstructed; the decoder's cost is proportional to it."""
    code_certainty: NonNegativeFloat
    """Entropy of each voxel's code in bits of nats per bit: low means decided bits."""
    code_diversity: NonNegativeFloat
    """Entropy of the batch's mean code, subtracted: high means that all codes are used."""
    commitment: NonNegativeFloat
    """Mean squared distance of the projected latents to their signs."""
    contrastive: NonNegativeFloat
    """InfoNCE between two clips of one track against the batch's other tracks."""
    contrastive_temperature: PositiveFloat
    """Divides the cosine similarities of InfoNCE."""
    cause: NonNegativeFloat
    """Cross-entropy of a linear layer on the mean latents, which names the cause of a simulated track: a real object
    or one of the ghosts. 0 makes the training self-supervised."""
    cause_smoothing: Annotated[float, Field(ge=0, lt=1)]
    """Share of the truth that is spread over all causes alike, against memorising (Szegedy et al. 2016)."""


class OptimizerConfig(Section):
    """Muon for the kernels of convolutions, AdamW for all other weights."""

    kernel_learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Peak step size of Muon, scaled so that its steps are as long as AdamW's (Liu et al. 2025)."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Muon's, after Nesterov."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Peak step size of AdamW."""
    adam_betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
    """Decay of AdamW's running mean and running square of the gradient."""
    weight_decay: NonNegativeFloat
    """Decoupled weight decay of both."""
    gradient_norm: PositiveFloat
    """Gradients are scaled down to this global norm."""


class UnlabelledSource(Section):
    """A video and the tracks of some detector on it, of which nobody says what is real."""

    video: Path
    """Video file that OpenCV can decode."""
    tracks: Path
    """MOT file of tracks."""


class UnlabelledConfig(Section):
    """A site's own recordings, whose crops train the encoder beside the simulated ones."""

    sources: tuple[UnlabelledSource, ...]
    """The recordings, their files given below the folder of footage; none is the default."""
    tracks: PositiveInt
    """Tracks of all of them together that are kept in memory, at most; their first `pool_frames` boxes count."""


class TokenizerConfig(Section):
    """Training of the tokenizer on the training split's crops; `loss.cause` alone reads labels, the simulator's."""

    architecture: ArchitectureConfig
    """Shape of the network."""
    loss: LossConfig
    """Weights of the loss terms."""
    pool_shards: PositiveInt
    """Scene shards, drawn at random, that training and validation clips are taken from."""
    pool_tracks: Annotated[dict[str, PositiveInt], Field(min_length=1)]
    """Training tracks of each profile that are kept in memory, at most; each takes up to `pool_frames` x 12 KB."""
    pool_frames: PositiveInt
    """Consecutive frames kept of each pooled track, from a random start."""
    unlabelled: UnlabelledConfig
    """Recordings whose crops are mixed in. They have no part in the cause term."""
    validation_tracks: PositiveInt
    """Tracks of validation scenes that the metrics are measured on."""
    clip_lengths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Clip lengths in frames; every step draws one, an entry given twice twice as often. Must hold 1."""
    bootstrap_replicates: PositiveInt
    """Resamplings of scenes behind every 95 % interval of the metrics."""
    recolouring: Annotated[float, Field(ge=0, lt=1)]
    """How much contrast, brightness and colour balance of the second view change; 0 leaves it as it is."""
    shift_px: NonNegativeInt
    """Each view of a clip is moved by up to so many pixels in both directions."""
    frames_per_step: PositiveInt
    """Frames of each of the two views in one step: 64 is 64 one-frame clips or 8 eight-frame clips."""
    steps: PositiveInt
    """Optimiser steps."""
    warmup_steps: NonNegativeInt
    """Steps of linear warm-up before the cosine decay of the learning rate to 0."""
    optimizer: OptimizerConfig
    """Step sizes."""
    precision: Precision
    """Arithmetic of the convolutions in training; weights and losses are float32 always."""
    num_threads: PositiveInt
    """Threads of training; sums are ordered by it, so it changes the last digits of the weights."""

    @model_validator(mode="after")
    def _clips_fit(self) -> Self:
        if 1 not in self.clip_lengths:
            raise ValueError(f"clip_lengths {list(self.clip_lengths)} must hold 1, for tracks of one frame")
        if max(self.clip_lengths) > min(self.pool_frames, self.frames_per_step):
            raise ValueError("the longest of clip_lengths is above pool_frames or frames_per_step")
        return self


class PublishedConfig(Section):
    """Features from a published checkpoint; a checkpoint of the tokenizer stage does not look at these."""

    tap: Literal["pre_out", "latent"]
    """`pre_out`: the channels that the last projection reads (512 in Open-MAGVIT2); `latent`: what it makes of them,
    the values whose signs are the code (18)."""
    projection: Literal["orthogonal", "none"]
    """`orthogonal`: a random matrix with orthonormal rows or columns takes the tap to `dimension` numbers, which keeps
    distances about in proportion (Johnson & Lindenstrauss 1984); `none`: the features are as wide as the tap."""
    dimension: PositiveInt
    """Width of the features under `orthogonal`."""
    projection_seed: NonNegativeInt
    """Names the random matrix."""
    clip_frames: PositiveInt
    """Longest clip that is encoded at once, 1 + s k frames where time is strided by s. The published encoders keep no
    state, so a longer track is cut into clips of so many frames one after the other, each encoded alone."""


class ExtractConfig(Section):
    """Feature extraction with a trained tokenizer's encoder."""

    precision: Precision
    """Arithmetic of the encoder; bfloat16 is about twice as fast where the processor has it."""
    dtype: Literal["float16", "float32"]
    """Number format of the stored features."""
    published: PublishedConfig
    """How a published checkpoint's latents become features."""

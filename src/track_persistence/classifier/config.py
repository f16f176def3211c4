"""The `train` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from track_persistence.core.params import Section


class TrainConfig(Section):
    """Architecture, optimisation and evaluation of the persistence classifier."""

    hidden_dim: PositiveInt
    """Width of the transformer; a multiple of twice `num_heads`."""
    num_layers: PositiveInt
    """Number of encoder layers."""
    num_heads: PositiveInt
    """Attention heads of every layer."""
    feedforward_dim: PositiveInt
    """Inner width of each layer's feed-forward part."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Share of activations dropped while training."""

    num_epochs: PositiveInt
    """Upper limit, and the length of the cosine schedule."""
    patience: PositiveInt
    """Epochs in a row without a lower validation loss after which training ends."""
    batch_tracks: PositiveInt
    """Tracks per optimiser step."""
    max_frames: PositiveInt
    """Training cuts longer tracks to their first so many frames; evaluation never cuts."""
    prefix_share: Annotated[float, Field(ge=0, le=1)]
    """Probability that a training sample is a random prefix of its track instead of the whole."""
    prefix_lengths: Literal["uniform", "log_uniform"]
    """How a prefix length is drawn from 1..T; `log_uniform` gives 1-2 frames as much weight as 10-20."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Peak step size of AdamW."""
    warmup_epochs: NonNegativeFloat
    """Epochs of linear warm-up before the cosine decay."""
    weight_decay: NonNegativeFloat
    """AdamW's decay of weight matrices; biases and norms are exempt."""
    gradient_clip: PositiveFloat
    """Largest norm of the gradient of one step."""
    num_threads: PositiveInt
    """Threads of torch; fixed because float32 sums depend on it."""

    frames_seen: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Ages in observed frames at which every method is evaluated, besides whole tracks."""
    min_hits: PositiveInt
    """The duration rule keeps a track from this many observed frames on."""
    threshold: Annotated[float, Field(gt=0, lt=1)]
    """A track is kept when its calibrated probability is at least this."""
    bootstrap_replicates: Annotated[int, Field(ge=20)]
    """Resamplings of scenes behind every 95 % interval."""

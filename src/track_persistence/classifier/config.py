"""The `train` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from track_persistence.core.params import Section

Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Ages = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
RECORDINGS = "recordings"
Source = Literal["simulation", "recordings", "both"]


class RulesConfig(Section):
    """Where the rules without pixels keep a track; the graded scores behind the ROC curves need none of it."""

    min_hits: PositiveInt
    """SORT keeps a track from so many hits without a miss on."""
    n_init: PositiveInt
    """DeepSORT confirms a track after so many hits from birth without a miss."""
    bytetrack_birth: OpenShare
    """ByteTrack starts a track from a detection of at least this confidence, and confirms it with the next frame's."""
    norfair_delay: PositiveInt
    """Norfair's `initialization_delay`: the counter has to rise above it."""


class DecisionConfig(Section):
    """The rule that keeps, drops or waits for the next frame."""

    error_budget: OpenShare
    """Share of false tracks that may be kept, and of real tracks that may be dropped."""
    longest_wait_frames: Annotated[int, Field(ge=2)]
    """Observed frames after which a decision is forced."""
    compared_budgets: Annotated[tuple[OpenShare, ...], Field(min_length=2)]
    """Budgets at which every method is fitted for its curve of delay against error."""


class BatteryConfig(Section):
    """What the classifier may lose, and ghosts may gain, when only the length of a track changes."""

    tracks: PositiveInt
    """Tracks of each class and profile that are taken, the first ones of the split."""
    truncated_frames: Ages
    """Tracks are cut to their first so many frames."""
    tiled_frames: Ages
    """Tracks are repeated to so many frames."""
    checked_truncation: PositiveInt
    """The truncation that is held against `largest_recall_loss`."""
    largest_recall_loss: Share
    """Share of real tracks that may be lost by the cut to `checked_truncation` frames, against whole tracks."""
    largest_ghost_gain: Share
    """Share of ghosts that may be kept in addition when they are tiled to any of `tiled_frames`."""
    largest_shuffle_loss: Share
    """Accuracy that may be lost when the frames are shuffled; more says that the place in the track decides."""


class TrainConfig(Section):
    """Architecture, optimisation and evaluation of the persistence classifier."""

    source: Source
    """Whose training tracks the classifier learns from, and whose validation tracks end the training: the simulator's,
    those of labelled recordings, or both. Every profile is calibrated and measured, whatever the source."""
    inputs: Literal["pixels", "no_pixels", "both"]
    """What the classifier sees of a frame: the encoder's features, the channels without pixels, or both."""
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

    seeds: PositiveInt
    """Training runs from different random weights and batches; the first one is the classifier, all show the spread."""
    num_epochs: PositiveInt
    """Upper limit, and the length of the cosine schedule."""
    patience: PositiveInt
    """Epochs in a row without a lower validation loss after which training ends."""
    batch_tracks: PositiveInt
    """Tracks per optimiser step."""
    max_frames: PositiveInt
    """Training cuts longer tracks to their first so many frames; evaluation never cuts."""
    prefix_share: Share
    """Probability that a training sample is a random prefix of its track instead of the whole."""
    prefix_lengths: Literal["uniform", "log_uniform"]
    """How a prefix length is drawn from 1..T; `log_uniform` gives 1-2 frames as much weight as 10-20."""
    shuffled_share: Share
    """Probability that the frames of a training sample stand in random order, so that their order decides little."""
    balance_lengths: Literal["off", "pooled", "within_profile"]
    """Leave out training samples so that the shown length tells nothing about the class, in all profiles together or
    within each. `pooled` lets a length say something to whoever recognises the profile."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Peak step size of AdamW."""
    warmup_epochs: NonNegativeFloat
    """Epochs of linear warm-up before the cosine decay."""
    weight_decay: NonNegativeFloat
    """AdamW's decay of weight matrices; biases and norms are exempt."""
    gradient_clip: PositiveFloat
    """Largest norm of the gradient of one step."""

    frames_seen: Ages
    """Ages in observed frames at which every method is evaluated, besides whole tracks."""
    shipped_profile: str
    """The profile whose calibration and decision rule are used where none is named. The checkpoint carries those of
    every profile, each fitted on its own validation tracks: how many of the tracks are real differs between sites, so
    calibration is local."""
    calibration_ages: Ages
    """Numbers of frames seen at which temperature and bias are fitted; between them both are interpolated."""
    threshold: OpenShare
    """A track is kept when its calibrated probability is at least this."""
    bootstrap_replicates: Annotated[int, Field(ge=20)]
    """Resamplings of scenes behind every 95 % interval."""
    rules: RulesConfig
    """The trackers' rules that stand beside the classifier."""
    decision: DecisionConfig
    """Keep, wait or drop."""
    battery: BatteryConfig
    """How much the classifier may lean on length."""

    @property
    def ages(self) -> tuple[int, ...]:
        """Every number of frames at which tracks are scored: `frames_seen` and all that the decision rule may wait."""
        return tuple(sorted({*self.frames_seen, *range(1, self.decision.longest_wait_frames + 1)}))

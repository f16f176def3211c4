"""The persistence transformer: frame features of a track to one logit and the attention behind it.

B tracks in the batch, T frames after padding, N valid frames, C input width, D model width, H heads. The input of
a frame is the encoder's features and then the channels of `channels.no_pixel_channels`; either part may be absent.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from track_persistence.classifier.calibration import Calibration
from track_persistence.classifier.layers import EncoderLayer, Packing
from track_persistence.core.errors import DataError, ParamsError

LONGEST_WAVELENGTH = 10_000.0


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shapes of the weights, and the dropout they were trained with.

    input_dim: width of the encoder's features, 0 without pixels; channel_dim: number of no-pixel channels, 0 without.
    """

    input_dim: int
    hidden_dim: int
    num_layers: int
    num_heads: int
    feedforward_dim: int
    dropout: float
    channel_dim: int = 0

    @property
    def frame_dim(self) -> int:
        """Width C of a frame's whole input."""
        return self.input_dim + self.channel_dim


def sinusoids(count: int, width: int, device: torch.device) -> Tensor:
    """Return sinusoidal encodings (count, width) of positions 0..count-1; any count works (Vaswani et al. 2017)."""
    positions = torch.arange(count, dtype=torch.float64, device=device)[:, None]
    steps = torch.arange(0, width, 2, dtype=torch.float64, device=device)
    angles = positions * torch.exp(steps * (-math.log(LONGEST_WAVELENGTH) / width))  # (count, width / 2)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1).float()


class PersistenceTransformer(nn.Module):
    """Decides from a track's frame features whether it is a real object.

    `calibration` turns the logits into the log-odds of `predict`; a trained model's is read from its checkpoint.
    """

    def __init__(self, architecture: Architecture) -> None:
        """Build the model; raises `ParamsError` when the heads do not divide the width or there is no input."""
        super().__init__()
        width, heads = architecture.hidden_dim, architecture.num_heads
        if width % (2 * heads) != 0:
            raise ParamsError(f"train.hidden_dim: {width} is no multiple of twice num_heads = {heads}; change one")
        if architecture.frame_dim == 0:
            raise ParamsError("classifier: input_dim and channel_dim are 0; give it features, channels or both")
        self.architecture = architecture
        self.calibration = Calibration.constant(1.0)
        if architecture.input_dim:
            self.input_norm = nn.LayerNorm(architecture.input_dim)
            self.input = nn.Linear(architecture.input_dim, width)
            self.change = nn.Linear(architecture.input_dim, width, bias=False)
        if architecture.channel_dim:
            self.channel_input = nn.Linear(architecture.channel_dim, width)
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, architecture.feedforward_dim, architecture.dropout)
            for _ in range(architecture.num_layers)
        )
        self.output_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)

    def initialise(self, rng: torch.Generator) -> None:
        """Draw all weights from `rng`: matrices normal with standard deviation 0.02, biases 0, norms 1.

        The two matrices that write to the residual stream are scaled down by the number of layers (GPT-2).
        """
        residual = 0.02 / math.sqrt(2 * self.architecture.num_layers)
        with torch.no_grad():
            for name, module in self.named_modules():
                if isinstance(module, nn.Linear):
                    scale = residual if name.endswith((".out", ".contract")) else 0.02
                    module.weight.normal_(0.0, scale, generator=rng)
                    if module.bias is not None:
                        module.bias.zero_()
                elif isinstance(module, nn.LayerNorm):
                    module.reset_parameters()

    def forward(self, features: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B,) and the last layer's attention (B, H, T, T).

        features: (B, T, C) float; valid: (B, T) bool, False on padding, at least one True per track. Attention rows
        of valid frames sum to 1 over valid frames; rows and columns of padding are 0.
        """
        x, packing = self._before_last_layer(features, valid)
        x, attention = self._last_layer().explain(x, packing)
        return self._decide(x, packing), attention

    def logits(self, features: Tensor, valid: Tensor) -> Tensor:
        """Return the logits (B,) of `forward` by fused attention alone, for training and bulk scoring."""
        x, packing = self._before_last_layer(features, valid)
        return self._decide(self._last_layer()(x, packing), packing)

    def predict(self, features: Any) -> float | NDArray[np.float32]:
        """Return the probability of being persistent: a float for (T, C), an array (B,) for (B, T, C).

        features: array or tensor without padding. Raises `DataError` on another shape or on NaN.
        """
        batch, valid = self._unpadded(features, (2, 3))
        with self._inferring():
            logits = self.logits(batch, valid).cpu().numpy()
        probabilities = self.calibration.probabilities(logits, batch.shape[1]).astype(np.float32)
        return float(probabilities[0]) if np.ndim(features) == 2 else probabilities

    def get_frame_importance(self, features: Any) -> NDArray[np.float32]:
        """Return how much attention each frame of one track (T, C) receives: (T,), summing to 1.

        The last layer's weights averaged over heads and queries: where the model looked, not yet why it decided.
        """
        batch, valid = self._unpadded(features, (2,))
        with self._inferring():
            importance: NDArray[np.float32] = self(batch, valid)[1][0].mean(dim=(0, 1)).cpu().numpy()
        return importance

    def _before_last_layer(self, features: Tensor, valid: Tensor) -> tuple[Tensor, Packing]:
        self._check(features, valid)
        packing = Packing.of(valid)
        x = self._projected(packing.pack(features).float(), packing.positions)  # (N, D)
        x = x + sinusoids(valid.shape[1], self.architecture.hidden_dim, x.device)[packing.positions]
        for layer in list(self.layers)[:-1]:
            x = layer(x, packing)
        return x, packing

    def _projected(self, frames: Tensor, positions: Tensor) -> Tensor:
        """Project features, their change and the channels of packed frames (N, C) on their own and add them: (N, D).

        The change is the distance to the frame before, feature by feature, and 0 on a track's first frame: a tracker
        that went over to another thing shows there, where a mean over frames would hide it.
        """
        pixels, channels = torch.tensor_split(frames, (self.architecture.input_dim,), dim=1)
        parts: list[Tensor] = []
        if self.architecture.input_dim:
            normed = self.input_norm(pixels)
            changed = (normed - normed.roll(1, dims=0)).abs() * (positions > 0)[:, None]
            parts.append(self.input(normed) + self.change(changed))
        if self.architecture.channel_dim:
            parts.append(self.channel_input(channels))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def _last_layer(self) -> EncoderLayer:
        layer = self.layers[-1]
        assert isinstance(layer, EncoderLayer)
        return layer

    def _decide(self, x: Tensor, packing: Packing) -> Tensor:
        logits: Tensor = self.head(packing.mean(self.output_norm(x))).squeeze(1)  # (B,)
        return logits

    def _check(self, features: Tensor, valid: Tensor) -> None:
        if features.ndim != 3 or features.shape[2] != self.architecture.frame_dim:
            raise DataError(
                f"features: expected shape (B, T, {self.architecture.frame_dim}), got {tuple(features.shape)}; "
                "use the encoder that the classifier was trained with"
            )
        if valid.shape != features.shape[:2] or valid.dtype != torch.bool:
            raise DataError(
                f"valid: expected shape {tuple(features.shape[:2])} bool, got {tuple(valid.shape)} {valid.dtype}"
            )
        if not bool(valid.any(dim=1).all()):
            raise DataError("valid: a track has no valid frame; drop empty tracks")

    def _unpadded(self, features: Any, dimensions: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        batch = torch.as_tensor(features, device=self.head.weight.device)
        if batch.ndim not in dimensions:
            wanted = " or ".join("(T, C)" if number == 2 else "(B, T, C)" for number in dimensions)
            raise DataError(f"features: expected shape {wanted}, got {tuple(batch.shape)}")
        batch = batch if batch.ndim == 3 else batch[None]
        if not bool(torch.isfinite(batch).all()):
            raise DataError("features: hold NaN or infinity; check the crops and the encoder's weights")
        return batch, torch.ones(batch.shape[:2], dtype=torch.bool, device=batch.device)

    @contextmanager
    def _inferring(self) -> Iterator[None]:
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.train(training)


def create_model(
    input_dim: int = 256,
    hidden_dim: int = 256,
    num_layers: int = 4,
    num_heads: int = 8,
    feedforward_dim: int = 512,
    dropout: float = 0.1,
) -> PersistenceTransformer:
    """Return an untrained model of pixels alone, with torch's own random weights.

    The defaults are the specification's; the `train` stage passes every value from params.yaml and draws the weights
    with `PersistenceTransformer.initialise`.
    """
    return PersistenceTransformer(Architecture(input_dim, hidden_dim, num_layers, num_heads, feedforward_dim, dropout))

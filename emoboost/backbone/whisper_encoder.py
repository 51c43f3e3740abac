"""Whisper's encoder as a network (Radford et al. 2022, section 2.2), with the tensor names of its checkpoints.

transformers has the same one, and tests hold this to it; but the import of that costs every worker three seconds of a
processor, more than labelling minutes of speech does.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 2
"""Mel frames per encoder frame: the second convolution's stride."""


class WhisperEncoder(nn.Module):
    """Log-mel to the hidden states of every layer: two convolutions, learned positions, pre-norm transformer layers."""

    def __init__(
        self, *, n_mels: int, frames: int, layers: int, width: int, heads: int, ffn: int, final_norm: bool
    ) -> None:
        """Random weights, and no positions.

        Args:
            n_mels: channels of the log-mel.
            frames: T' that go out, half of those that come in.
            layers: how many.
            width: channels of a state.
            heads: of each layer's attention.
            ffn: hidden units of each layer.
            final_norm: the last state is normalised, as after the last layer of a whole model.

        Raises:
            ValueError: the width cannot be shared by so many heads.
        """
        super().__init__()
        self.conv1 = nn.Conv1d(n_mels, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=STRIDE, padding=1)
        # Not nn.Embedding, whose random numbers import torch's compiler where no memory is behind them (device "meta").
        self.embed_positions = nn.ParameterDict({"weight": nn.Parameter(torch.zeros(frames, width))})
        self.layers = nn.ModuleList(WhisperLayer(width, heads, ffn) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width) if final_norm else nn.Identity()

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        """(B, n_mels, 2 T') -> layers + 1 states of (B, T', width); the first is what layer 1 sees.

        Raises:
            ValueError: another number of frames.
        """
        positions = self.embed_positions["weight"]
        expected = STRIDE * len(positions)
        if log_mel.shape[-1] != expected:
            raise ValueError(f"this encoder hears {expected} frames of log-mel at a time, found {log_mel.shape[-1]}")
        convolved = functional.gelu(self.conv2(functional.gelu(self.conv1(log_mel))))
        states = [convolved.transpose(1, 2) + positions]
        for layer in self.layers:
            states.append(layer(states[-1]))
        states[-1] = self.layer_norm(states[-1])
        return states


class WhisperLayer(nn.Module):
    """Self-attention and two dense layers, each behind a LayerNorm and beside a residual connection."""

    def __init__(self, width: int, heads: int, ffn: int) -> None:
        super().__init__()
        self.self_attn = WhisperAttention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, ffn)
        self.fc2 = nn.Linear(ffn, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T', width) -> (B, T', width)."""
        state = state + self.self_attn(self.self_attn_layer_norm(state))
        hidden: Tensor = self.fc2(functional.gelu(self.fc1(self.final_layer_norm(state))))
        return state + hidden


class WhisperAttention(nn.Module):
    """Attention of all frames to all frames; keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels cannot be shared by {heads} heads")
        self.heads = heads
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T', width) -> (B, T', width)."""
        query, key, value = (
            part(state).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        # Scaled before the products, as in the original: rounding differs.
        query = query * query.shape[-1] ** -0.5
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        found: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(-2))
        return found

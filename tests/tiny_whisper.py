"""A Whisper of four small encoder layers, as transformers saves it."""

from pathlib import Path

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

FULL_LAYERS, WIDTH, HEADS = 4, 32, 4


def tiny_whisper_config(positions: int) -> WhisperConfig:
    return WhisperConfig(
        d_model=WIDTH,
        encoder_layers=FULL_LAYERS,
        encoder_attention_heads=HEADS,
        encoder_ffn_dim=64,
        decoder_layers=1,
        decoder_attention_heads=HEADS,
        decoder_ffn_dim=64,
        vocab_size=100,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        decoder_start_token_id=1,
        max_source_positions=positions,
        max_target_positions=8,
    )


def randomise(model: torch.nn.Module) -> None:
    """Weights with which every part of the encoder changes the result visibly, biases and norms included."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2, generator=generator)


def save_whisper(folder: Path) -> Path:
    """A whole model with random weights and positions for 30 s."""
    model = WhisperForConditionalGeneration(tiny_whisper_config(1500))
    randomise(model)
    model.save_pretrained(folder)
    return folder

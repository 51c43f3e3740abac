"""The frozen speech encoder, no layer too many: Whisper, or wav2vec 2.0, HuBERT and WavLM in transformers' own classes.

Layer k is always transformers' `hidden_states[k]` of the full model; the final LayerNorm of a pre-norm encoder
belongs to its last layer and to no other.
"""

from emoboost.backbone.encoder import Backbone, build_backbone, load_encoder

__all__ = ["Backbone", "build_backbone", "load_encoder"]

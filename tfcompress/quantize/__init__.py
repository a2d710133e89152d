"""Quantization-aware training, and the choice of precision per layer."""

"""AutoML for Model Compression: an agent finds how much of each layer to keep."""

from tfcompress.amc.settings import AmcConfig

__all__ = ["AmcConfig"]

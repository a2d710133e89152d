"""Small seeded networks to compress: Keras functional builders of well-known forms.

Each is ``builder(input_shape, num_classes, *, ..., seed=0)`` and ends in softmax
(``activation=None``: logits). Parameter counts are the published ones.
"""

from tfcompress.zoo.mobilenet import mobilenet_v1, mobilenet_v2
from tfcompress.zoo.resnet import plain, resnet

__all__ = ["mobilenet_v1", "mobilenet_v2", "plain", "resnet"]

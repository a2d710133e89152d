"""Small seeded networks to compress: Keras functional builders of well-known forms.

Each is ``builder(input_shape, num_classes, *, ..., seed=0)`` and ends in softmax
(``activation=None``: logits). At the published settings the parameter counts are the
published ones; the defaults suit images of about 32 x 32.
"""

from tfcompress.zoo.densenet import densenet
from tfcompress.zoo.mobilenet import mobilenet_v1, mobilenet_v2
from tfcompress.zoo.resnet import plain, resnet
from tfcompress.zoo.shufflenet import ChannelShuffle, shufflenet
from tfcompress.zoo.squeezenet import squeezenet
from tfcompress.zoo.vgg import vgg

__all__ = [
    "ChannelShuffle",
    "densenet",
    "mobilenet_v1",
    "mobilenet_v2",
    "plain",
    "resnet",
    "shufflenet",
    "squeezenet",
    "vgg",
]

"""Round what is added to a kernel's products as the file holds it.

A file adds biases in integers: a bias lies on the grid of the products, whose steps are
those of the layer's inputs times those of its kernel::

    b -> S_x S_w round(b / (S_x S_w))

Half a step of that grid is a few thousandths of a step of the output: enough to put one
number in a few hundred on the other side of a rounding.  A deep network, or one with
normalizations of tiny variance, amplifies that until the file's answers are visibly
others than the model's.  With biases on the grid, only the order of float32 sums is
left between them.

A BatchNormalization that still learns leaves it out: batches move its offset by far
more.

Source: B. Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018, section 2.4, equation 11.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfcompress.graph.reading import Call
from tfcompress.quantize.activation_ranges import FakeQuantize, FixedFakeQuantize
from tfcompress.quantize.operators import classify
from tfcompress.quantize.quantized_activations import QuantizedHardSigmoid

_ROUNDING = (FakeQuantize, FixedFakeQuantize, QuantizedHardSigmoid)
_KEEP_SCALE = ("passing", "identity")


def on_grid(bias: Any, *, layer: Any, kernel_steps: Any) -> Any:
    """Return a bias as the file holds it; as it is, if the grid is not known.

    Args:
        bias: What is added to the products, ``[channels]``; rounded if in float32.
        layer: The layer in the graph that reads the inputs of the products.
        kernel_steps: The kernel's steps by channel, as it is in the file.
    """
    input_step = step_before(layer) if bias.dtype == tf.float32 else None
    if input_step is None:
        return bias
    steps = input_step * tf.abs(kernel_steps)
    known = steps > 0  # not before the ranges have seen data, nor without a kernel
    steps = tf.where(known, steps, 1.0)
    rounded = tf.where(known, tf.round(bias / steps) * steps, bias)
    return bias + tf.stop_gradient(rounded - bias)


def step_before(layer: Any) -> Any:
    """Return the step of the 8-bit numbers that a layer reads, a scalar tensor.

    None if a graph does not tell: the layer is called apart, it reads something else,
    or it is shared by places with different steps.
    """
    found = {id(one): one for one in map(_range_before, layer._inbound_nodes)}  # noqa: SLF001 - no public graph
    if len(found) != 1:
        return None
    (one,) = found.values()
    return None if one is None or one.bits != 8 else one.step()


def _range_before(node: Any) -> Any:
    """Return the layer that rounded what a node reads, other layers passing it on."""
    while node.input_tensors:
        history = node.input_tensors[0]._keras_history  # noqa: SLF001 - no public graph
        operation = history.operation
        if isinstance(operation, _ROUNDING):
            return operation
        node = operation._inbound_nodes[history.node_index]  # noqa: SLF001 - no public graph
        if not _keeps_scale(operation, node):
            return None
    return None


def _keeps_scale(operation: Any, node: Any) -> bool:
    given = node.arguments
    call = Call(0, operation, operation.name, given.args, given.kwargs, (), ())
    return classify(call).kind in _KEEP_SCALE

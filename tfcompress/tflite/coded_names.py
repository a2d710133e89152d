"""Layer names that survive the converter, so that operators map to Keras layers.

TensorFlow numbers names that were used before: the operator of a layer ``conv2d`` is
called ``conv2d_1/...``, which may also be the name of another layer.  A copy of the
model whose layers are called by codes is converted instead; in the file, the codes tell
the layers of each operator, and are replaced by the real names at the end.

An operator is made of a layer if the layer's code is in the name of its first output or
of a constant that it reads; the operator that writes a model output is also made of the
layer that makes this output, since the converter renames outputs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import keras

from tfcompress.graph.reading import FlatModel, read_model
from tfcompress.graph.rebuilding import rebuild
from tfcompress.quantize.norm_folding import copy_variables
from tfcompress.tflite import file_records
from tfcompress.tflite.exporting import Interface

_MODEL = "tfcqm"
_OUTER = re.compile(rf"\b{_MODEL}(?:_\d+)*/")
_CODE = re.compile(r"\btfcq(\d+)z(?:_\d+)*\b")


@dataclasses.dataclass(frozen=True, eq=False)
class CodedModel:
    """A copy of a model whose layers are called by codes.

    Attributes:
        model: The copy; equal outputs.
        names: The layers' real names, by the number in the code.
        output_layers: For each output, the layer that makes it.
    """

    model: keras.Model
    names: tuple[str, ...]
    output_layers: tuple[str, ...]

    def layers_of(
        self, operator: file_records.Operator, parsed: file_records.ParsedModel
    ) -> set[str]:
        """Return the real names of the layers that an operator is made of."""
        graph = parsed.subgraphs[0]
        tensors = [graph.tensors[i] for i in operator.inputs if i >= 0]
        texts = [t.name for t in tensors if t.data is not None]
        texts += [graph.tensors[i].name for i in operator.outputs[:1]]
        return {self.names[int(n)] for text in texts for n in _CODE.findall(text)}

    def writers(
        self, parsed: file_records.ParsedModel, known: Interface
    ) -> dict[int, str]:
        """Return the layer that makes each output tensor of the file."""
        outputs = parsed.signatures[0].outputs if parsed.signatures else {}
        return {
            outputs[name]: layer
            for name, layer in zip(known.outputs, self.output_layers, strict=True)
            if name in outputs
        }

    def real_name(self, tensor: str) -> str:
        """Return a tensor's name with the real names in place of the codes.

        Example:
            >>> coded = CodedModel(None, ("conv", "relu"), ())
            >>> coded.real_name("tfcqm_1/tfcq1z_1/Relu;tfcq0z_1_2/BiasAdd")
            'relu/Relu;conv/BiasAdd'
        """
        inner = _OUTER.sub("", tensor)
        return _CODE.sub(lambda match: self.names[int(match[1])], inner)


def coded(model: keras.Model) -> CodedModel:
    """Copy a model under codes; nested models are inlined.

    A layer that cannot be copied keeps its name, and is then never found.
    """
    flat = read_model(model)
    names = tuple(dict.fromkeys(call.name for call in flat.calls))
    codes = {name: f"tfcq{number}z" for number, name in enumerate(names)}
    calls = tuple(dataclasses.replace(c, name=codes[c.name]) for c in flat.calls)
    copy, layers, _ = rebuild(model, dataclasses.replace(flat, calls=calls), {})
    copy.name = _MODEL
    for call in flat.calls:
        layer = layers[codes[call.name]]
        if layer is not call.layer:
            copy_variables(call.layer, layer)
    return CodedModel(copy, names, _output_layers(flat))


def _output_layers(flat: FlatModel) -> tuple[str, ...]:
    makers = {tensor: call.name for call in flat.calls for tensor in call.outputs}
    return tuple(makers.get(tensor, "") for tensor in flat.output_tensors())


def by_operator(
    coded_model: CodedModel, parsed: file_records.ParsedModel, known: Interface
) -> Mapping[int, set[str]]:
    """Return the layers of every operator of a file, by the operator's index."""
    writers = coded_model.writers(parsed, known)
    found = {}
    for operator in parsed.subgraphs[0].operators:
        layers = coded_model.layers_of(operator, parsed)
        layers |= {writers[i] for i in operator.outputs if writers.get(i)}
        found[operator.index] = layers
    return found

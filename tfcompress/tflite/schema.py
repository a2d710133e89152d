"""The tables of a .tflite file that the toolkit reads, and the names of its codes.

Only the layout is written out here (slot numbers of the public schema, version 3);
names of operators and types come from the schema module of the runtime, so that a new
runtime brings its new names along.

Source: the public TensorFlow Lite schema, ``schema.fbs``.
"""

from __future__ import annotations

import functools

from tfcompress.tflite.flatbuffer import Field

IDENTIFIER = b"TFL3"  # at byte 4

LAYOUT = {
    "Model": {
        "version": Field(0, "u32"),
        "operator_codes": Field(1, "tables", "OperatorCode"),
        "subgraphs": Field(2, "tables", "SubGraph"),
        "description": Field(3, "string"),
        "buffers": Field(4, "tables", "Buffer"),
        "metadata": Field(6, "tables", "Metadata"),
        "signatures": Field(7, "tables", "SignatureDef"),
    },
    "OperatorCode": {
        "deprecated_code": Field(0, "i8"),  # codes under 127, written before 2020
        "custom_code": Field(1, "string"),
        "version": Field(2, "i32"),
        "code": Field(3, "i32"),
    },
    "SubGraph": {
        "tensors": Field(0, "tables", "Tensor"),
        "inputs": Field(1, "vector", "i32"),
        "outputs": Field(2, "vector", "i32"),
        "operators": Field(3, "tables", "Operator"),
        "name": Field(4, "string"),
    },
    "Tensor": {
        "shape": Field(0, "vector", "i32"),
        "type": Field(1, "i8"),
        "buffer": Field(2, "u32"),
        "name": Field(3, "string"),
        "quantization": Field(4, "table", "Quantization"),
        "is_variable": Field(5, "bool"),
        "sparsity": Field(6, "table", "Sparsity"),
        "shape_signature": Field(7, "vector", "i32"),
    },
    "Quantization": {
        "scale": Field(2, "vector", "f32"),
        "zero_point": Field(3, "vector", "i64"),
        "axis": Field(6, "i32"),
    },
    "Sparsity": {
        "traversal_order": Field(0, "vector", "i32"),
        "block_map": Field(1, "vector", "i32"),
    },
    "Operator": {
        "code_index": Field(0, "u32"),
        "inputs": Field(1, "vector", "i32"),
        "outputs": Field(2, "vector", "i32"),
        "options_type": Field(3, "u8"),
        "options": Field(4, "table", "Options"),
        "custom_options": Field(5, "vector", "u8"),
        "intermediates": Field(8, "vector", "i32"),
    },
    "Options": {  # any operator's: what the first two bytes mean depends on it
        "flag": Field(0, "u8"),
    },
    "Buffer": {
        "data": Field(0, "vector", "u8"),
        "offset": Field(1, "u64"),  # in files over 2 GB the data lies behind the tree
        "size": Field(2, "u64"),
    },
    "Metadata": {"name": Field(0, "string"), "buffer": Field(1, "u32")},
    "SignatureDef": {
        "inputs": Field(0, "tables", "TensorMap"),
        "outputs": Field(1, "tables", "TensorMap"),
        "key": Field(2, "string"),
        "subgraph": Field(4, "u32"),
    },
    "TensorMap": {"name": Field(0, "string"), "tensor": Field(1, "u32")},
}

ITEM_BITS = {
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "float64": 64,
    "int4": 4,
    "uint4": 4,
    "int2": 2,
    "int8": 8,
    "uint8": 8,
    "bool": 8,
    "int16": 16,
    "uint16": 16,
    "int32": 32,
    "uint32": 32,
    "int64": 64,
    "uint64": 64,
    "complex64": 64,
    "complex128": 128,
}
"""Bits per item; types with items of varying size (string) are not in it."""


@functools.cache
def operator_names() -> dict[int, str]:
    """Return the name of every builtin operator code of the installed runtime."""
    from ai_edge_litert import schema_py_generated as generated

    return _names(generated.BuiltinOperator)


@functools.cache
def type_names() -> dict[int, str]:
    """Return the name of every tensor type code, in NumPy's spelling."""
    from ai_edge_litert import schema_py_generated as generated

    return {code: name.lower() for code, name in _names(generated.TensorType).items()}


def _names(enumeration: type) -> dict[int, str]:
    return {
        code: name
        for name, code in vars(enumeration).items()
        if not name.startswith("_") and isinstance(code, int)
    }

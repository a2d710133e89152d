"""Magnitude pruning: set four of five weights to zero while training, then convert.

Run: python -m examples.sparsify
"""

from __future__ import annotations

from examples.original import EPOCHS, accuracy, dataset, trained
from tfcompress import sparsity, tflite
from tfcompress.tflite.sparse_encoding import compare_latency


def main() -> None:
    """Prune, and see what the zeros do to the file."""
    examples = dataset()
    model = trained(examples)

    config = sparsity.SparsifyConfig(sparsity=0.8, epochs=EPOCHS)
    result = sparsity.sparsify(model, examples, config=config)
    print(result.report)
    print(f"{accuracy(model, examples)} -> {accuracy(result.model, examples)}")

    dense = tflite.convert(result.model)
    encoded = tflite.convert(result.model, sparse=True)
    print(encoded.sparse)
    print(compare_latency(dense.content, encoded.content).sentence)


if __name__ == "__main__":
    main()

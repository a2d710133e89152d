"""Network Slimming: train the BatchNorm scales towards zero, cut, train again.

Run: python -m examples.slim
"""

from __future__ import annotations

from examples.original import EPOCHS, accuracy, dataset, trained
from tfcompress import slimming


def main() -> None:
    """Halve the MACs."""
    examples = dataset()
    model = trained(examples)

    config = slimming.SlimConfig(macs=0.5, sparse_epochs=EPOCHS, epochs=EPOCHS)
    result = slimming.slim(model, examples, config=config)

    print(f"MACs {result.cost_before.macs:,} -> {result.cost_after.macs:,}")
    for group, kept in result.plan.widths().items():
        print(f"{group}: {kept} channels")
    print(f"{accuracy(model, examples)} -> {accuracy(result.model, examples)}")
    print("recovered" if result.recovered else "train longer: it did not recover")


if __name__ == "__main__":
    main()

"""Remove channels by a criterion, then train what is left.

Run: python -m examples.prune
"""

from __future__ import annotations

from examples.original import EPOCHS, accuracy, dataset, trained
from tfcompress import Budget, cost, prune_model, score, select, trace, training


def main() -> None:
    """Cut the MACs to 60 % by the weights' L1 norm."""
    examples = dataset()
    model = trained(examples)
    graph = trace(model)
    for layer, reason in graph.pinned.items():
        print(f"fixed: {layer}: {reason}")

    plan = select(graph, score(graph, criterion="l1_norm"), budget=Budget(macs=0.6))
    smaller, report = prune_model(graph, plan)  # an ordinary keras.Model
    print(f"MACs {cost(model).macs:,} -> {cost(smaller).macs:,}")
    print(f"before {accuracy(model, examples)}, cut {accuracy(smaller, examples)}")
    print(f"folded constants in {len(report.to_dict()['folded'])} places")

    config = training.TrainConfig(epochs=EPOCHS, learning_rate=1e-3)
    training.train(smaller, examples, config=config)
    print(f"trained again {accuracy(smaller, examples)}")


if __name__ == "__main__":
    main()

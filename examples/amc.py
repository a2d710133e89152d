"""AMC: let an agent find how much of each layer to keep, then compare and train.

Run: python -m examples.amc
"""

from __future__ import annotations

import os

from examples.original import EPOCHS, accuracy, dataset, trained
from tfcompress import amc, cost, prune_model, training

EPISODES = int(os.environ.get("EPISODES", "60"))  # plans; 400 find better ones


def main() -> None:
    """Halve the MACs, losing as little accuracy as possible before training."""
    examples = dataset()
    model = trained(examples)

    config = amc.AmcConfig(
        macs=0.5, episodes=EPISODES, warmup_episodes=EPISODES // 3, noise_decay=0.9
    )
    result = amc.search(model, examples, config=config, progress=show)
    smaller, _ = prune_model(result.model, result.plan)  # what the search judged

    print(f"MACs {cost(model).macs:,} -> {cost(smaller).macs:,}")
    for decision in result.decisions:
        print(f"{decision['group']}: {decision['kept']} of {decision['size']} channels")
    print(f"{result.evaluations} different plans judged")
    print(f"before {accuracy(model, examples)}, cut {accuracy(smaller, examples)}")

    config = training.TrainConfig(epochs=EPOCHS, learning_rate=1e-3)
    training.train(smaller, examples, config=config)
    print(f"trained again {accuracy(smaller, examples)}")


def show(progress: amc.AmcProgress) -> None:
    """Print every tenth plan."""
    if progress.episode % 10 == 0:
        print(f"plan {progress.episode}: best reward {progress.best_reward:.4f}")


if __name__ == "__main__":
    main()

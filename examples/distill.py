"""Distillation: a pruned student learns from the original.

Run: python -m examples.distill
"""

from __future__ import annotations

from examples.original import EPOCHS, accuracy, dataset, trained
from tfcompress import Budget, distill, prune_model, score, select, trace


def main() -> None:
    """Cut the MACs to 40 % and let the student learn from the teacher's answers."""
    examples = dataset()
    teacher = trained(examples)
    graph = trace(teacher)
    plan = select(graph, score(graph, criterion="bn_scale"), budget=Budget(macs=0.4))
    student, _ = prune_model(graph, plan)
    print(f"teacher {accuracy(teacher, examples)}, cut {accuracy(student, examples)}")

    config = distill.DistillConfig(epochs=EPOCHS, temperature=4.0, alpha=0.9)
    distill.distill(student, teacher, examples, config=config)  # trains it in place
    print(f"student {accuracy(student, examples)}")


if __name__ == "__main__":
    main()

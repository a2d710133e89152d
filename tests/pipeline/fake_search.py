"""A search that returns at once, at the boundary between pipeline and `amc`."""

from __future__ import annotations

import types
from typing import Any

from tfcompress import graph
from tfcompress.pipeline.stages import amc

HISTORY = [
    {
        "episode": number,
        "reward": metric - 1,
        "best_reward": metric - 1,
        "metric": metric,
        "macs": macs,
        "params": 2117,
    }
    for number, metric, macs in ((1, 0.75, 90_000), (2, 0.8, 93_352))
]


def install(monkeypatch) -> types.SimpleNamespace:
    """Put it in place; what it was called with is in what is returned."""
    called = types.SimpleNamespace(count=0, methods=None, sparsities=None)

    def search(model, dataset, *, config, budget, task, state_dir, progress) -> Any:
        called.budget = budget
        called.config, called.state_dir = config, state_dir
        called.given = (dataset, task)
        called.count += 1
        for record in HISTORY:
            logs = {"reward": record["reward"], "best": record["best_reward"]}
            progress(
                types.SimpleNamespace(
                    episode=record["episode"],
                    episodes=len(HISTORY),
                    best_reward=record["best_reward"],
                    fraction=record["episode"] / len(HISTORY),
                    cost={"macs": record["macs"]},
                    eta_seconds=1.5,
                    logs={**logs, "macs": record["macs"]},
                )
            )
        traced = graph.trace(model)
        keep = {group.name: range(8) for group in traced.groups}
        return types.SimpleNamespace(
            plan=graph.PruningPlan.of(traced, keep),
            sparsities=called.sparsities,
            model=model,
            to_dict=lambda: figures(traced),
        )

    def compare(model, dataset, *, methods, seeds, progress, **settings) -> Any:
        called.methods, called.compared = methods, (model, dataset, seeds, settings)
        for method in methods:
            progress(
                types.SimpleNamespace(
                    method=method,
                    evaluation=1,
                    evaluations=1,
                    best_reward=-0.25,
                    fraction=1.0,
                )
            )
        return [
            types.SimpleNamespace(to_dict=lambda name=name: baseline(name))
            for name in methods
        ]

    monkeypatch.setattr(amc.amc, "search", search)
    monkeypatch.setattr(amc.amc, "compare", compare)
    return called


def baseline(name: str) -> dict[str, Any]:
    """Return the row of a baseline."""
    return {
        "method": name,
        "seed": None,
        "metric": 0.75,
        "reward": -0.25,
        "macs": 91_000,
        "params": 2000,
        "evaluations": 1,
        "widths": [8, 8, 8],
        "best_rewards": [-0.25],
        "plan": {},
    }


def figures(traced: graph.LayerGraph) -> dict[str, Any]:
    """Return what a result says of itself."""
    return {
        "reward": "error",
        "metric": "accuracy",
        "higher_is_better": True,
        "num_examples": 12,
        "limits": {"macs": 0.5},
        "original": {"metric": 0.9, "macs": 456_312},
        "best": {**HISTORY[1], "widths": [8] * len(traced.groups)},
        "evaluations": 2,
        "warmup_episodes": 1,
        "decisions": [
            {"group": g.name, "size": g.size, "kept": 8, "ratio": 8 / g.size}
            for g in traced.groups
        ],
        "history": HISTORY,
        "notes": [],
    }

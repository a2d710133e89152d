"""A search that returns at once, at the boundary between pipeline and `amc`."""

from __future__ import annotations

import types
from typing import Any

from tfcompress import graph
from tfcompress.pipeline.stages import amc

HISTORY = [
    {"episode": 1, "reward": -0.3, "metric": 0.7, "macs": 90_000, "best_reward": -0.3},
    {"episode": 2, "reward": -0.2, "metric": 0.8, "macs": 93_352, "best_reward": -0.2},
]


def install(monkeypatch) -> types.SimpleNamespace:
    """Put it in place; what it was called with is in what is returned."""
    called = types.SimpleNamespace(count=0)

    def search(model, dataset, *, config, task, state_dir, progress) -> Any:
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
            model=model,
            to_dict=lambda: figures(traced),
        )

    monkeypatch.setattr(amc.amc, "search", search)
    return called


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

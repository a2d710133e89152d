"""Refit the weights that read removed channels, by least squares on sampled features.

Where a plan removes input channels of a layer, the kept ones can often say what the
removed ones said.  `Reconstructor` samples what every such layer reads, once, at random
positions of a few hundred images of the unpruned network; for any plan it then solves

    min over W', b'  of  |Y − X_K W' − b'|²     Y: the layer's original output

in milliseconds, from the sub-block of the kept channels (`least_squares`).
Inputs and targets both come from the unpruned network.  So the branches that meet in a
residual addition are each fitted to their own original output, and need no correction
for one another; `reextraction` is the variant that does, for a final plan.

The intercept b' goes into the layer's bias or into the moving mean of the BatchNorm
behind it.  A layer with neither is fitted without one, and if folding constants into a
new bias (`tfcompress.graph.folding`) serves it better, it is left to that.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3.2, and He et al., "Channel Pruning for Accelerating Very
Deep Neural Networks", ICCV 2017, section 3.1.  Where we differ: the Gram matrices are
computed once instead of touching the features for every plan; there is an intercept;
the ridge draws towards the old weights.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfcompress import files, graph
from tfcompress.channels import (
    consumers,
    feature_sampling,
    reextraction,
    repairs,
    walking,
)
from tfcompress.channels.consumers import Consumer
from tfcompress.channels.copying import repaired_copy
from tfcompress.channels.feature_sampling import Sampling
from tfcompress.channels.repairs import SolutionCache, Weights
from tfcompress.channels.statistics import Statistics
from tfcompress.channels.storage import Store

CACHE_SHARE = 0.25
"""Part of the memory that solved weights may take; the rest is for features."""


class Reconstructor:
    """Repairs the consumers of any plan from features that are sampled once.

    Args:
        layer_graph: The unpruned network.
        dataset: Its training part is sampled; or an array of preprocessed inputs.
        num_examples: Images to sample.
        positions: Random output positions of each image and layer.
        ridge: Pull towards the old weights, relative to each input's variance; None: as
            suits each layer's number of columns and rows.
        max_memory_mb: Limit for features and solved weights together.
        spill_dir: Where features that exceed it are mapped to files, deleted with this
            object; None: layers too wide are fitted on fewer rows.
        seed: Of the positions.

    Raises:
        DataError: If there are no images or they do not fit the model.
        ModelError: If features are not finite.
        ConfigError: If a number is out of its range.

    Example:
        >>> x = keras.Input((6, 6, 3))
        >>> y = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x)
        >>> y = keras.layers.GlobalAveragePooling2D()(y)
        >>> model = keras.Model(x, keras.layers.Dense(2, name="head")(y))
        >>> layer_graph = graph.trace(model)
        >>> images = np.random.default_rng(0).normal(size=(32, 6, 6, 3))
        >>> reconstructor = Reconstructor(layer_graph, images)
        >>> plan = graph.PruningPlan.of(layer_graph, {"conv": [0, 2]})
        >>> {name: value.shape for name, value in reconstructor.weights(plan).items()}
        {('head', 'kernel'): (4, 2), ('head', 'bias'): (2,)}
    """

    def __init__(  # noqa: PLR0913 - settings by keyword
        self,
        layer_graph: graph.LayerGraph,
        dataset: walking.Examples,
        *,
        num_examples: int = 400,
        positions: int = 10,
        ridge: float | None = None,
        max_memory_mb: float = 1024,
        spill_dir: files.PathLike | None = None,
        seed: int = 0,
    ) -> None:
        settings = Sampling(
            num_examples=num_examples,
            positions=positions,
            ridge=ridge,
            max_memory_mb=max_memory_mb,
            spill_dir=spill_dir,
            seed=seed,
        )
        self._graph, self._ridge = layer_graph, ridge
        found, left_out = consumers.find_consumers(layer_graph)
        self._notes = dict(left_out)
        for_solutions = int(CACHE_SHARE * settings.memory_bytes)
        self._solved = SolutionCache(for_solutions)
        self._store = Store(
            max_bytes=settings.memory_bytes - for_solutions,
            spill_dir=spill_dir,
            rng=np.random.default_rng(seed),
        )
        examples = walking.count_examples(dataset, num_examples)
        self._parts = self._room(found, examples, positions)
        broken = feature_sampling.sample(layer_graph, self._parts, dataset, settings)
        self._finish(broken)

    def _room(
        self, found: list[Consumer], examples: int, positions: int
    ) -> list[tuple[Consumer, Statistics]]:
        """Make room for the features, the narrow layers first."""
        parts = []
        for consumer in sorted(found, key=lambda c: c.columns * c.blocks):
            rows = feature_sampling.num_rows(self._graph, consumer, examples, positions)
            statistics = self._store.room_for(consumer, rows)
            if statistics is not None:
                parts.append((consumer, statistics))
        return sorted(parts, key=lambda part: part[0].call.index)

    def _finish(self, broken: list[str]) -> None:
        for name in broken:
            self._notes[name] = "its outputs are not its inputs times its kernel"
        self._parts = [part for part in self._parts if part[0].name not in broken]
        for _, statistics in self._parts:
            statistics.finish()

    @property
    def memory_bytes(self) -> int:
        """Bytes of features and solved weights that are held in memory now."""
        return sum(s.nbytes for _, s in self._parts) + self._solved.nbytes

    @property
    def spilled_bytes(self) -> int:
        """Bytes of features in memory maps."""
        return self._store.spilled

    @property
    def notes(self) -> tuple[str, ...]:
        """What was sampled, spilled or left masked and folded, and why."""
        left = {name: f"left masked and folded: {w}" for name, w in self._notes.items()}
        notes = {**self._store.notes, **left}
        return tuple(f"{name}: {text}" for name, text in notes.items())

    @property
    def repairable(self) -> tuple[str, ...]:
        """Names of the layers that can be refitted, in topological order."""
        return tuple(consumer.name for consumer, _ in self._parts)

    def weights(self, plan: graph.PruningPlan) -> Weights:
        """Return the refitted weights of every layer that loses inputs under a plan.

        Args:
            plan: A plan for this model.

        Returns:
            Full-size values by layer and short name: kernels, exactly 0 where inputs
            are removed, and the biases or moving means that take the intercepts.  A
            layer that is not among them stays masked, its constants folded.

        Raises:
            PlanError: If the plan was made for another model.
        """
        plan.validate(self._graph)
        kept = self._graph.kept_atoms(plan)
        found: Weights = {}
        for consumer, statistics in self._parts:
            keep = kept[consumer.atoms]
            if keep.all():
                continue
            key = (consumer.name, keep.tobytes())
            solution = self._solved.get(key)
            if solution is None:
                solution = repairs.solve(
                    self._graph, consumer, statistics, kept, ridge=self._ridge
                )
                self._solved.put(key, solution)
            if solution.serves:
                found |= repairs.place(self._graph, consumer, solution, kept)
        return found

    def model(self, plan: graph.PruningPlan) -> keras.Model:
        """Return a copy of the network with the weights of a plan in place.

        It has the same structure: `graph.mask_model` and `graph.prune_model` take it
        with the same plan.

        Raises:
            PlanError: If the plan was made for another model.
            ModelError: If a layer to repair cannot be copied.
        """
        return repaired_copy(self._graph, plan, self.weights(plan))


def reconstruct(
    model: keras.Model | graph.LayerGraph,
    plan: graph.PruningPlan,
    dataset: walking.Examples,
    *,
    reextract: bool = False,
    **settings: Any,
) -> keras.Model:
    """Return a copy of the model whose weights make up for the channels of a plan.

    The copy has the same structure, so `graph.mask_model` and `graph.prune_model` take
    it with the same plan.

    Args:
        model: The model, or its graph; it is not changed.
        plan: What to keep.
        dataset: Its training part is sampled; or an array of preprocessed inputs.
        reextract: Fit each layer to what it reads once the layers before it are cut and
            repaired (see `reextraction`): better for a final plan, and slower.
        **settings: Those of `Reconstructor`.

    Raises:
        PlanError: If the plan was made for another model.
        DataError: If there are no images or they do not fit the model.
    """
    layer_graph = model if isinstance(model, graph.LayerGraph) else graph.trace(model)
    plan.validate(layer_graph)
    if reextract:
        sampling = Sampling(**settings)
        weights = reextraction.refit(layer_graph, plan, dataset, sampling)
        return repaired_copy(layer_graph, plan, weights)
    return Reconstructor(layer_graph, dataset, **settings).model(plan)

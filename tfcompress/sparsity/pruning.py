"""Make a model that is pruned while it is trained, and the plain model of it again.

::

    sparse = prune_low_magnitude(model, polynomial_decay(0.5, 0.8, end_step=1000))
    sparse.compile(...); sparse.fit(...)
    plain = strip(sparse)                       same layers as `model`, with zeros
    held = keep_zeros(plain)                    trains on, the zeros stay

Source: M. Zhu and S. Gupta, "To prune, or not to prune: exploring the efficacy of
pruning for model compression", 2017.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.config import require
from tfcompress.graph.cloning import clone, clone_chain
from tfcompress.graph.reading import functional_graph, read_model
from tfcompress.sparsity import patterns, schedules, selection
from tfcompress.sparsity.fit_watcher import check_masks
from tfcompress.sparsity.pruned_model import (
    PrunedModel,
    attach,
    find_state,
    state_of,
)
from tfcompress.sparsity.selection import Kernel, Layers
from tfcompress.sparsity.state import SparsityState


def prune_low_magnitude(
    model: keras.Model,
    schedule: schedules.Schedule,
    *,
    layers: Layers = None,
    pattern: str = "unstructured",
) -> keras.Model:
    """Return an equal model whose smallest weights become zero while it is trained.

    Compile and fit it like any model. Masked weights are exactly zero after every step,
    with every optimizer; the masks are saved with the model. `sparsity.report` says
    what is pruned and what is not, and why.

    Args:
        model: A built functional or Sequential model. It is not changed.
        schedule: A callable ``step -> (should_prune, sparsity)``: `polynomial_decay`,
            `constant`, an object of tensorflow-model-optimization, or your own.
        layers: Names of layers to prune, or a mapping from names to final sparsities
            (such as `AmcResult.sparsities`), towards which each layer goes in the time
            of the schedule. By default all with kernels but first, last, depthwise and
            frozen ones.
        pattern: "unstructured"; a block of inputs x outputs such as "1x4" ("block" is
            that one); or "n:m" such as "2:4".

    Raises:
        ConfigError: If schedule, pattern or a name in `layers` cannot be.
        ModelError: If there is nothing to prune, a named layer is frozen, or the model
            is being pruned already.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(
        ...     4, name="a"), keras.layers.Dense(4, name="b"), keras.layers.Dense(2)])
        >>> sparse = prune_low_magnitude(model, schedules.constant(0.75))
        >>> sparse.compile("adam", "mse")
        >>> _ = sparse.fit(np.ones((4, 8)), np.ones((4, 2)), verbose=0)
        >>> int((strip(sparse).get_layer("b").kernel.numpy() == 0).sum())
        12
    """
    schedules.check(schedule)
    kind = patterns.parse(pattern)
    if find_state(model) is not None:
        raise errors.ModelError(
            f"The model is being pruned already. Received: {model.name!r}. Give it "
            "another schedule with `sparsity.resume(model, schedule)`, or start from "
            "`sparsity.strip(model)`."
        )
    kernels, skipped = selection.find_kernels(model, layers)
    _check_goal(schedule, kind, kernels)
    return _with_state(model, kernels, schedule, pattern=str(kind), skipped=skipped)


def keep_zeros(model: keras.Model) -> keras.Model:
    """Return an equal model whose present zeros stay zero while it is trained.

    For what comes after pruning: fine-tuning, distillation, quantization-aware
    training. All kernels with some zeros are held, also those inside of wrappers.

    Args:
        model: A built functional or Sequential model; it is not changed. One that is
            being pruned is stripped first.

    Raises:
        ModelError: If no kernel has a zero.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.layers[0].kernel.assign([[0.0], [1.0]])
        <...>
        >>> held = keep_zeros(model)
        >>> held.compile("adam", "mse")
        >>> _ = held.fit(np.ones((4, 2)), np.zeros((4, 1)), verbose=0)
        >>> float(strip(held).layers[0].kernel[0, 0])
        0.0
    """
    model = model if find_state(model) is None else strip(model)
    kernels, skipped = _with_zeros(model)
    if not kernels:
        raise errors.ModelError(
            f"There are no zeros to keep. Received: model {model.name!r}, in which no "
            "kernel has any. Prune it first: `sparsity.prune_low_magnitude(model, "
            "schedule)`."
        )
    held = _with_state(
        model, kernels, schedules.FixedMasks(), pattern="unstructured", skipped=skipped
    )
    state = state_of(held)
    for variable, mask in zip(state.variables_pruned, state.masks, strict=True):
        mask.assign(variable.numpy() != 0)
    return held


def strip(model: keras.Model, *, check: bool = True) -> keras.Model:
    """Return the plain model of one that is or was being pruned, its zeros in place.

    Args:
        model: From `prune_low_magnitude` or `keep_zeros`, or loaded; not changed. A
            model that is not being pruned is copied.
        check: Refuse a model whose zeros were overwritten by other weights.

    Returns:
        A model of the original's layers, Sequential if that was, without any trace of
        this package: it saves and loads as plain Keras. Compiled like `model`.

    Raises:
        ModelError: If masked weights are not zero.
    """
    state = find_state(model)
    if state is None:
        return clone(model, {})
    attach(model)
    if check:
        check_masks(state)
    if state.sequential and isinstance(model, PrunedModel):  # not one around it
        return clone_chain(model, _in_order(model, state))
    return clone(model, {id(state): lambda _: _passed_on})


def apply_masks(model: keras.Model) -> None:
    """Set what the masks of a model mask to zero, in place.

    For weights that were loaded into a model that is being pruned.

    Raises:
        ModelError: If it is not being pruned.
    """
    state = state_of(model)
    for variable in state.variables_pruned:
        variable.assign(variable.constraint(variable))


def resume(model: keras.Model, schedule: schedules.Schedule) -> None:
    """Give a model that is being pruned another schedule, in place.

    Step counter and masks stay. Needed after loading where the schedule was a function
    of your own, which cannot be saved. Compile the model anew before the next `fit`.

    Raises:
        ConfigError: If it is no schedule.
        ModelError: If the model is not being pruned.
    """
    schedules.check(schedule)
    state = state_of(model)
    _check_goal(schedule, state.pattern, state.kernels)
    state.schedule = schedule


def _with_state(
    model: keras.Model,
    kernels: tuple[Kernel, ...],
    schedule: Any,
    *,
    pattern: str,
    skipped: Mapping[str, str],
) -> keras.Model:
    state = SparsityState(
        kernels,
        schedule=schedule,
        pattern=pattern,
        skipped=skipped,
        sequential=isinstance(model, keras.Sequential),
        name=_free_name(model),
    )
    pruned = clone(model, {}, entry=state, kind=PrunedModel)
    attach(pruned)
    return pruned


def _free_name(model: keras.Model) -> str:
    """Return a name for the state that no layer or input has, in nested ones too."""
    taken = {call.name for call in read_model(model).calls}
    taken |= {operation.name for operation in functional_graph(model).operations}
    names = (
        "sparsity_state",
        *(f"sparsity_state_{n}" for n in range(1, len(taken) + 1)),
    )
    return next(name for name in names if name not in taken)


def _in_order(model: PrunedModel, state: SparsityState) -> list[Any]:
    """Return the layers of what was a Sequential model, once for each call."""
    nodes = functional_graph(model)._nodes_by_depth  # noqa: SLF001 - the only complete record
    called = [
        n.operation for depth in sorted(nodes, reverse=True) for n in nodes[depth]
    ]
    return [
        one
        for one in called
        if isinstance(one, keras.Layer)  # the others compute Keras's masks
        and not isinstance(one, keras.layers.InputLayer)
        and one is not state
    ]


def _passed_on(tensors: Any, **_: Any) -> Any:
    return tensors


def _with_zeros(model: keras.Model) -> tuple[tuple[Kernel, ...], dict[str, str]]:
    kernels: list[Kernel] = []
    skipped: dict[str, str] = {}
    for name, layer in selection.named_layers(model).items():
        for kernel in selection.kernels_of(name, layer):
            value = selection.variable_of(layer, kernel).numpy()
            sparsity = 1 - np.count_nonzero(value) / value.size
            if 0 < sparsity < 1:
                kernels.append(dataclasses.replace(kernel, sparsity=float(sparsity)))
            else:
                skipped[name] = "it has no zeros" if not sparsity else "it is all zero"
    return tuple(kernels), skipped


def _check_goal(
    schedule: Any, pattern: patterns.Pattern, kernels: tuple[Kernel, ...]
) -> None:
    """Refuse goals that this schedule or pattern cannot reach."""
    final = schedules.final_sparsity(schedule)
    own = [kernel.sparsity for kernel in kernels if kernel.sparsity is not None]
    if own and not final:
        raise errors.ConfigError(
            "Sparsities by layer need a schedule that says where it ends. Received: "
            f"{schedule!r} without `final_sparsity` above 0. Use "
            "sparsity.polynomial_decay or give the schedule this attribute."
        )
    if isinstance(pattern, patterns.NOfM):
        for goal in own or ([] if final is None else [final]):
            require(
                goal >= pattern.sparsity - 1e-9,
                "sparsity",
                goal,
                f"{pattern.sparsity:g} or more, the fixed sparsity of {pattern}",
            )

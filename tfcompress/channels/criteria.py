"""Score how much each channel matters, from weights alone or from gradients too.

A criterion is a function of a traced model that returns one score per channel of each
prunable group; the channels with the lowest scores go first.  Where several layers are
tied into one group (by a residual add, a depthwise convolution), every member is
scored and the group gets their mean.

===================  =====================================  ===================
criterion            score of channel c                     scale across layers
===================  =====================================  ===================
`bn_scale`           |gamma_c| of its BatchNorm             raw, as the paper
`l1_norm`            sum of |w| over its weights            mean of a layer is 1
`l2_norm`            root of the sum of w^2                 mean of a layer is 1
`geometric_median`   sum of its distances to the others     mean of a layer is 1
`consumer_l1`        sum of |w| over the weights that       mean of a layer is 1
                     read it
`taylor`             (sum of gradient x weight)^2           raw, as the paper
`random`             uniform in [0, 1)                      -
===================  =====================================  ===================

Sources: `bn_scale`: Liu et al., "Learning Efficient Convolutional Networks through
Network Slimming", ICCV 2017, section 3.  `l1_norm`: Li et al., "Pruning Filters for
Efficient ConvNets", ICLR 2017, section 3.1.  `geometric_median`: He et al., "Filter
Pruning via Geometric Median", CVPR 2019, equation 4.  `consumer_l1`: He et al., "AMC:
AutoML for Model Compression and Acceleration on Mobile Devices", ECCV 2018, as the
authors' program has it.  `taylor`: see `taylor_scores`.

Where we differ: the papers of `l1_norm` and `geometric_median` only compare channels
of one layer.  Dividing by the layer's mean leaves that order alone and makes scores of
different layers comparable, which tied layers and ``scope="global"`` both need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import config, errors, graph
from tfcompress.channels.taylor_scores import taylor

Array = npt.NDArray[Any]
Scores = dict[str, Array]
Criterion = Callable[[graph.LayerGraph], Mapping[str, Array]]


def score(
    model: graph.LayerGraph | keras.Model,
    *,
    criterion: str | Criterion = "bn_scale",
    data: Any = None,
    seed: int = 0,
) -> Scores:
    """Score the channels of every prunable group.

    Args:
        model: A traced model, or a model to trace.
        criterion: A name of the table above, or a function that takes the
            `LayerGraph` and returns scores per group name (bind other arguments
            with `functools.partial`).
        data: For ``"taylor"``: a `tfcompress.data.Dataset`, or a pair of arrays
            ``(x, y)``, or an iterable of batches ``(x, y)``.
        seed: For ``"random"``; also the order of the data for ``"taylor"``.

    Returns:
        One array of shape `[group.size]` per group name, higher matters more.  A group
        that the criterion has nothing to say about is left out, and stays whole.

    Raises:
        ModelError: If no group has what the criterion reads, or a score is not finite.
        DataError: If ``"taylor"`` has no data.
        ConfigError: If the name is unknown.

    Example:
        >>> import keras
        >>> image = keras.Input((8, 8, 3))
        >>> x = keras.layers.Conv2D(4, 3, name="conv")(image)
        >>> x = keras.layers.BatchNormalization(name="norm")(x)
        >>> x = keras.layers.GlobalAveragePooling2D()(x)
        >>> model = keras.Model(image, keras.layers.Dense(2)(x))
        >>> model.get_layer("norm").gamma.assign([0.1, -2.0, 0.0, 1.0])
        <...>
        >>> score(model)
        {'conv': array([0.1, 2. , 0. , 1. ])}
    """
    layer_graph = model if isinstance(model, graph.LayerGraph) else graph.trace(model)
    function = (
        _named(criterion, data, seed) if isinstance(criterion, str) else criterion
    )
    scores = {
        name: np.asarray(values, dtype=np.float64)
        for name, values in function(layer_graph).items()
    }
    _check(layer_graph, scores)
    return scores


def bn_scale(layer_graph: graph.LayerGraph) -> Scores:
    """Score by |gamma| of the BatchNorm layers directly on the channel.

    Meant for a model trained with `tfcompress.slimming.regularize_scales`: only then
    do scales tell which channels the model can do without.

    Raises:
        ModelError: If no prunable channel has a BatchNorm scale.
    """
    scores = {
        group.name: _combine(layer_graph, group, group.scales, _magnitude)
        for group in layer_graph.groups
        if group.scales
    }
    if not scores:
        raise errors.ModelError(
            "The criterion 'bn_scale' needs BatchNormalization layers with "
            f"`scale=True` on channels that can be removed. Received: model "
            f"{layer_graph.name!r}, which has none. Prune it by another criterion: "
            '`score(model, criterion="l1_norm")`, or on the command line '
            "`prune --criterion l1_norm`."
        )
    return scores


def l1_norm(layer_graph: graph.LayerGraph) -> Scores:
    """Score by the sum of the absolute weights that make the channel."""
    return _by_kernel(layer_graph, lambda rows: np.abs(rows).sum(axis=1))


def l2_norm(layer_graph: graph.LayerGraph) -> Scores:
    """Score by the Euclidean norm of the weights that make the channel."""
    return _by_kernel(layer_graph, lambda rows: np.sqrt(np.square(rows).sum(axis=1)))


def geometric_median(layer_graph: graph.LayerGraph) -> Scores:
    """Score by the summed distance to the layer's other channels.

    A channel near the geometric median is one that the others can stand in for.
    """
    return _by_kernel(layer_graph, distance_sums)


def consumer_l1(layer_graph: graph.LayerGraph) -> Scores:
    """Score by the sum of the absolute weights that read the channel.

    Meant for plans whose consumers are repaired afterwards (`reconstruct`).  Several
    consumers of one group count alike, whatever the size of their weights.
    """
    return {
        group.name: _by_consumers(layer_graph, group)
        for group in layer_graph.groups
        if group.consumers
    }


def _by_consumers(layer_graph: graph.LayerGraph, group: graph.ChannelGroup) -> Array:
    total, count = np.zeros(group.size), np.zeros(group.size)
    for part in group.consumers:
        sums = np.zeros(group.size)
        for positions, rows in _rows(layer_graph, [part]):
            np.add.at(sums, positions, _magnitude(rows))
        read = np.isin(np.arange(group.size), part.channel)
        total[read] += _of_mean_one(sums[read])
        count += read
    mean: Array = total / np.maximum(count, 1.0)
    return mean


def random(layer_graph: graph.LayerGraph, *, seed: int = 0) -> Scores:
    """Score by chance: the baseline that every criterion has to beat."""
    rng = np.random.default_rng(seed)
    return {group.name: rng.random(group.size) for group in layer_graph.groups}


def distance_sums(rows: Array) -> Array:
    """Return each row's summed Euclidean distance to all rows.

    Example:
        >>> distance_sums(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))
        array([ 5., 10.,  5.])
    """
    rows = rows.astype(np.float64)
    squares = np.square(rows).sum(axis=1)
    products = rows @ rows.T
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0.0))
    np.fill_diagonal(distances, 0.0)
    total: Array = distances.sum(axis=1)
    return total


def weight_of(layer_graph: graph.LayerGraph, part: graph.ChannelSlice) -> Array:
    """Return the weight that a slice names, as an array.

    Raises:
        ModelError: If the layer has no weight of that name.
    """
    layer = layer_graph.layers[part.layer]
    for variable in layer.weights:
        if variable.name == part.variable:
            return np.asarray(variable.value)
    raise errors.ModelError(
        f"Layer {part.layer!r} has no weight {part.variable!r} any more. Received: "
        f"{[variable.name for variable in layer.weights]}. Trace the model again."
    )


def _named(name: str, data: Any, seed: int) -> Criterion:
    """Return the criterion that a name stands for, its other arguments bound."""
    functions: dict[str, Criterion] = {
        "bn_scale": bn_scale,
        "l1_norm": l1_norm,
        "l2_norm": l2_norm,
        "geometric_median": geometric_median,
        "consumer_l1": consumer_l1,
        "taylor": lambda layer_graph: taylor(layer_graph, data=data, seed=seed),
        "random": lambda layer_graph: random(layer_graph, seed=seed),
    }
    config.check_known(name, functions, owner="the table of criteria")
    return functions[name]


def _magnitude(rows: Array) -> Array:
    return np.abs(rows).sum(axis=1)  # type: ignore[no-any-return]


def _by_kernel(
    layer_graph: graph.LayerGraph, rows_to_scores: Callable[[Array], Array]
) -> Scores:
    """Score every group by its producers' kernels, each with mean 1 in its layer."""

    def normalised(rows: Array) -> Array:
        return _of_mean_one(rows_to_scores(rows))

    return {
        group.name: _combine(layer_graph, group, group.producers, normalised)
        for group in layer_graph.groups
        if group.producers
    }


def _of_mean_one(scores: Array) -> Array:
    mean = float(scores.mean())
    return scores / mean if mean > 0 else scores


def _combine(
    layer_graph: graph.LayerGraph,
    group: graph.ChannelGroup,
    parts: Iterable[graph.ChannelSlice],
    rows_to_scores: Callable[[Array], Array],
) -> Array:
    """Average the scores of all members of a group, channel by channel.

    A channel may own several positions of one weight (a depthwise multiplier, a
    flattened map): each counts as a member.
    """
    total, count = np.zeros(group.size), np.zeros(group.size)
    for positions, rows in _rows(layer_graph, parts):
        np.add.at(total, positions, rows_to_scores(rows))
        np.add.at(count, positions, 1.0)
    mean: Array = total / np.maximum(count, 1.0)
    return mean


def _rows(
    layer_graph: graph.LayerGraph, parts: Iterable[graph.ChannelSlice]
) -> Iterator[tuple[Array, Array]]:
    """Yield each weight as one row per position, with the channel of each row."""
    for part in parts:
        weight = np.moveaxis(weight_of(layer_graph, part), part.axis, 0)
        ours = np.asarray(part.channel) >= 0
        rows = weight.reshape(len(weight), -1)[ours]
        yield np.asarray(part.channel)[ours], rows.astype(np.float64)


def _check(layer_graph: graph.LayerGraph, scores: Mapping[str, Array]) -> None:
    """Refuse scores that a selection could not use, by name."""
    for name, values in scores.items():
        group = layer_graph.group(name)
        if values.shape != (group.size,):
            raise ValueError(
                f"A criterion must give one score per channel. Received: shape "
                f"{values.shape} for group {name!r}, which has {group.size} channels."
            )
        if not np.isfinite(values).all():
            raise errors.ModelError(
                f"The scores of group {name!r} are not finite. Received: "
                f"{int((~np.isfinite(values)).sum())} of {group.size} NaN or infinite "
                f"in model {layer_graph.name!r}, layers {', '.join(group.layers)}. "
                "Load weights from before the training diverged."
            )

"""Tests of `tfcompress.zoo`: the published sizes, seeds, and surgery on every form."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import randomise
from tests.strategies import outputs_of, random_plan, relative_error
from tfcompress import errors, zoo
from tfcompress.graph import cost, mask_model, prune_model, trace

# the smallest form of every builder
SMALL = {
    "plain": lambda **kw: zoo.plain((16, 16, 3), 5, depth=8, width=4, **kw),
    "resnet": lambda **kw: zoo.resnet((16, 16, 3), 5, depth=14, width=4, **kw),
    "mobilenet_v1": lambda **kw: zoo.mobilenet_v1((16, 16, 3), 5, alpha=0.1, **kw),
    "mobilenet_v2": lambda **kw: zoo.mobilenet_v2((16, 16, 3), 5, alpha=0.1, **kw),
    "vgg": lambda **kw: zoo.vgg((16, 16, 3), 5, depth=11, alpha=0.1, **kw),
    "squeezenet": lambda **kw: zoo.squeezenet((16, 16, 3), 5, alpha=0.2, **kw),
    "shufflenet": lambda **kw: zoo.shufflenet(
        (16, 16, 3), 5, scale=0.2, repeats=(2, 2), **kw
    ),
    "densenet": lambda **kw: zoo.densenet((16, 16, 3), 5, depth=16, growth=4, **kw),
}

LARGE = (224, 224, 3)


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "published"),
    [
        (lambda: zoo.resnet((32, 32, 3), 10, depth=20), 0.27e6),
        (lambda: zoo.resnet((32, 32, 3), 10, depth=32), 0.46e6),
        (lambda: zoo.resnet((32, 32, 3), 10, depth=56), 0.85e6),
        (lambda: zoo.mobilenet_v1(LARGE, 1000, stem_strides=2), 4.2e6),
        (lambda: zoo.mobilenet_v2(LARGE, 1000, stem_strides=2), 3.47e6),
        (lambda: zoo.vgg((32, 32, 3), 10, depth=19), 20.04e6),
        (lambda: zoo.squeezenet(LARGE, 1000, stem_strides=2), 1.248e6),
        (lambda: zoo.shufflenet(LARGE, 1000, stem_strides=2, scale=1.5), 3.4e6),
        (lambda: zoo.densenet((32, 32, 3), 10, depth=100), 0.77e6),
    ],
)
def test_parameters_are_the_published_ones(build, published):
    """He 2016, table 6; Howard 2017, table 8; Sandler 2018 (Keras' exact count).

    Liu 2017, table 1; Iandola 2016, table 1; Sandler 2018, table 4 (ShuffleNet 1.5);
    Huang 2017, table 2 (the authors' exact count).
    """
    assert trainable(build()) == pytest.approx(published, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "published"),
    [
        (lambda: zoo.resnet((32, 32, 3), 10, depth=20), 40.8e6),
        (lambda: zoo.mobilenet_v1(LARGE, 1000, stem_strides=2), 569e6),
        (lambda: zoo.mobilenet_v2(LARGE, 1000, stem_strides=2), 300e6),
        (lambda: zoo.shufflenet(LARGE, 1000, stem_strides=2), 140e6),
    ],
)
def test_macs_are_the_published_ones(build, published):
    assert cost(build()).macs == pytest.approx(published, rel=0.02)


def test_plain_is_resnet_without_its_shortcuts():
    """The two projections are 16·32 and 32·64 weights with four BatchNorm rows each."""
    with_shortcuts = zoo.resnet((32, 32, 3), 10).count_params()
    without = zoo.plain((32, 32, 3), 10).count_params()
    assert with_shortcuts - without == 16 * 32 + 32 * 64 + 4 * (32 + 64)


@pytest.mark.parametrize("name", SMALL)
def test_same_seed_same_weights(name):
    """Whatever Keras' global seed is, and another seed gives others."""
    first, again, other = (SMALL[name](seed=seed) for seed in (3, 3, 4))
    kernels = [model.get_weights()[0] for model in (first, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0.01


@pytest.mark.parametrize("name", SMALL)
def test_kernels_of_equal_shape_differ(name):
    seen = {}
    for weight in SMALL[name]().get_weights():
        if weight.ndim == 4:
            for before in seen.get(weight.shape, []):
                assert np.abs(weight - before).max() > 0
            seen.setdefault(weight.shape, []).append(weight)


@pytest.mark.parametrize("name", SMALL)
def test_softmax_unless_logits_are_asked_for(name):
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    (scores,) = outputs_of(SMALL[name](), [images])
    np.testing.assert_allclose(scores.sum(axis=-1), 1, rtol=1e-5)
    (logits,) = outputs_of(SMALL[name](activation=None), [images])
    np.testing.assert_allclose(keras.ops.softmax(logits), scores, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"squeezenet"}))
def test_momentum_reaches_every_batch_norm(name):
    logits = SMALL[name](momentum=0.9)
    norms = [x for x in logits.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert norms
    assert {norm.momentum for norm in norms} == {0.9}


@pytest.mark.parametrize("name", SMALL)
def test_pruned_network_is_the_masked_network(name):
    """At half of the channels, with constants folded, and the costs are exact."""
    model = randomise(SMALL[name]())
    graph = trace(model)
    assert len(graph.groups) >= 5
    plan = random_plan(graph, 0.5)
    pruned, _ = prune_model(graph, plan)
    image = [np.random.default_rng(1).normal(size=(1, 16, 16, 3)).astype("float32")]
    got = outputs_of(pruned, image)
    assert (
        relative_error(
            got, outputs_of(mask_model(graph, plan, fold_constants=True), image)
        )
        <= 1e-5
    )
    predicted, real = cost(graph, plan), cost(pruned)
    assert (predicted.macs, predicted.params) == (real.macs, real.params)
    assert pruned.count_params() < 0.7 * model.count_params()


@pytest.mark.parametrize("builder", [zoo.plain, zoo.resnet])
def test_depth_must_be_of_the_papers_form(builder):
    with pytest.raises(errors.ConfigError, match=r"depth=18; it must be 6 n \+ 2"):
        builder((32, 32, 3), 10, depth=18)

"""Surgery on every convolutional family of `keras.applications`."""

from __future__ import annotations

import gc

import keras
import numpy as np
import pytest

from benchmarks.families import SMALLEST, build_family
from tests.models import randomise
from tests.oracles import switched_off
from tests.strategies import outputs_of, random_plan, relative_error
from tfcompress.graph import cost, mask_model, prune_model, trace

# Deep nets add up rounding errors; the bound for them is 1e-4.
DEEP = {"InceptionResNetV2", "NASNetMobile", "DenseNet121"}


@pytest.fixture(autouse=True)
def _forget_models():
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_pruned_family_is_the_masked_family(name):
    """At 25, 50 and 75 %, pruned ≡ masked, and the predicted costs are exact."""
    model = randomise(build_family(name))
    graph = trace(model)
    shape = model.input_shape[1:]
    image = np.random.default_rng(1).uniform(-1, 1, (1, *shape)).astype("float32")
    bound = 1e-4 if name in DEEP else 1e-5
    for seed, (ratio, fold) in enumerate([(0.25, True), (0.5, False), (0.75, True)]):
        plan = random_plan(graph, ratio, seed)
        pruned, _ = prune_model(graph, plan, fold_constants=fold)
        masked = mask_model(graph, plan, fold_constants=fold)
        got, wanted = outputs_of(pruned, [image]), outputs_of(masked, [image])
        assert relative_error(got, wanted) <= bound
        assert relative_error(got, outputs_of(model, [image])) > 1e-3  # not trivial
        predicted, real = cost(graph, plan, fold_constants=fold), cost(pruned)
        assert predicted.macs == real.macs
        assert predicted.params == real.params == pruned.count_params()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV2"])
def test_folding_is_exact_where_batch_norm_follows_every_padded_window(name):
    """In these nets only depthwise windows are padded, and a BatchNorm resets them."""
    model = randomise(build_family(name))
    graph = trace(model)
    plan = random_plan(graph, 0.5)
    pruned, report = prune_model(graph, plan)
    assert all(fold.interior == fold.lost == 0 for fold in report.folded)
    image = np.random.default_rng(1).uniform(-1, 1, (1, *model.input_shape[1:]))
    image = [image.astype("float32")]
    wanted = outputs_of(switched_off(graph, plan), image)
    assert relative_error(outputs_of(pruned, image), wanted) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published"),
    [("MobileNet", 569e6), ("MobileNetV2", 300e6), ("ResNet50", 3.86e9)],
)
def test_macs_agree_with_the_published_figures(name, published):
    """Howard 2017, Sandler 2018, He 2016 at 224 x 224, within 1 %."""
    model = getattr(keras.applications, name)(weights=None)
    assert cost(model).macs == pytest.approx(published, rel=0.01)

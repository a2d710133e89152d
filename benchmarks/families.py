"""Surgery against masking on every member of every family in `keras.applications`.

    python -m benchmarks.families            # resumes: finished members are skipped

Each member is pruned at random at 25, 50 and 75 %; the largest relative error of the
pruned model against the masked one, and whether predicted costs were exact, are written
to ``benchmarks/results/families.json`` after each member.
"""

from __future__ import annotations

import argparse
import gc
import pathlib
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from tfcompress import files

RESULTS = pathlib.Path(__file__).parent / "results" / "families.json"

# Family -> members, the smallest first; input sizes are the smallest that all accept.
FAMILIES = {
    "MobileNet": ["MobileNet"],
    "MobileNetV2": ["MobileNetV2"],
    "MobileNetV3": ["MobileNetV3Small", "MobileNetV3Large"],
    "ResNet": ["ResNet50", "ResNet101", "ResNet152"],
    "ResNetV2": ["ResNet50V2", "ResNet101V2", "ResNet152V2"],
    "DenseNet": ["DenseNet121", "DenseNet169", "DenseNet201"],
    "EfficientNet": [f"EfficientNetB{i}" for i in range(8)],
    "EfficientNetV2": [f"EfficientNetV2{k}" for k in ("B0", "B1", "B2", "B3", *"SML")],
    "Inception": ["InceptionV3"],
    "InceptionResNet": ["InceptionResNetV2"],
    "Xception": ["Xception"],
    "VGG": ["VGG16", "VGG19"],
    "NASNet": ["NASNetMobile", "NASNetLarge"],
    "ConvNeXt": [f"ConvNeXt{k}" for k in ("Tiny", "Small", "Base", "Large", "XLarge")],
}
SMALLEST = [members[0] for members in FAMILIES.values()]
INPUT_SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71, "VGG16": 32}


def build_family(name: str, classes: int = 10) -> keras.Model:
    """Build an untrained member at a small input size."""
    size = INPUT_SIZES.get(name, 64)
    return getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=classes
    )


def check_member(name: str) -> dict[str, Any]:
    """Prune one member at three ratios and compare it with its mask."""
    from tests.models import randomise
    from tests.strategies import outputs_of, random_plan, relative_error
    from tfcompress.graph import cost, mask_model, prune_model, trace

    started = time.perf_counter()
    model = randomise(build_family(name))
    graph = trace(model)
    shape = (1, *model.input_shape[1:])
    image = [np.random.default_rng(1).uniform(-1, 1, shape).astype("float32")]
    worst, exact = 0.0, True
    for seed, (ratio, fold) in enumerate([(0.25, True), (0.5, False), (0.75, True)]):
        plan = random_plan(graph, ratio, seed)
        pruned, _ = prune_model(graph, plan, fold_constants=fold)
        masked = mask_model(graph, plan, fold_constants=fold)
        error = relative_error(outputs_of(pruned, image), outputs_of(masked, image))
        worst = max(worst, error)
        predicted, real = cost(graph, plan, fold_constants=fold), cost(pruned)
        exact &= (predicted.macs, predicted.params) == (real.macs, real.params)
        del pruned, masked
    return {
        "relative_error": worst,
        "costs_exact": exact,
        "groups": len(graph.groups),
        "pinned": len(graph.pinned),
        "params": model.count_params(),
        "macs": cost(graph).macs,
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Check the members that have no result yet."""
    everyone = [member for family in FAMILIES.values() for member in family]
    check_missing(check_member, everyone, RESULTS)


def check_missing(
    check: Callable[[str], dict[str, Any]], names: Iterable[str], path: pathlib.Path
) -> None:
    """Check the members that a results file lacks, one by one, as the command asks.

    Args:
        check: Returns the figures of a member.
        names: Which ones, unless the command names some.
        path: The results; ``benchmarks.<its stem>`` is the command.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("members", nargs="*", help="only these")
    chosen = parser.parse_args().members
    results: dict[str, Any] = files.read_json(path) if path.exists() else {}
    results["command"] = f"python -m benchmarks.{path.stem}"
    results["keras"] = keras.__version__
    members = results.setdefault("members", {})
    for name in chosen or names:
        if name in members:
            continue
        members[name] = check(name)
        print(name, members[name], flush=True)
        files.write_json(path, results)
        keras.backend.clear_session()
        gc.collect()


if __name__ == "__main__":
    main()

"""The settings of the stages that have no method package of their own."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from android_bench import choosing
from tfcompress import amc, channels, errors, quantize
from tfcompress.config import Config, require
from tfcompress.quantize.precision import levels_above
from tfcompress.tflite.recipes import RECIPES
from tfcompress.training import TrainConfig

_ALIASES = {"l1": "l1_norm", "l2": "l2_norm"}
CRITERIA = (
    "bn_scale",
    "l1_norm",
    "l2_norm",
    "geometric_median",
    "consumer_l1",
    "taylor",
    "random",
)


_MAKE_A_PLAN = (
    "criterion",
    "macs",
    "params",
    "size_bytes",
    "scope",
    "round_to",
    "min_channels",
    "exclude",
)

FILES = ("plan", "precision", "latency_table")
"""Settings that name a file: relative to the workflow's, and its content counts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OriginalConfig(Config):
    """The first stage of every run: what the input model is and can do."""

    batch_size: int = 256  # of the evaluation
    seed: int = 0  # of the training, if the model is built in the run


@dataclasses.dataclass(frozen=True, kw_only=True)
class PruneConfig(Config):
    """One cut by a criterion and a budget, or by a saved plan.

    Example:
        >>> PruneConfig(criterion="l1", macs=0.5).criterion
        'l1_norm'
    """

    criterion: str = "l1_norm"  # how channels are ranked
    plan: str | None = None  # a plan file; instead of criterion and budget
    macs: float | None = None  # to keep: fraction in (0, 1], or a number above 1
    params: float | None = None  # likewise
    size_bytes: float | None = None  # of the weights, likewise
    recipe: str = "int8"  # what size_bytes is counted in
    scope: Literal["global", "layer"] = "global"  # over all layers, or each alike
    round_to: int = 8  # channels
    min_channels: int = 8  # per group
    exclude: tuple[str, ...] = ()  # layers whose channels stay
    fold_constants: bool = True  # keep what a removed channel gave as a constant
    reconstruct: bool = False  # refit by least squares what reads the removed channels
    reconstruction_examples: int = 400  # training images that the fit is sampled from
    reextract: bool = False  # layer by layer, from inputs of the network cut so far
    seed: int = 0  # of the criteria `random` and `taylor`

    def __post_init__(self) -> None:
        """Check the ranges and spell out a criterion's short name."""
        object.__setattr__(
            self, "criterion", _ALIASES.get(self.criterion, self.criterion)
        )
        names = "one of " + ", ".join(CRITERIA)
        require(self.criterion in CRITERIA, "criterion", self.criterion, names)
        require(
            self.scope in ("global", "layer"), "scope", self.scope, "global or layer"
        )
        require(self.round_to >= 1, "round_to", self.round_to, "1 or more")
        require(self.min_channels >= 1, "min_channels", self.min_channels, "1 or more")
        count = self.reconstruction_examples
        require(count >= 1, "reconstruction_examples", count, "1 or more")
        repaired = self.reconstruct or not self.reextract
        require(repaired, "reextract", self.reextract, "used with reconstruct")
        self._check_what_stays()

    def _check_what_stays(self) -> None:
        """Take either a plan, or a limit to make one by."""
        if self.plan is None:
            if self.macs is self.params is self.size_bytes is None:
                raise errors.ConfigError(
                    "A cut has to know how much stays. Received: neither a limit nor a "
                    "plan. Give `macs`, `params` or `size_bytes`, such as `--macs 0.5` "
                    "for half of the multiply-accumulates, or `plan`."
                )
            return
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name in _MAKE_A_PLAN:
            value = getattr(self, name)
            expected = "unset beside `plan`, which says what stays"
            require(value == defaults[name], name, value, expected)

    @property
    def needs_data(self) -> bool:
        """Whether examples are looked at."""
        scored = self.criterion == "taylor" and self.plan is None
        return scored or self.reconstruct

    def budget(self) -> channels.Budget:
        """Return the limits as a budget."""
        return channels.Budget(
            macs=self.macs,
            params=self.params,
            size_bytes=self.size_bytes,
            recipe=self.recipe,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig(amc.AmcConfig):
    """A search, and the simple ways to choose a plan that are judged beside it.

    Example:
        >>> SearchConfig(baselines=("random",)).search().episodes
        400
    """

    # `random` and `greedy` judge as many plans as the agent, the others one
    baselines: tuple[str, ...] = ("uniform", "shallow", "deep")
    milliseconds: float | None = None  # most that the plan may take, by `latency_table`
    latency_table: str | None = None  # path of a table that `tfcompress latency` wrote
    finalists: int = 3  # best plans that are measured beside their predictions
    runner: str = "auto"  # what measures them on a device, as in `tfcompress benchmark`
    runner_file: str | None = None  # its program
    library: str | None = None  # LiteRT's libLiteRt.so for it
    apk: str | None = None  # the Android app

    def __post_init__(self) -> None:
        """Check the names."""
        super().__post_init__()
        ms, table = self.milliseconds, self.latency_table
        if ms is not None:
            require(ms > 0, "milliseconds", ms, "above 0")
            require(table, "latency_table", table, "the table that predicts them")
            require(
                self.granularity == "channels",
                "milliseconds",
                ms,
                "unset with granularity='weights': zeros save no time",
            )
        elif table is not None:
            require(ms, "milliseconds", ms, "the limit that the table is for")
        require(self.finalists >= 1, "finalists", self.finalists, "1 or more")
        runners = choosing.RUNNERS
        require(self.runner in runners, "runner", self.runner, ", ".join(runners))
        names = [name for name in amc.METHODS if name != "amc"]
        for name in self.baselines:
            require(name in names, "baselines", name, f"names of {', '.join(names)}")

    def search(self) -> amc.AmcConfig:
        """Return the settings of the search alone."""
        names = [field.name for field in dataclasses.fields(amc.AmcConfig)]
        return amc.AmcConfig(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainConfig):
    """Training of a cut model by one of the retraining arms."""

    arm: Literal["finetune", "scratch_e", "scratch_b"] = "finetune"
    original_epochs: int | None = None  # scratch arms: epochs of the original

    def training(self) -> TrainConfig:
        """Return the settings of the training alone."""
        names = [field.name for field in dataclasses.fields(TrainConfig)]
        return TrainConfig(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantizeStageConfig(quantize.QuantizeConfig):
    """Quantization-aware training, from a teacher too if the stage names one.

    Example:
        >>> QuantizeStageConfig(epochs=3).quantizing().recipe
        'int8'
    """

    temperature: float = 4.0  # softens the teacher's answers
    alpha: float = 0.9  # weight of the teacher's answers against the labels'
    # train only if a file made without training loses more than this, held out
    max_drop: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.max_drop is not None:
            require(self.max_drop >= 0, "max_drop", self.max_drop, "0 or more")
            require(
                self.recipe in ("int8", "int16x8"),
                "recipe",
                self.recipe,
                "one that needs no training, such as int8, together with `max_drop`",
            )
        require(self.temperature > 0, "temperature", self.temperature, "above 0")
        require(0 <= self.alpha <= 1, "alpha", self.alpha, "in [0, 1]")

    def quantizing(self) -> quantize.QuantizeConfig:
        """Return the settings of the method alone."""
        names = [field.name for field in dataclasses.fields(quantize.QuantizeConfig)]
        return quantize.QuantizeConfig(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertConfig(Config):
    """How the file is written."""

    # None: what `quantize` has trained the model for, else float32
    recipe: Literal["float32", "float16", "dynamic_int8", "int8", "int16x8"] | None = (
        None
    )
    calibration_examples: int = 500  # of the training part, for int8 and int16x8
    inputs: Literal["float", "int8"] = "float"  # type at the file's border
    allow_float_ops: bool = False  # accept operators that int8 cannot express
    equalize: bool = False  # equalise the ranges of neighbouring channels first
    correct_bias: bool = False  # take the mean error of the weights out of the biases
    per_channel: bool = True  # a weight scale per output channel, else per tensor
    # a precision for some layers: a JSON file, or the map itself
    precision: str | dict[str, str] | None = None
    max_drop: float | None = None  # choose the map: most that held-out data may lose
    sparse: bool = False  # store the zeros of a pruned model as zeros

    def __post_init__(self) -> None:
        """Check the ranges."""
        known = self.recipe is None or self.recipe in RECIPES
        require(known, "recipe", self.recipe, f"one of {RECIPES}")
        require(
            self.inputs in ("float", "int8"), "inputs", self.inputs, "float or int8"
        )
        integers = self.needs_calibration or self.recipe is None
        expected = "float unless the recipe is int8 or int16x8"
        require(integers or self.inputs == "float", "inputs", self.inputs, expected)
        count = self.calibration_examples
        require(count >= 1, "calibration_examples", count, "1 or more")
        for name in ("equalize", "correct_bias", "precision", "max_drop"):
            value = getattr(self, name)
            given = value is not None and value is not False
            good = self.needs_calibration or not given
            require(good, name, value, "used with the recipe int8 or int16x8")
        drop = self.max_drop
        require(drop is None or drop >= 0, "max_drop", drop, "0 or more")
        once = drop is None or self.precision is None
        require(once, "max_drop", drop, "used without precision: it makes the map")

    @property
    def needs_calibration(self) -> bool:
        """Whether ranges of activations are needed."""
        return self.recipe in ("int8", "int16x8")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SensitivityConfig(Config):
    """How the layers are ranked, and what a map of precisions has to hold.

    Example:
        >>> SensitivityConfig(max_drop=0.01).chooses
        True
    """

    recipe: Literal["int8", "int8_w4", "int16x8"] = "int8"  # of every layer alone
    higher: str | None = None  # of the worst layers; None: by the recipe
    rank_by: Literal["snr_db", "kl", "drop"] = "snr_db"  # what makes a layer the worst
    max_drop: float | None = None  # of the metric, on held-out data
    size_bytes: float | None = None  # of the weights: fraction of float32, or bytes
    examples: int = 1000  # held-out ones that the ranking looks at
    calibration_examples: int = 500  # of the training part

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("examples", "calibration_examples"):
            value = getattr(self, name)
            require(value >= 1, name, value, "1 or more")
        drop, size = self.max_drop, self.size_bytes
        require(drop is None or drop >= 0, "max_drop", drop, "0 or more")
        require(size is None or size > 0, "size_bytes", size, "above 0")
        recipes = ("int8", "int8_w4", "int16x8")
        require(self.recipe in recipes, "recipe", self.recipe, f"one of {recipes}")
        if self.higher is not None:
            above = levels_above(self.recipe)
            require(self.higher in above, "higher", self.higher, f"one of {above}")
            limits = "unset without `max_drop` or `size_bytes`: nothing is raised then"
            require(self.chooses, "higher", self.higher, limits)

    @property
    def chooses(self) -> bool:
        """Whether a map is wanted."""
        return self.max_drop is not None or self.size_bytes is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyConfig(Config):
    """What a file must hold to."""

    reference: str | None = None  # stage to compare with; None: what was converted
    max_drop: float | None = None  # of the metric, file against reference
    min_agreement: float | None = None  # share of examples with the same top answer
    max_drop_from_original: float | None = None  # of the metric, file against original
    split: Literal["test", "validation"] = "test"  # the examples, all of them

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("max_drop", "max_drop_from_original"):
            value = getattr(self, name)
            require(value is None or value >= 0, name, value, "0 or more")
        share = self.min_agreement
        require(share is None or 0 <= share <= 1, "min_agreement", share, "in [0, 1]")
        require(self.split in ("test", "validation"), "split", self.split, "a split")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkConfig(Config):
    """How latency is measured on this computer."""

    num_threads: tuple[int, ...] = (1,)  # one measurement for each
    max_seconds: float = 10.0  # per measurement
    baseline: bool = True  # also the original's float32 file, side by side

    def __post_init__(self) -> None:
        """Check the ranges."""
        threads = self.num_threads
        good = bool(threads) and all(isinstance(n, int) and n >= 1 for n in threads)
        require(good, "num_threads", threads, "numbers of 1 or more")
        require(self.max_seconds > 0, "max_seconds", self.max_seconds, "above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportConfig(Config):
    """The report has no settings; it shows what the records hold."""


def with_seed(config_class: type[Config], values: dict[str, Any], seed: int) -> Config:
    """Build a stage's config; it takes the run's seed unless it names its own.

    Example:
        >>> with_seed(OriginalConfig, {}, 7).seed
        7
    """
    names = {field.name for field in dataclasses.fields(config_class)}
    if "seed" in names:
        values = {"seed": seed, **values}
    return config_class.from_dict(values)

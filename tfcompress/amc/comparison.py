"""The agent beside the baselines, at one budget: the table behind a claim.

Every method works on the same `Problem`: one environment, the same held-out examples
and one memory of judged plans (a plan that two methods find is judged once, and counts
for both).  The agent's episodes, and the plans that `random` and `greedy` may judge,
are as many: ``config.episodes``.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from tfcompress import channels, data, files
from tfcompress.amc import baselines, families
from tfcompress.amc.evaluation import Evaluate
from tfcompress.amc.problem import Problem, make_problem
from tfcompress.amc.rewards import Reward
from tfcompress.amc.rows import CompareProgress, Row, row_of
from tfcompress.amc.scoring import Found, Scorer
from tfcompress.amc.search import run_search
from tfcompress.amc.search_state import Journal, StateFile
from tfcompress.amc.settings import AmcConfig
from tfcompress.amc.sparse_judging import Tune
from tfcompress.config import check_known, require

_LOG = logging.getLogger(__name__)

METHODS = ("uniform", "shallow", "deep", "random", "greedy", "amc")
"""Every method, in the order of the table."""

_BY_HAND: Mapping[str, Callable[[Scorer], Found]] = {
    "uniform": families.uniform,
    "shallow": families.shallow,
    "deep": families.deep,
}
_SEARCHES: Mapping[str, Callable[..., Found]] = {
    "random": baselines.random_search,
    "greedy": baselines.greedy,
}


def compare(  # noqa: PLR0913 - `search` for several methods
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: AmcConfig | None = None,
    methods: Iterable[str] = METHODS,
    seeds: Iterable[int] = (0,),
    budget: channels.Budget | None = None,
    evaluate: Evaluate | None = None,
    reward: Reward | None = None,
    task: data.Task | None = None,
    tune: Tune | None = None,
    state_dir: files.PathLike | None = None,
    progress: Callable[[CompareProgress], None] | None = None,
) -> tuple[Row, ...]:
    """Run several methods on one problem.

    Args:
        model: As for `search`.
        dataset: As for `search`.
        config: The settings; its seed gives way to `seeds`.
        methods: Names among `METHODS`.
        seeds: Each gives a row of every method with chance.
        budget: As for `search`.
        evaluate: As for `search`.
        reward: As for `search`.
        task: As for `search`.
        tune: As for `search`.
        state_dir: Where to keep what is done; the same call after a kill goes on there,
            and further methods or seeds add to it.
        progress: Called after every evaluation.

    Returns:
        One row per method and seed, in their order.

    Raises:
        ConfigError: If a method is unknown.
        TfCompressError: As `search`.
    """
    config = dataclasses.replace(config or AmcConfig(), seed=0)
    methods, seeds = tuple(methods), tuple(seeds)
    for method in methods:
        check_known(method, METHODS, owner="compare")
    require(seeds, "seeds", seeds, "at least one number, such as (0,)")
    problem = make_problem(
        model, dataset, config=config, budget=budget, evaluate=evaluate, reward=reward,
        task=task, tune=tune, spill_dir=state_dir,
    )  # fmt: skip
    run = _Run(problem, state_dir, progress)
    return run.rows(
        [
            (method, seed)
            for method in methods
            for seed in ((None,) if method in _BY_HAND else seeds)
        ]
    )


class _Run:
    """The methods of one call, on top of those that a killed call has finished."""

    def __init__(
        self,
        problem: Problem,
        state_dir: files.PathLike | None,
        progress: Callable[[CompareProgress], None] | None,
    ) -> None:
        self._problem, self._progress = problem, progress
        self._dir = None if state_dir is None else pathlib.Path(state_dir)
        episodes = str(problem.config.episodes)
        identity = files.fingerprint(problem.identity, episodes)
        self._file = StateFile(self._dir, identity=identity, name="comparison.npz")
        self._rows = Journal()
        saved = self._file.load()
        if saved is not None:
            self._rows = Journal(saved.records["rows"])
            problem.known.add(saved.records["known"])
        self._done, self._total = 0, 1

    def rows(self, wanted: list[tuple[str, int | None]]) -> tuple[Row, ...]:
        """Return the wanted rows, those that were not done before first being made."""
        self._problem.original()  # before the long work: does `evaluate` work at all
        self._total = sum(self._evaluations(method) for method, _ in wanted)
        for method, seed in wanted:
            if self._find(method, seed) is None:
                self._rows.append(self._make(method, seed).to_dict())
                self._save()
            self._done += self._evaluations(method)
        found = [self._find(method, seed) for method, seed in wanted]
        return tuple(Row.from_dict(record) for record in found if record is not None)

    def _find(self, method: str, seed: int | None) -> dict[str, Any] | None:
        matching = (
            record
            for record in self._rows
            if (record["method"], record["seed"]) == (method, seed)
        )
        return next(matching, None)

    def _make(self, method: str, seed: int | None) -> Row:
        _LOG.info("compare: %s, seed %s", method, seed)
        if method == "amc":
            return self._search(int(seed or 0))
        count = 0

        def judged(best: float | None) -> None:
            nonlocal count
            count += 1
            self._save()
            self._report(method, seed, count, best)

        scorer = Scorer(self._problem, self._evaluations(method), judged)
        if method in _BY_HAND:
            return row_of(method, None, scorer.problem.plans, _BY_HAND[method](scorer))
        return row_of(
            method, seed, scorer.problem.plans, _SEARCHES[method](scorer, seed=seed)
        )

    def _search(self, seed: int) -> Row:
        problem = self._problem.seeded(seed)
        plans = problem.plans
        result = run_search(
            problem,
            state_dir=self._dir and self._dir / f"amc-{seed}",
            progress=lambda p: self._report("amc", seed, p.episode, p.best_reward),
        )
        return row_of(
            "amc",
            seed,
            plans,
            Found(
                widths=tuple(d["kept"] for d in result.decisions),
                plan=result.plan if result.sparsities is None else result.sparsities,
                reward=result.best_reward,
                evaluated=result.best,
                best_rewards=tuple(r["best_reward"] for r in result.history),
            ),
        )

    def _evaluations(self, method: str) -> int:
        return 1 if method in _BY_HAND else self._problem.config.episodes

    def _save(self) -> None:
        self._file.save({}, {"rows": self._rows, "known": self._problem.known.journal})

    def _report(
        self, method: str, seed: int | None, count: int, best: float | None
    ) -> None:
        if self._progress is None:
            return
        evaluations = self._evaluations(method)
        done = self._done + min(count, evaluations)
        self._progress(
            CompareProgress(
                method=method,
                seed=seed,
                evaluation=count,
                evaluations=evaluations,
                best_reward=best,
                fraction=min(1.0, done / self._total),
            )
        )

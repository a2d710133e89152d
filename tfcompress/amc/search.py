"""The whole search: let the agent make plans, learn from them, and keep the best.

::

    for each episode:  decide every group -> judge the plan -> reward -> learn -> save

Every state that an episode leaves behind (agent, replay, generators, history, what is
known of judged plans) is saved before the next one begins, so a search that is killed
goes on with the draws that it would have made.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, sections 3.2 and 4.  Where we differ: the result is the best plan
that was judged, in the warm-up too, with the weights that it was judged with.
"""

from __future__ import annotations

import collections
import logging
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import channels, data, files
from tfcompress.amc.agent import DdpgAgent, LossInfo
from tfcompress.amc.driver import Episode, learn
from tfcompress.amc.evaluation import Evaluate
from tfcompress.amc.exploration import Explorer
from tfcompress.amc.plan_kinds import Widths, describe
from tfcompress.amc.problem import Problem, make_problem
from tfcompress.amc.results import AmcProgress, AmcResult
from tfcompress.amc.rewards import Evaluated, Reward
from tfcompress.amc.search_state import Journal, StateFile
from tfcompress.amc.settings import AmcConfig
from tfcompress.amc.sparse_judging import Tune
from tfcompress.channels import budgets
from tfcompress.training.event_files import EventFile

_LOG = logging.getLogger(__name__)
_RECENT = 50  # episodes that the time left is reckoned from


Progress = Callable[[AmcProgress], None]


def search(  # noqa: PLR0913 - one obvious call, all but two by keyword
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: AmcConfig | None = None,
    budget: channels.Budget | None = None,
    evaluate: Evaluate | None = None,
    reward: Reward | None = None,
    task: data.Task | None = None,
    tune: Tune | None = None,
    state_dir: files.PathLike | None = None,
    progress: Progress | None = None,
) -> AmcResult:
    """Find how much of each layer to keep, by reinforcement learning.

    Args:
        model: A built functional or Sequential model, trained. It is not changed.
        dataset: Its validation part, held out of the training set, judges the plans;
            its training part repairs them. The test part is not touched.
        config: The settings; by default half of the MACs go.
        budget: Limits to use instead of the config's, for costs that no setting can
            name, such as a latency.
        evaluate: Judges plans instead: gets a model, always the same object with other
            weights, and returns the task's metric.
        reward: What a judged plan is worth, instead of the config's.
        task: Metric; by default the compiled model's, else the data set's.
        tune: In fine-grained mode, trains the model briefly before it is judged.
        state_dir: Where to keep the state and TensorBoard's figures; the same call
            after a kill goes on there, and more episodes continue a finished search.
            What the repair cannot keep in ``max_memory_mb`` is mapped to files there.
        progress: Called after every episode.

    Returns:
        The plan of the best reward.

    Raises:
        ModelError: If fewer than two groups can be cut, or `evaluate` fails or returns
            no number (which is tried on the unpruned model first).
        BudgetError: If no plan meets the budget; before any episode.
        DataError: If the data do not fit the model, or are fewer than asked for.
        TrainingError: If the agent diverges.
    """
    started = time.perf_counter()
    config = config or AmcConfig()
    problem = make_problem(
        model, dataset, config=config, budget=budget, evaluate=evaluate, reward=reward,
        task=task, tune=tune, spill_dir=state_dir,
    )  # fmt: skip
    return run_search(problem, state_dir=state_dir, progress=progress, started=started)


def run_search(
    problem: Problem,
    *,
    state_dir: files.PathLike | None = None,
    progress: Progress | None = None,
    started: float | None = None,
) -> AmcResult:
    """Search a problem that was put together before."""
    started = time.perf_counter() if started is None else started
    run = _Run(problem, state_dir)
    run.all_episodes(progress)
    return run.result(time.perf_counter() - started)


class _Run:
    """The episodes of one call, on top of those that a killed call has saved."""

    def __init__(self, problem: Problem, state_dir: files.PathLike | None) -> None:
        self._problem, config = problem, problem.config
        environment = problem.environment
        self._agent = DdpgAgent(
            environment.observation_spec().shape[0],
            config=config,
            seed=config.seed,
            num_steps=environment.num_decisions,
        )
        sampling = np.random.SeedSequence(config.seed).generate_state(1)[0]
        self._replay = self._agent.make_replay(int(sampling))
        self._explorer = Explorer(problem, self._agent)
        self._file = StateFile(state_dir, identity=problem.identity)
        self._events = _Events(state_dir)
        self._history, self._best = Journal(), Journal()
        self._notes: tuple[str, ...] = ()
        self._seconds: collections.deque[float] = collections.deque(maxlen=_RECENT)
        self._restore()

    def all_episodes(self, progress: Progress | None) -> None:
        """Run the episodes that are left, or fewer if nothing gets better."""
        self._problem.original()  # before the long work: does `evaluate` work at all
        for number in range(len(self._history), self._problem.config.episodes):
            if self._is_plateau(number):
                note = f"no better plan in {self._problem.config.patience} episodes"
                self._notes = (f"stopped after {number}: {note}",)
                break
            begun = time.perf_counter()
            self._run_one(number)
            self._seconds.append(time.perf_counter() - begun)
            if progress:
                progress(self._progress())

    def result(self, seconds: float) -> AmcResult:
        """Return the best plan that was judged."""
        problem, (best,) = self._problem, self._best
        plans = problem.plans
        plan = plans.read(best["plan"])
        found = plans.evaluate(plan)
        return AmcResult(
            plan=plans.cut(plan),
            sparsities=plans.sparsities(plan),
            model=plans.model(plan),
            history=list(self._history),
            best_reward=best["reward"],
            best_metric=found.metric,
            best=found,
            best_episode=best["episode"],
            original=problem.original(),
            evaluations=len({record["widths"] for record in self._history}),
            decisions=describe(plans, plan, problem.layer_graph),
            settings=problem.settings(),
            notes=(*problem.notes, *self._notes),
            seconds=seconds,
        )

    def _run_one(self, number: int) -> None:
        agent = self._agent
        episode = self._explorer.episode(number, self._best_widths())
        losses = learn(agent, self._replay, episode, number=number)
        self._note(number, episode, losses)
        self._file.save(
            {
                "agent": agent.state(),
                "replay": self._replay.state(),
                "explorer": self._explorer.state(),
            },
            {
                "history": self._history,
                "best": self._best,
                "known": self._problem.known.journal,
            },
        )
        self._events.write(self._history.records[-1], agent.baseline)

    def _best_widths(self) -> Widths | None:
        plans = self._problem.plans
        return next(
            (plans.widths(plans.read(best["plan"])) for best in self._best), None
        )

    def _note(self, number: int, episode: Episode, losses: LossInfo | None) -> None:
        """Add an episode to the history, and its plan if it is the best so far."""
        reward, last = episode.reward, episode.infos[-1]
        evaluated: Evaluated = last["evaluated"]
        if not len(self._best) or reward > self._best.records[0]["reward"]:
            plans = self._problem.plans
            plan = plans.record(plans.environment.plan)
            self._best = Journal(
                [{"episode": number + 1, "reward": reward, "plan": plan}]
            )
        self._history.append(
            {
                "episode": number + 1,
                "reward": reward,
                "metric": evaluated.metric,
                "macs": evaluated.macs,
                "params": evaluated.params,
                "size_bytes": evaluated.size_bytes,
                "custom": list(evaluated.custom),
                "widths": last["key"],
                "best_reward": self._best.records[0]["reward"],
                "noise": self._agent.noise(number),
                "critic_loss": None if losses is None else losses.critic_loss,
                "cached": bool(last["cached"]),
            }
        )

    def _is_plateau(self, number: int) -> bool:
        """Tell whether the agent has found nothing better for too long."""
        config = self._problem.config
        if not config.patience or not len(self._best):
            return False
        best = max(self._best.records[0]["episode"], config.warmup_episodes)
        return bool(number - best >= config.patience)

    def _restore(self) -> None:
        saved = self._file.load()
        if saved is None:
            return
        self._agent.restore(saved.arrays["agent"])
        self._replay.restore(saved.arrays["replay"])
        self._history = Journal(saved.records["history"])
        self._best = Journal(saved.records["best"])
        self._problem.known.add(saved.records["known"])
        self._explorer.restore(saved.arrays["explorer"])
        _LOG.info("Going on after episode %d.", len(self._history))

    def _progress(self) -> AmcProgress:
        record, episodes = self._history.records[-1], self._problem.config.episodes
        left = episodes - len(self._history)
        each = sum(self._seconds) / len(self._seconds)
        return AmcProgress(
            episode=len(self._history),
            episodes=episodes,
            reward=record["reward"],
            best_reward=record["best_reward"],
            metric=record["metric"],
            cost={name: record[name] for name in budgets.COUNTED},
            eta_seconds=left * each,
        )


class _Events:
    """Writes the figures of each episode for TensorBoard, beside the state."""

    def __init__(self, state_dir: files.PathLike | None) -> None:
        self._file = state_dir and EventFile(pathlib.Path(state_dir) / "tensorboard")

    def write(self, record: Mapping[str, Any], baseline: float) -> None:
        """Write one episode."""
        if not self._file:
            return
        for name, value in {**record, "baseline": baseline}.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._file.scalar(f"amc/{name}", value, record["episode"])
        self._file.flush()

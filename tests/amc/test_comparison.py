"""Tests of `tfcompress.amc.comparison`."""

from __future__ import annotations

import json

import pytest

from tests.amc.fakes import corners, network, quick, survival
from tfcompress import errors, graph
from tfcompress.amc import METHODS, Row, compare, search


@pytest.fixture(scope="module")
def dataset():
    return corners()


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def rows(model, dataset):
    """Every method, two seeds where there is chance."""
    return compare(model, dataset, config=quick(), seeds=(0, 1), evaluate=survival)


def test_there_is_a_row_for_every_method_and_seed(rows):
    """Three by hand, three with chance."""
    assert [(row.method, row.seed) for row in rows] == [
        ("uniform", None), ("shallow", None), ("deep", None), ("random", 0),
        ("random", 1), ("greedy", 0), ("greedy", 1), ("amc", 0), ("amc", 1),
    ]  # fmt: skip
    assert {row.method for row in rows} == set(METHODS)


def test_all_meet_the_same_budget_with_as_many_evaluations(rows, model):
    """Half of the MACs; eight plans, or one by hand."""
    whole = graph.cost(model).macs
    for row in rows:
        assert row.macs == graph.cost(model, row.plan).macs <= 0.5 * whole
        assert row.evaluations == (1 if row.seed is None else 8)
        assert row.evaluations == len(row.best_rewards)
        assert row.best_rewards[-1] == row.reward == row.metric - 1
        assert tuple(row.plan.kept(f"conv{i}") for i in range(3)) == row.widths


def test_the_agents_row_is_that_of_a_search_alone(rows, model, dataset):
    """With the same seed."""
    alone = search(model, dataset, config=quick(seed=1), evaluate=survival)
    row = rows[-1]
    assert row.reward == alone.best_reward
    assert row.best_rewards == tuple(r["best_reward"] for r in alone.history)
    assert row.plan.to_dict() == alone.plan.to_dict()


def test_a_row_survives_json(rows):
    """Plan, widths and curve too."""
    for row in rows:
        again = Row.from_dict(json.loads(json.dumps(row.to_dict(), allow_nan=False)))
        assert again.to_dict() == row.to_dict()
        assert again.widths == row.widths


def test_methods_share_what_they_judge(model, dataset):
    """No plan is judged twice, whoever asks."""
    seen = []

    def counting(model):
        seen.append(tuple(weight.tobytes() for weight in model.get_weights()))
        return survival(model)

    compare(model, dataset, config=quick(), seeds=(0, 1), evaluate=counting)
    assert len(seen) == len(set(seen))


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def calls_of(limit=None):
    """Return an `evaluate` of survival's name that dies at a call."""
    calls = []

    def survival_(model):
        calls.append(1)
        if limit is not None and len(calls) == limit:
            raise Killed
        return survival(model)

    survival_.__name__ = survival.__name__
    return survival_, calls


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(3, marks=pytest.mark.slow),
        9,
        pytest.param(20, marks=pytest.mark.slow),
        pytest.param(29, marks=pytest.mark.slow),
    ],
)
def test_a_killed_comparison_goes_on(tmp_path, model, dataset, rows, limit):
    """By hand, at random, in greedy, in the agent: same rows, each plan once."""
    settings = {"config": quick(), "seeds": (0, 1), "state_dir": tmp_path}
    killing, calls = calls_of(limit)
    with pytest.raises(Killed):
        compare(model, dataset, evaluate=killing, **settings)
    counting, more = calls_of()
    again = compare(model, dataset, evaluate=counting, **settings)
    assert [row.to_dict() for row in again] == [row.to_dict() for row in rows]
    whole, all_calls = calls_of()
    compare(model, dataset, config=quick(), seeds=(0, 1), evaluate=whole)
    assert len(calls) - 1 + len(more) == len(all_calls)


def test_what_is_done_is_read_back_and_added_to(tmp_path, model, dataset, rows):
    """A further seed judges its own plans only; other settings start anew."""
    settings = {"config": quick(), "state_dir": tmp_path}
    compare(model, dataset, seeds=(0,), evaluate=survival, **settings)
    counting, calls = calls_of()
    again = compare(model, dataset, seeds=(0,), evaluate=counting, **settings)
    assert not calls
    added = compare(model, dataset, seeds=(0, 1), evaluate=counting, **settings)
    assert [row.to_dict() for row in added] == [row.to_dict() for row in rows]
    assert [row.to_dict() for row in again] == [
        row.to_dict() for row in rows if row.seed != 1
    ]


def test_progress_covers_the_whole_comparison(model, dataset):
    """One by hand and eight at random."""
    reports = []
    compare(
        model, dataset, config=quick(), methods=("uniform", "random"),
        evaluate=survival, progress=reports.append,
    )  # fmt: skip
    assert [(r.method, r.evaluation) for r in reports] == [
        ("uniform", 1), *(("random", i) for i in range(1, 9)),
    ]  # fmt: skip
    assert [r.fraction for r in reports] == [i / 9 for i in range(1, 10)]
    assert reports[-1].evaluations == 8
    best = [r.best_reward for r in reports[1:]]
    assert best == sorted(best)


def test_an_unknown_method_is_refused(model, dataset):
    """The nearest one is suggested."""
    with pytest.raises(errors.ConfigError, match="Did you mean 'uniform'"):
        compare(model, dataset, config=quick(), methods=("uniforn",))


def test_no_seed_is_refused(model, dataset):
    """There would be no row of the agent."""
    with pytest.raises(errors.ConfigError, match="seeds"):
        compare(model, dataset, config=quick(), seeds=())


def test_fine_grained_methods_are_compared_too(tmp_path, model, dataset):
    """Rows carry the sparsities, also when they are read back."""
    settings = {
        "config": quick(granularity="weights", params=0.4),
        "methods": ("uniform", "amc"),
        "evaluate": survival,
        "state_dir": tmp_path,
    }
    first = compare(model, dataset, **settings)
    again = compare(model, dataset, **settings)
    assert [row.to_dict() for row in again] == [row.to_dict() for row in first]
    for row in again:
        assert set(row.sparsities) == {"conv0", "conv1", "conv2", "head"}
        assert row.plan.keep == {}

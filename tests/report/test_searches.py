"""What a report says and draws of a search: AMC with its baselines."""

from __future__ import annotations

import json
import re

import pytest

from tests.report import runs
from tests.report.test_rendering import ELEMENTS, Page
from tfcompress import errors, report
from tfcompress.report import plots, search_charts, tables


@pytest.fixture
def run(tmp_path):
    """Return a copy of the fixture run."""
    return runs.copy(tmp_path, of=runs.SEARCH)


@pytest.fixture
def change(run):
    """Return a function that changes the search's record and reads the search."""

    def read(**values):
        def into(record):
            record["details"]["search"].update(values)

        runs.edit(run / "amc.json", into)
        (found,) = report.build(run).searches
        return found

    return read


def episode(metric, macs, reward=None, best=None):
    return {
        "metric": metric,
        "macs": macs,
        "params": 10,
        "reward": metric - 1 if reward is None else reward,
        "best_reward": best,
    }


def marks(drawing, tag, class_):
    return re.findall(rf'<{tag} [^>]*class="{class_}"[^>]*>', str(drawing))


def test_markdown_is_as_agreed(golden):
    """The whole text, for a reader to judge in the diff."""
    golden("report/search.md", report.to_markdown(report.build(runs.SEARCH)))


def test_json_is_as_agreed(golden):
    """Every number of the search, for programs."""
    content = report.build(runs.SEARCH).to_dict()["searches"]
    golden("report/search.json", json.dumps(content, indent=1) + "\n")


def test_the_page_shows_the_table_and_four_charts():
    built = report.build(runs.SEARCH)
    page = Page(report.to_html(built))

    assert page.unclosed == []
    assert "search" in page.ids
    assert set(page.tags) <= ELEMENTS
    said = [text for text in page.charts if text]
    for start in (
        "Reward of 40 episodes; the best so far goes from ",
        "Best reward so far by number of plans tried. At the end: uniform ",
        "Kept of each layer, in order: conv1 ",
        "different plans by MACs and accuracy. uniform ",
    ):
        assert any(start in text for text in said), start


def test_the_summary_says_what_was_tried_and_found(change):
    search = change(
        evaluations=1,
        num_examples=3000,
        history=[episode(0.8, 500, best=-0.2), episode(0.8, 500, best=-0.2)],
        best={"metric": 0.8, "macs": 500, "reward": -0.2},
        original={"metric": 0.9, "macs": 1000},
    )

    assert search.summary == (
        "2 plans were tried, 1 of them different, each judged on 3,000 held-out "
        "examples. The best has 80.00 % accuracy with 50.0 % of the MACs, before any "
        "training; the uncut network has 90.00 %."
    )


def test_the_table_puts_the_plan_below_the_baselines(change):
    search = change(
        original={"metric": 0.9, "macs": 1000},
        best={"metric": 0.8, "macs": 495, "params": 7, "reward": -0.2},
        baselines=[
            {"method": "uniform", "metric": 0.7, "macs": 500, "reward": -0.3},
        ],
    )

    table = tables.search_table(search)
    assert table.columns[:3] == ("plan", "accuracy (held-out)", "MACs")
    assert [row[:3] for row in table.rows] == [
        ("uniform", "70.00 %", "500 (50.0 %)"),
        ("amc", "80.00 %", "495 (49.5 %)"),
    ]
    assert [row[4] for row in table.rows] == ["\N{MINUS SIGN}0.3", "\N{MINUS SIGN}0.2"]


def test_the_front_holds_what_no_plan_beats_in_both(change):
    """Cheaper and worse, or dearer and better; each plan once."""
    plans = [(0.5, 300), (0.8, 500), (0.7, 600), (0.6, 400), (0.8, 500), (0.9, 700)]
    search = change(
        original={"macs": 1000}, history=[episode(metric, m) for metric, m in plans]
    )

    assert search.front == [(0.3, 0.5), (0.4, 0.6), (0.5, 0.8), (0.7, 0.9)]
    assert len(search.points) == 5


def test_the_front_of_an_error_goes_down(change):
    search = change(
        metric="mean_absolute_error",
        higher_is_better=False,
        original={"macs": 1000},
        history=[episode(5.0, 300), episode(4.0, 400), episode(4.5, 500)],
    )

    assert search.front == [(0.3, 5.0), (0.4, 4.0)]
    assert not search.fraction


@pytest.mark.parametrize(
    ("limits", "expected"), [({"macs": 0.4}, 0.4), ({"macs": 250}, 0.25), ({}, None)]
)
def test_a_limit_is_read_as_budgets_do(change, limits, expected):
    """Up to 1 it is a fraction, above 1 a number."""
    search = change(original={"macs": 1000}, limits=limits)

    assert search.limit == expected


def test_plans_of_single_weights_are_compared_by_the_weights_that_stay(change):
    """Zeros change no MACs."""
    plans = [
        {"metric": 0.8, "macs": 1000, "params": 40, "reward": -0.2},
        {"metric": 0.7, "macs": 1000, "params": 30, "reward": -0.3},
    ]
    search = change(
        granularity="weights",
        history=plans,
        best=plans[0],
        baselines=[],
        original={"macs": 1000, "params": 100},
        limits={"params": 0.4},
    )

    assert search.points == [(0.4, 0.8), (0.3, 0.7)]
    assert search.limit == 0.4
    assert "with 40.0 % of the weights" in search.summary
    assert tables.search_table(search).rows[0][2:4] == ("1.00 k", "40 (40.0 %)")


def test_every_episode_is_a_dot_and_the_best_a_line():
    (search,) = report.build(runs.SEARCH).searches

    drawn = search_charts.rewards(search)

    assert len(marks(drawn, "circle", "try")) == 40
    assert len(marks(drawn, "path", "line best")) == 1
    assert len(marks(drawn, "rect", "warmup")) == 1


def test_searching_methods_race_and_single_plans_are_levels():
    (search,) = report.build(runs.SEARCH).searches

    drawn = search_charts.race(search)

    assert len(marks(drawn, "path", "line best")) == 1
    assert len(marks(drawn, "path", "line rival")) == 2  # random, greedy
    assert len(marks(drawn, "path", "line level")) == 3  # uniform, shallow, deep


def test_without_baselines_there_is_no_race(change):
    search = change(baselines=[])

    assert search_charts.race(search) == ""
    assert search_charts.rewards(search)
    assert search.uniform_ratios == []


def test_columns_stand_beside_the_uniform_baseline(change):
    decisions = [
        {"group": "a", "size": 16, "ratio": 0.5},
        {"group": "b", "size": 32, "ratio": 0.25},
    ]
    uniform = {"method": "uniform", "widths": [8, 16], "reward": -0.3}
    search = change(decisions=decisions, baselines=[uniform])

    drawn = search_charts.columns(search)

    assert search.uniform_ratios == [0.5, 0.5]
    heights = re.findall(r'height="([\d.]+)" class="fill"', str(drawn))
    assert [float(h) for h in heights] == [95.0, 47.5]  # of 190 px
    assert len(marks(drawn, "line", "uniform")) == 2


def test_the_budget_is_an_upright_in_the_cloud(change):
    plans = [episode(0.8, 480), episode(0.7, 520)]
    settings = {"history": plans, "original": {"macs": 1000}}

    with_limit = change(**settings, limits={"macs": 0.5})
    assert len(marks(search_charts.cloud(with_limit), "line", "limit")) == 1
    without = change(**settings, limits={})
    assert not marks(search_charts.cloud(without), "line", "limit")


def test_rewards_that_are_not_finite_leave_gaps(change):
    history = [episode(0.8, 480, best=-0.2), episode(float("nan"), 500, best=-0.2)]
    search = change(history=history)

    assert search.episodes[1].reward is None
    assert len(marks(search_charts.rewards(search), "circle", "try")) == 1


def test_one_episode_makes_a_page(change, run):
    change(history=[episode(0.8, 480, best=-0.2)], warmup_episodes=0, baselines=[])

    text = report.to_html(report.build(run))
    assert "1 plans" not in text
    assert "1 plan was tried" in text


def test_names_move_apart_inside_the_plot():
    """Names that touch move as one; the order stays; nothing leaves the plot."""
    bottom = plots.TOP + plots.HEIGHT
    assert plots.apart([50.0, 50.0, 50.0]) == [35.0, 50.0, 65.0]
    assert plots.apart([bottom, bottom]) == [bottom - plots.NAME_GAP, bottom]
    assert plots.apart([plots.TOP, plots.TOP]) == [
        plots.TOP,
        plots.TOP + plots.NAME_GAP,
    ]
    assert plots.apart([]) == []


def test_a_ratio_that_is_none_is_one_clear_error(change):
    with pytest.raises(errors.DataError, match=r"decisions\[0\]\.ratio=1\.5; it must"):
        change(decisions=[{"group": "a", "ratio": 1.5}])


def test_a_search_run_misses_no_scales_and_no_training(run):
    """They belong to other methods."""
    missing = report.build(run).missing

    assert not [line for line in missing if "scales" in line or "history" in line]


def test_hostile_names_stay_text(run):
    runs.name_the_search(run, runs.HOSTILE)
    built = report.build(run)
    page = Page(report.to_html(built))

    assert page.unclosed == []
    assert set(page.tags) <= ELEMENTS
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<img" not in report.to_markdown(built)


def test_finalists_say_what_was_measured_or_why_not(change):
    """Each beside its prediction, and where."""
    timed = {
        "limit_ms": 4.0,
        "where": "device",
        "recipe": "int8",
        "num_threads": 1,
        "not_measured": None,
        "plans": [{"episode": 7, "predicted_ms": 3.0, "measured_ms": 4.0}],
    }
    limit, plan, *_ = change(latency=timed).notes
    assert limit.startswith("Limit: 4 ms device latency, int8 files, 1 thread,")
    assert plan.startswith("Plan 7: predicted 3.000 ms, measured 4.000 ms (")
    assert plan.endswith("prediction off by \u221225.0 %).")
    timed["plans"][0]["measured_ms"] = None
    timed["not_measured"] = "There is no such device."
    _, plan, reason, *_ = change(latency=timed).notes
    assert plan == "Plan 7: predicted 3.000 ms, not measured."
    assert reason.endswith("not measured on the device: There is no such device.")

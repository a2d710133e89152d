"""Tests of `tfcompress.amc.features`, against observations worked out by hand."""

from __future__ import annotations

import pytest

from tests.amc.nets import chain, made, play
from tests.models import conv_bn_net
from tfcompress import graph
from tfcompress.channels import Budget


def test_observations_are_those_worked_out_by_hand():
    """t, n, c, h, w, stride, k, cost | reduced, rest, a[t-1].

    n: b has 8 outputs, the head 2. Cost: a runs through layers a and b, 144 MACs; b
    through b and the head, 80. Everything else is the same for both. Before the first
    decision layers b and head, 80 of 160, are still touched later. After a = 4, 88 MACs
    are left: 72 / 160 = 0.45 gone, and nothing comes later.
    """
    steps, _ = play(chain(), [0.5, 0.25])
    first, second, last = (step.observation for step in steps)
    assert first.tolist() == [0, 1, 0, 0, 0, 0, 0, 1, 0, 0.5, 1]
    assert second.tolist() == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0, 0.45, 0, 0.5])
    # b = 2: 40 + 8 + 4 = 52 MACs are left.
    assert last.tolist() == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0, 0.675, 0, 0.25])


def test_convolutions_show_their_input_size_stride_and_window():
    """conv0 is read by conv1: 12 x 12 x 8 in, 16 out, stride 2, 3 x 3; the tied group
    of conv1 and res_conv first by res_conv: 6 x 6 x 16 in, stride 1."""
    layer_graph = graph.trace(conv_bn_net(widths=(8, 16)))
    environment = made(layer_graph, Budget(macs=0.9))
    decisions = environment.decisions
    assert [d.layer for d in decisions] == ["conv1", "res_conv"]
    first, second = (step.observation for step in play(environment, [1, 1])[0][:2])
    assert first[:7].tolist() == [0, 0, 0, 1, 1, 1, 0]
    assert second[:7].tolist() == [1, 0, 1, 0, 0, 0, 0]

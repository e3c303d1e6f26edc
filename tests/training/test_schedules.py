"""The learning rate of every step."""

import pytest
import torch

from cnn_anatomy.training.schedules import cosine, one_cycle, step


def rates(schedule, steps, lr=1.0, **settings):
    """Return the learning rate of each of `steps` optimiser steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule(optimizer, steps=steps, **settings)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def test_step_divides_the_rate_by_ten_at_each_milestone():
    values = rates(step, 20, lr=0.1)  # the first step of a milestone has the lower rate already
    assert values == pytest.approx([0.1] * 10 + [0.01] * 5 + [0.001] * 5, rel=1e-12)


def test_step_takes_any_milestones_and_factor():
    values = rates(step, 8, milestones=[0.25, 0.5, 0.875], factor=0.5)
    assert values == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_step_warms_up_at_a_lower_rate():
    values = rates(step, 10, lr=0.1, milestones=[0.5], warmup=0.2)
    assert values == pytest.approx([0.01] * 2 + [0.1] * 3 + [0.01] * 5, rel=1e-12)


def test_one_cycle_reaches_its_peak_after_the_warm_up():
    values = rates(one_cycle, 40, max_lr=0.2, pct_start=0.25)
    assert max(values) == pytest.approx(0.2)
    assert values.index(max(values)) == 40 * 0.25 - 1
    assert values[0] == pytest.approx(0.2 / 25)


@pytest.mark.parametrize(("steps", "pct_start"), [(4, 0.25), (10, 0.1)])
def test_one_cycle_warms_up_in_one_step(steps, pct_start):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ZeroDivisionError):  # the reason for the longer warm-up
        torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.2, total_steps=steps, pct_start=pct_start
        )
    values = rates(one_cycle, steps, max_lr=0.2, pct_start=pct_start)
    longer = rates(one_cycle, steps, max_lr=0.2, pct_start=1.5 / steps)
    assert values == longer
    assert values[0] == pytest.approx(0.2 / 25)
    assert max(values) == values[1]
    assert values[2:] == sorted(values[2:], reverse=True)


def test_cosine_is_half_way_down_in_the_middle():
    values = rates(cosine, 10)
    assert values[0] == 1
    assert values[5] == pytest.approx(0.5)
    assert values == sorted(values, reverse=True)

"""Settings that PyTorch or Lightning refuses are mistakes; errors of any other code are bugs."""

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.training import schedules
from cnn_anatomy.training.dry_run import require_trainable

TRAINER = {"max_epochs": 1, "accelerator": "cpu"}
SGD = partial(torch.optim.SGD, lr=0.1)
UNKNOWN: dict[str, Any] = {"beta": 1}  # no keyword of SGD's


class Typo(LRScheduler):
    def __init__(self, optimizer, steps):
        super().__init__(optimizer)

    def get_lr(self):
        return [self.base_rate for _ in self.optimizer.param_groups]


def of_a_wrong_value(optimizer, steps):
    return OneCycleLR(optimizer, max_lr=0.1, total_steps=-steps)


def without_steps(optimizer):
    return CosineAnnealingLR(optimizer, T_max=1)


def dry_run(optimizer=SGD, scheduler=schedules.cosine, **trainer):
    require_trainable(optimizer, scheduler, {**TRAINER, **trainer}, steps=10)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"optimizer": partial(torch.optim.SGD, lr=-1)}, "optimizer is refused: Invalid learning"),
        ({"optimizer": partial(torch.optim.SGD, **UNKNOWN)}, "optimizer .* keyword .*'beta'"),
        (
            {"scheduler": partial(schedules.one_cycle, max_lr=0.1, pct_start=2.0)},
            "scheduler is refused: Expected float between 0 and 1",
        ),
        ({"scheduler": partial(schedules.one_cycle, max_rate=1)}, "scheduler .* 'max_rate'"),
        ({"max_steps": -2}, "trainer is refused: `max_steps` must be"),
        ({"max_epoch": 1}, "trainer .* 'max_epoch'"),
        ({"accelerator": "quantum"}, "trainer is refused: "),
    ],
)
def test_what_a_library_refuses_is_a_sentence(parts, sentence):
    with pytest.raises(ConfigError, match=sentence):
        dry_run(**parts)


@pytest.mark.parametrize(
    ("scheduler", "kind"),
    [(Typo, AttributeError), (of_a_wrong_value, ValueError), (without_steps, TypeError)],
)
def test_a_bug_in_a_scheduler_is_raised(scheduler, kind):
    with pytest.raises(kind):
        dry_run(scheduler=scheduler)


def test_settings_that_work_are_left_alone():
    dry_run()

"""Which values a key may have: the one table to extend for a new key of conf/."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cnn_anatomy.core.errors import did_you_mean


@dataclass(frozen=True)
class Limits:
    """What a number (every number of a list) or a text may be; null is left to its kind.

    Args:
        low, high: the least and the largest number.
        above, below: the same, but excluded themselves.
        choices: the only texts.
        pattern: of the text, with `said` to describe it.
        kind: the annotation, for a key that no class's signature describes.
    """

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str = ""
    said: str = ""
    kind: str = ""

    def fault(self, value: Any) -> str | None:
        """Return what is wrong with a value, as in `is below 1`, or None."""
        if isinstance(value, list):
            return next((f for v in value if (f := self.fault(v))), None)
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                return f"is none of {', '.join(self.choices)}{did_you_mean(value, self.choices)}"
            if self.pattern and not re.fullmatch(self.pattern, value):
                return f"is not {self.said}"
            return None
        if isinstance(value, int | float):
            inside = self.low <= value <= self.high and self.above < value < self.below
            return None if inside else f"is out of range: it must be {self._range()}"
        return None

    def _range(self) -> str:
        bounds = [
            (self.low, "at least"),
            (self.above, "above"),
            (self.high, "at most"),
            (self.below, "below"),
        ]
        return " and ".join(f"{word} {b:.10g}" for b, word in bounds if math.isfinite(b))


SEED = Limits(0, 2**31 - 1)
COUNT = Limits(0)
SIZE = Limits(1)
SHARE = Limits(0, below=1)
WEIGHT = Limits(0)
BACKBONES = (
    *("resnet18", "resnet34", "resnet50", "googlenet", "inception_v3"),
    *("vgg16", "vgg16_bn", "densenet121"),
)
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # probes compute in float32, as weights do

# The first pattern that matches a key counts.
LIMITS = {
    "seed": Limits(0, 2**31 - 1, kind="int"),
    "*.seed": SEED,
    "threads": Limits(1, 1024, kind="int"),
    "study": Limits(
        pattern=r"\w[\w.-]*", said="a name of letters, digits, - and _, as in skip", kind="str"
    ),
    "variant": Limits(pattern=r"[^\n]+", said="a name of one line", kind="str"),
    "tracking.uri": Limits(kind="str | None"),
    "tracking.parent": Limits(pattern=r"\w+", said="the id of a run", kind="str | None"),
    "tracking.log": Limits(kind="str | None"),
    "tracking.weights": Limits(kind="bool"),
    "compile": Limits(kind="bool"),
    "paths.cache": Limits(pattern=r".+", said="a folder", kind="str"),
    "trainer.precision": Limits(choices=PRECISIONS, kind="str"),
    "trainer.accelerator": Limits(choices=("auto", "cpu", "gpu", "cuda", "mps", "tpu"), kind="str"),
    "trainer.devices": Limits(1, kind="int | str | list[int]"),
    "trainer.strategy": Limits(
        choices=("auto", "ddp", "ddp_find_unused_parameters_true"), kind="str"
    ),
    "trainer.num_nodes": Limits(1, kind="int"),
    "trainer.max_epochs": Limits(1, kind="int"),
    "trainer.gradient_clip_val": Limits(above=0),
    "trainer.deterministic": Limits(choices=("warn",), kind="bool | str"),
    "optimizer.lr": Limits(above=0),
    "optimizer.weight_decay": WEIGHT,
    "optimizer.momentum": SHARE,
    "optimizer.betas": SHARE,
    "optimizer.eps": Limits(above=0),
    "scheduler.max_lr": Limits(above=0),
    "scheduler.milestones": Limits(above=0, below=1),
    "scheduler.factor": Limits(above=0, below=1),
    "scheduler.warmup": SHARE,
    "scheduler.pct_start": Limits(above=0, below=1),
    "model.depth": Limits(kind="int"),  # of which form, says rules.py
    "model.width": SIZE,
    "model.stages": SIZE,
    "model.blocks": SIZE,
    "model.base": Limits(choices=("a", "b", "c")),
    "model.halve": Limits(choices=("after", "last")),
    "model.name": Limits(choices=BACKBONES),
    "model.resize": Limits(1, 4096),
    "model.stem.blur": Limits(0, 7),
    "model.stem.dropout": SHARE,
    "model.stem.response_norm": COUNT,
    "model.stem.*": SIZE,
    "model.last_pooling.kernel": Limits(2, 3),
    "block.expansion": SIZE,
    "pooling.kernel": Limits(2, 3),
    "pooling.size": Limits(2, 7),
    "pooling.p": Limits(1, 100),
    "pooling.eps": Limits(above=0),
    "skip.scale": Limits(0, 1),
    "skip.dropout": SHARE,
    "skip.bias": Limits(-100, 100),
    "norm.groups": SIZE,
    "norm.eps": Limits(above=0),
    "init.std": WEIGHT,
    "inception.depth": COUNT,
    "inception.small": Limits(1, 7),
    "inception.large": Limits(1, 7),
    "head.hidden": COUNT,
    "head.dropout": SHARE,
    "aux.weight": WEIGHT,
    "aux.decay": Limits(0, 1),
    "aux.dropout": Limits(0, below=1, kind="float"),
    "aux.stages": SIZE,
    "aux.window": Limits(0, kind="int"),
    "aux.*": Limits(1, kind="int"),
    "transfer.layers": Limits(0, kind="int | None"),
    "freeze.until": Limits(above=0, high=1),
    "freeze.*": COUNT,
    "data.batch_size": SIZE,
    "data.eval_batch_size": SIZE,
    "data.classes": COUNT,
    "data.train_limit": SIZE,
    "data.augment.pad": COUNT,
    "data.source.validation": Limits(above=0, below=1),
    "data.source.canvas": Limits(8, 1024),
    "data.source.size": Limits(1, 4096),
    "data.source.noise": Limits(0, 255),
    "data.source.clutter": COUNT,
    "data.source.smallest": SIZE,
    "data.source.largest": SIZE,
    "data.source.patch": SIZE,
    "data.source.train": Limits(10),
    "data.source.val": Limits(10),
    "data.source.test": Limits(10),
    "data.source.spread": Limits(0, 1),
    "callbacks.frozen_prefix.limit": COUNT,
    "callbacks.selection.mode": Limits(choices=("max", "min")),
    "probes.gradients.every": SIZE,
    "probes.*.reach": SIZE,
    "probes.*.bins": SIZE,
    "probes.*.samples": SIZE,
    "probes.*.factors": Limits(above=0),
    "probes.*.zooms": Limits(above=0),
    "probes.*.noises": Limits(0, 255),
}


def limits(key: str) -> Limits:
    """Return those of a key of the configuration, or none."""
    return next((found for pattern, found in LIMITS.items() if fnmatchcase(key, pattern)), Limits())

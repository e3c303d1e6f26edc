"""What a module does with an image: its stages, its feature maps and its logits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from cnn_anatomy.networks.interface import parameters_alone


def separated_logits(output: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the logits and the auxiliary logits of what a module returned."""
    if not isinstance(output, tuple | list):
        return output, ()
    rest = list(output)
    fields = getattr(output, "_fields", ())
    main = rest.pop(fields.index("logits") if "logits" in fields else 0)
    side: list[Any] = []
    for element in rest:
        side += element if isinstance(element, tuple | list) else [element]
    return main, tuple(element for element in side if element is not None)


def found_stages(module: nn.Module, last: nn.Module, order: Sequence[nn.Module]) -> list[nn.Module]:
    """Return the modules that are the stages, see `Adapter`; `last` is the classifier."""
    begins = {m: k for k, m in enumerate(order)}
    children = [
        child
        for child in module.children()
        if runs_in(child, begins)
        and any(isinstance(m, nn.Conv2d | nn.Linear) for m in child.modules())
    ]
    children.sort(key=lambda child: min(begins[m] for m in child.modules() if m in begins))
    before = [child for child in children if last not in child.modules()]
    stages = [child for child in before if any(True for _ in child.children())] or before
    if len(stages) > 1:
        return stages
    inner = stages or [child for child in children if child is not last]
    deeper = found_stages(inner[0], last, order) if inner else []
    return deeper or stages


def runs_in(module: nn.Module, run: Any) -> bool:
    """Return whether any module within `module`, or itself, is in `run`."""
    return any(m in run for m in module.modules())


def grouped_parts(
    order: Sequence[tuple[str, nn.Module]],
    run: set[nn.Module],
    stages: Sequence[nn.Module],
    last: nn.Module,
) -> tuple[nn.ModuleList, ...]:
    """Return stem, stages and head: the modules of each that compute, in forward order."""
    number = {m: k for k, stage in enumerate(stages, 1) for m in stage.modules()}
    final = max((i for i, (_, m) in enumerate(order) if m in number), default=-1)
    parts: list[dict[nn.Module, None]] = [{} for _ in range(len(stages) + 2)]
    part = 0
    for i, (_, module) in enumerate(order):
        part = max(part, number.get(module, 0)) if i <= final else len(stages) + 1
        weights = parameters_alone(module, run)
        if module is last:
            parts[-1][module] = None
        elif weights is not None or not any(True for _ in module.children()):
            parts[number.get(module, part)][module if weights is None else weights] = None
    return tuple(nn.ModuleList(modules) for modules in parts)


def outlet(stage: nn.Module, order: Sequence[tuple[str, nn.Module]]) -> nn.Module:
    """Return the module that returns what a stage returns: itself, or of a list the last."""
    run = [m for _, m in order]
    while stage not in run:
        within = [child for child in stage.children() if runs_in(child, run)]
        if not within:
            return stage
        stage = max(
            within, key=lambda child: min(run.index(m) for m in child.modules() if m in run)
        )
    return stage


def is_map(x: Any, images: Tensor) -> bool:
    """Return whether x is a feature map (N, C, h, w) of images (N, C, H, W).

    Some networks have the channels last; then h and w don't have the sides' proportion.
    """
    if not isinstance(x, Tensor) or x.ndim != 4 or len(x) != len(images):
        return False
    (height, width), (h, w) = images.shape[-2:], x.shape[-2:]
    return abs(h - round(w * height / width)) <= 1 and h <= height


@contextmanager
def recorded_outputs(modules: Mapping[Any, nn.Module]) -> Iterator[dict[Any, Any]]:
    """Record the latest output of each of `modules`, by its key, within the block."""
    outputs: dict[Any, Any] = {}

    def recorder(key: Any) -> Any:
        def record(_: nn.Module, __: object, output: Any) -> None:
            outputs.pop(key, None)
            outputs[key] = output

        return record

    hooks = [m.register_forward_hook(recorder(key)) for key, m in modules.items()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()

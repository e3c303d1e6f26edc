"""timm's networks, each as `Adapter` observes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.networks.adapter import Adapter
from cnn_anatomy.networks.auxiliary import Auxiliary
from cnn_anatomy.networks.interface import Network
from cnn_anatomy.networks.surgery import NO_SURGERY, Surgery


def timm_network(
    *,
    name: str,
    args: Mapping[str, Any],
    resize: Annotated[int, Ge(1), Le(4096)] | None,
    stages: Sequence[str] | None,
    auxiliary: Auxiliary,
    surgery: Surgery = NO_SURGERY,
    channels: int,
    size: tuple[int, int],
    classes: int,
) -> Network:
    """Build timm's model `name` with `classes` logits, for images of any channels.

    Args:
        name: as timm.list_models() has it.
        args: further keywords of timm.create_model; img_size, for one, where a model has a size.
        resize: side in pixels to which images are scaled first, bilinearly; None to leave them.
        stages: names of the modules that are the stages; None to find them (see `Adapter`).
        auxiliary: our heads after its stages.
        surgery: replaces modules of it.
        channels: of the images.
        size: (H, W) of the images in pixels.
        classes: number of logits.

    Raises:
        ConfigError: if timm has no such model, or images are too small for it.
    """
    import timm  # an extra: the configuration's check says so where it is absent

    if name.partition(".")[0] not in timm.list_models():
        hint = did_you_mean(name, timm.list_models())
        raise ConfigError(f"model.name={name} is no model of timm.list_models(){hint}")
    options = {"num_classes": classes, "in_chans": channels, **args}
    return Adapter(
        timm.create_model(name, **options),
        torch.zeros(1, channels, *((resize, resize) if resize else size)),
        classes,
        stages=stages,
        auxiliary=auxiliary,
        surgery=surgery,
        subject=f"model.name={name}",
        resize=resize,
        larger="have them scaled, model.resize=224",
    )

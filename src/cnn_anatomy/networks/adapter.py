"""Any module that maps images to logits, behind the interface of `Network`.

What is inside is observed while an image runs through: which layers there are and in which order,
what each stage returns, which layer comes last. Nothing is asked of the module's code but that its
layers are modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_anatomy.config.constraints import refuse_own_heads
from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.notices import notice
from cnn_anatomy.networks.adaptive_average import replace_adaptive_averages
from cnn_anatomy.networks.auxiliary import Auxiliary, Own
from cnn_anatomy.networks.checkpoints import WRAPPER
from cnn_anatomy.networks.interface import (
    Network,
    Output,
    calls,
    weight_layers,
)
from cnn_anatomy.networks.network import run_or_refuse
from cnn_anatomy.networks.norm import Batch
from cnn_anatomy.networks.observation import (
    found_stages,
    grouped_parts,
    is_map,
    outlet,
    recorded_outputs,
    runs_in,
    separated_logits,
)
from cnn_anatomy.networks.surgery import Surgery
from cnn_anatomy.networks.undisturbed import undisturbed


class Adapter(Network):
    """A module that maps images (N, C, H, W) to logits, or to logits and auxiliary logits.

    A stage is a child of the module that has children itself and holds convolutions or linear
    layers, but not the classifier. If no child is such, each of these layers is a stage; if a
    single one is, its children count. What runs between two stages belongs to the first of them.

    Args:
        module: returns logits (N, classes), or a tuple or list of these and of auxiliary logits
            (N, classes), which count in training mode. The logits come first, or in a named tuple
            under the name `logits`.
        image: zeros of the shape of a scaled image, (1, C, H, W).
        classes: number of logits.
        stages: names of the modules that are the stages; None to find them.
        classifier: name of the last layer with weights; None for the last convolution or linear
            layer that runs.
        auxiliary: `Own` if the module's auxiliary logits count, otherwise our heads after stages.
        surgery: replaces modules, before anything is observed.
        subject: what to call the module in a refusal.
        resize: side in pixels to which images are scaled first, bilinearly; None to leave them.
        larger: how to have larger images, for a refusal.

    Raises:
        ConfigError: if there is no module of a name, the output is not as above, images are too
            small, or an auxiliary head has no stage or no feature map.
    """

    def __init__(
        self,
        module: nn.Module,
        image: Tensor,
        classes: int,
        *,
        stages: Sequence[str] | None = None,
        classifier: str | None = None,
        auxiliary: Auxiliary,
        surgery: Surgery,
        subject: str,
        resize: int | None = None,
        larger: str = "choose larger ones",
    ) -> None:
        super().__init__()
        self.module = module
        self.classes = classes
        self.subject = subject
        self.resize = resize
        replace_adaptive_averages(module)
        height, width = image.shape[-2:]
        order = run_or_refuse(
            lambda x: calls(module, x),
            image,
            f"images of {height}×{width} pixels are too small for {subject}: {larger}",
        )
        self.replaced = surgery(module, image, subject)
        if self.replaced:
            order = calls(module, image)
        with torch.no_grad():
            self._require_logits(module.eval()(image.repeat(2, 1, 1, 1)), 2)
        if not self._takes_channels_last(image):
            self.memory_format = torch.contiguous_format
        names = dict(module.named_modules())
        self._classifier_name = self._found_classifier(names, image, classifier)
        last = names[self._classifier_name]
        run = {m for _, m in order}
        chosen = (
            found_stages(module, last, [m for _, m in order])
            if stages is None
            else [self._named(names, "model.stages", name) for name in stages]
        )
        self._outlets = {k: outlet(stage, order) for k, stage in enumerate(chosen, 1)}
        returns_side = self._returns_side(image)
        side = [m for m in module.children() if returns_side and not runs_in(m, run)]
        self._side = tuple(side)
        self._parts = grouped_parts(order, run.union(*(m.modules() for m in side)), chosen, last)
        self.takes_side = isinstance(auxiliary, Own)
        if self.takes_side and not returns_side:
            refuse_own_heads()
        if returns_side and not self.takes_side:
            notice(
                f"{subject} returns auxiliary logits, which aux=own adds to the loss and this run "
                "leaves out"
            )
        self.tapped: dict[int, Tensor] = {}
        self.heads = self._our_heads(auxiliary, image)

    @property
    def stem(self) -> nn.ModuleList:
        """What runs before the first stage, module by module."""
        return self._parts[0]

    @property
    def stages(self) -> Sequence[nn.ModuleList]:
        """The stages, each with what runs after it and before the next."""
        return self._parts[1:-1]

    @property
    def head(self) -> nn.ModuleList:
        """What runs after the last stage, module by module."""
        return self._parts[-1]

    @property
    def auxiliary(self) -> nn.ModuleList:
        """The heads that run in training mode only: the module's own, and ours."""
        return nn.ModuleList([*self._side, *self.heads.values()])

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights."""
        return self.module.get_submodule(self._classifier_name)

    @property
    def task_parts(self) -> tuple[str, ...]:
        """Prefixes of the weights of the classifier and of auxiliary heads."""
        names = {module: name for name, module in self.module.named_modules()}
        side = [f"{WRAPPER}{names[module]}." for module in self._side]
        return (f"{WRAPPER}{self._classifier_name}.", *side, "heads.")

    def stage_of(self, name: str) -> int:
        """Return the stage (from 1) of the layer `name`, 0 for the stem and −1 for the head."""
        layer = self.get_submodule(name)
        numbers = [*range(len(self._parts) - 1), -1]
        return next(k for k, p in zip(numbers, self._parts, strict=True) if layer in p.modules())

    def forward(self, x: Tensor, after: int | None = None) -> Output:
        """Map images (N, C, H, W) to logits; auxiliary logits are those of training mode."""
        assert after is None, "an adapted network takes images alone"
        if self.resize is not None:
            x = F.interpolate(x, (self.resize, self.resize), mode="bilinear")
        if self.memory_format == torch.contiguous_format:
            x = x.clone(memory_format=torch.contiguous_format)  # grey images are both at once
        logits, side = separated_logits(self.module(x))
        if not self.training:
            return Output(logits)
        ours = tuple(head(self.tapped.pop(int(k))) for k, head in self.heads.items())
        return Output(logits, (*(side if self.takes_side else ()), *ours))

    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """Return the map (N, C, H, W) after each stage (from 1) that returns one."""
        with recorded_outputs(self._outlets) as outputs:
            self(images)
        maps = {k: x for k, x in outputs.items() if is_map(x, images)}
        absent = [str(k) for k in self._outlets if k not in maps]
        if absent:
            notice(f"{self.subject}: no feature map after stage {', '.join(absent)}")
        return maps

    def class_activation(self, images: Tensor, classes: Tensor) -> Tensor | None:
        """Return the maps (N, h, w) of images (N, C, H, W) for `classes` (N,).

        None unless the classifier is linear and takes the spatial mean of a feature map.
        """
        classifier = self.classifier
        source = self._averaged(images[:2])
        if source is None or not isinstance(classifier, nn.Linear):
            notice(f"{self.subject}: no class-activation maps, as no spatial mean is classified")
            return None
        with recorded_outputs({0: source}) as outputs:
            self(images)
        weights = classifier.weight[classes].to(outputs[0].dtype)
        return torch.einsum("nchw,nc->nhw", outputs[0], weights)

    def _averaged(self, images: Tensor) -> nn.Module | None:
        """Return the last module with a map whose spatial mean the classifier takes."""
        vectors: list[Tensor] = []
        hook = self.classifier.register_forward_pre_hook(lambda _, x: vectors.append(x[0]))
        with recorded_outputs(dict(self.module.named_modules())) as outputs:
            self(images)
        hook.remove()
        for name, x in reversed(outputs.items()):
            if not is_map(x, images) or x.shape[-2:].numel() == 1:
                continue
            mean = x.mean((2, 3))
            if mean.shape == vectors[0].shape and torch.allclose(mean, vectors[0], 1e-3, 1e-5):
                return self.module.get_submodule(name)
        return None

    def _require_logits(self, output: Any, count: int) -> None:
        """Check what the module returned for `count` images."""
        logits, side = separated_logits(output)
        for tensor in (logits, *side):
            if not isinstance(tensor, Tensor) or tensor.shape != (count, self.classes):
                shown = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
                raise ConfigError(
                    f"{self.subject} returns {shown} for {count} images, not logits of shape "
                    f"({count}, {self.classes}), alone or beside auxiliary logits of this shape"
                )

    def _takes_channels_last(self, image: Tensor) -> bool:
        """Return whether the module runs on images and with weights in channels-last format.

        Code that flattens a feature map by `view` does not.
        """
        images = image.repeat(2, 1, 1, 1).clone(memory_format=torch.channels_last)
        weights = {
            name: p.to(memory_format=torch.channels_last) if p.ndim == 4 else p
            for name, p in self.module.named_parameters()
        }
        try:
            with torch.no_grad():
                torch.func.functional_call(self.module.eval(), weights, (images,))
        except RuntimeError:
            return False
        finally:
            self.module.train()
        return True

    def _found_classifier(
        self, names: Mapping[str, nn.Module], image: Tensor, name: str | None
    ) -> str:
        if name is not None:
            self._named(names, "model.classifier", name)
            return name
        layers = weight_layers(self.module, image)
        if not layers:
            raise ConfigError(
                f"{self.subject} runs no convolution or linear layer: name its last layer, "
                "model.classifier=NAME"
            )
        return layers[-1][0]

    def _named(self, names: Mapping[str, nn.Module], key: str, name: str) -> nn.Module:
        if name not in names or not name:
            first = [other for other in names if other and "." not in other]
            raise ConfigError(
                f"{key}={name} names no module of {self.subject}: it has "
                f"{', '.join(first)}{did_you_mean(name, names)}"
            )
        return names[name]

    def _returns_side(self, image: Tensor) -> bool:
        """Return whether there are auxiliary logits in training mode."""
        self.module.train()
        with undisturbed(self.module), torch.no_grad():
            output = self.module(image.repeat(2, 1, 1, 1))  # batch norm needs two values a channel
        self._require_logits(output, 2)
        return bool(separated_logits(output)[1])

    def _our_heads(self, auxiliary: Auxiliary, image: Tensor) -> nn.ModuleDict:
        """Return our auxiliary heads, and let their stages hand them their maps."""
        if self.takes_side or not auxiliary.stages:
            return nn.ModuleDict()
        with torch.no_grad(), recorded_outputs(self._outlets) as outputs:
            self.module.eval()(image)
        self.module.train()
        shapes = [(0, 0, 0)] * len(self._outlets)
        for k, x in outputs.items():
            if is_map(x, image):
                shapes[k - 1] = (x.shape[1], x.shape[2], x.shape[3])
        for k in auxiliary.stages:
            if k <= len(shapes) and not any(shapes[k - 1]):
                raise ConfigError(
                    f"aux.stages={k} has no meaning: stage {k} returns no feature map"
                )
        heads = auxiliary.build(shapes, self.classes, norm=Batch, activation=nn.ReLU)
        for k in auxiliary.stages:
            self._outlets[k].register_forward_hook(self._tap(k))
        return heads

    def _tap(self, stage: int) -> Any:
        def keep(_: nn.Module, __: object, output: Tensor) -> None:
            if self.training:
                self.tapped[stage] = output

        return keep

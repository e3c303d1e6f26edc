"""Counts published networks beside their references, into docs/networks.md."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.utils.flop_counter import FlopCounterMode

from cnn_anatomy.config.options import PRESETS, option_names
from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.core.paths import CONF, HOME
from cnn_anatomy.networks import Network
from cnn_anatomy.report.markdown import markdown_row, markdown_table

PAGE = HOME / "docs" / "networks.md"
COLUMNS = (
    "overrides",
    "parameters",
    "MACs (10⁶)",
    "images",
    "reference",
    "its parameters",
    "outputs",
)
KUANGLIU = "[kuangliu/pytorch-cifar](https://github.com/kuangliu/pytorch-cifar)"
LIPPE = "[UvA Deep Learning Course, tutorial 5](https://uvadlc-notebooks.readthedocs.io)"
WIDE = "Zagoruyko & Komodakis 2016, table 4"
TESTED = "equal, tested"
COMPARED = "equal, compared by hand"
REORDERED = f"{COMPARED} but for the order of concatenation"
COUNTED = "counted only"


@dataclass(frozen=True)
class Reference:
    """What a network is compared with.

    Args:
        source: a publication or code, in Markdown.
        parameters: the reference's number.
        outputs: whether the same weights give the reference's logits.
        side: of the images, in pixels.
        classes: number of logits.
        unused: how many of its parameters are in layers that the reference never runs.
    """

    source: str
    parameters: int
    outputs: str
    side: int = 32
    classes: int = 10
    unused: int = 0


def cifar(parameters: int, outputs: str = COMPARED, unused: int = 0) -> Reference:
    """Return the reference in kuangliu/pytorch-cifar."""
    return Reference(KUANGLIU, parameters, outputs, unused=unused)


def imagenet(parameters: int) -> Reference:
    """Return the reference in torchvision."""
    return Reference("torchvision", parameters, TESTED, 224, 1000)


REFERENCES = {
    "network=convnext_tiny": imagenet(28_589_128),
    "network=densenet121": imagenet(7_978_856),
    "network=densenet_cifar": cifar(1_000_618, REORDERED),
    "network=dpn26": cifar(11_574_842),
    "network=efficientnet_b0": imagenet(5_288_548),
    "network=efficientnet_b0_cifar": cifar(3_599_686, unused=1_088),
    "network=googlenet_cifar": cifar(6_166_250),
    "model=googlenet_torchvision aux=googlenet": imagenet(13_004_888),
    "network=mobilenet": cifar(3_217_226),
    "network=mobilenet_v2": imagenet(3_504_872),
    "network=mobilenet_v2_cifar": cifar(2_296_922),
    "network=preact_resnet18": cifar(11_171_146),
    "network=preact_resnet164": Reference(
        "He et al. 2016, table 4 (1.7 million)", 1_703_258, COUNTED
    ),
    "network=regnetx_200mf": cifar(2_321_946),
    "model=resnet18": imagenet(11_689_512),
    "network=resnet18_cifar": cifar(11_173_962),
    "model=resnet50": imagenet(25_557_032),
    "network=resnext29_2x64d": cifar(9_128_778),
    "network=resnext50": imagenet(25_028_904),
    "network=senet18": cifar(11_260_354),
    "network=shufflenet_g2": cifar(887_582, REORDERED),
    "network=uva_densenet": Reference(LIPPE, 239_146, COUNTED),
    "network=uva_inception": Reference(LIPPE, 260_650, COUNTED),
    "network=uva_preact_resnet": Reference(LIPPE, 272_250, COUNTED),
    "network=uva_resnet": Reference(LIPPE, 272_378, COUNTED),
    "network=vgg16_cifar": cifar(14_728_266),
    "network=wrn_16_8": Reference(f"{WIDE} (11.0 million)", 10_961_370, COUNTED),
    "network=wrn_28_10": Reference(f"{WIDE} (36.5 million)", 36_479_194, COUNTED),
}


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Published networks",
        "",
        "`network=NAME` selects one, by configuration alone: a file of `conf/network/`. Each axis "
        "can still be replaced beside it. `.venv/bin/python -m tools.networks` writes this page; "
        "tests check every row.",
        "",
        "Parameters and multiply-adds of one image are counted here; the reference's parameters "
        "are those of its code, or of the paper's network where the paper rounds them. *Equal* "
        "outputs: the reference's weights, copied, give its logits in evaluation mode, with two "
        "random images and norms that differ by channel. For torchvision's networks a test does "
        "so. kuangliu/pytorch-cifar (commit 49b7aa9) is not installed with this project, so its "
        "networks were compared by hand: no logit differed by more than 10⁻⁶. Those that "
        "concatenate were compared with their two operands exchanged, new channels last, which "
        "permutes weights alone. *Counted only*: no code of the reference was run.",
        "",
        "- `efficientnet_b0_cifar` has 1,088 parameters fewer, those of a 1×1 convolution and its "
        "norm that the reference builds and never runs.",
        "- `shufflenet_g2`: the reference divides channels with `/` and runs only with `//`.",
        "- Stochastic depth is an axis of its own, `residual=stochastic_depth`, so `convnext_tiny` "
        "and `efficientnet_b0` train without it; in evaluation mode it does nothing.",
        "",
        markdown_table(COLUMNS, []).rstrip(),
        *(row(words) for words in REFERENCES),
    ]
    return "\n".join(lines) + "\n"


def presets() -> list[str]:
    """Return the names of the published networks."""
    return [name for name in option_names(PRESETS) if name != "none"]


def row(words: str) -> str:
    """Return the table's row of the network that the overrides `words` select."""
    reference = REFERENCES[words]
    network = built(words)
    parameters = sum(p.numel() for p in network.parameters())
    image = torch.zeros(1, 3, reference.side, reference.side, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(image)
    return markdown_row(
        (
            f"`{words}`",
            f"{parameters:,}",
            f"{counter.get_total_flops() / 2e6:,.1f}",
            f"{reference.side}², {reference.classes} classes",
            reference.source,
            f"{reference.parameters:,}",
            reference.outputs,
        )
    )


def built(words: str) -> Network:
    """Return the network of the overrides `words`, without memory for its weights."""
    reference = REFERENCES[words]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", words.split())
    OmegaConf.resolve(config)
    size = (reference.side, reference.side)
    with torch.device("meta"):
        network: Network = instantiate(
            config.model, channels=3, size=size, classes=reference.classes, _convert_="all"
        )
    return network


if __name__ == "__main__":
    write_text(PAGE, page())

"""Counts every preset beside its reference: `python -m tools.networks` writes docs/networks.md."""

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
    "`network=`",
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
ORDER = "not compared: its layers concatenate in the other order"
COUNTED = "counted only"


@dataclass(frozen=True)
class Reference:
    """What a preset is compared with.

    Args:
        source: a publication or code, in Markdown.
        parameters: the reference's number.
        outputs: whether the same weights give the reference's logits.
        side: of the images, in pixels.
        classes: number of logits.
    """

    source: str
    parameters: int
    outputs: str
    side: int = 32
    classes: int = 10


REFERENCES = {
    "densenet_cifar": Reference(KUANGLIU, 1_000_618, ORDER),
    "mobilenet": Reference(KUANGLIU, 3_217_226, COMPARED),
    "mobilenet_v2": Reference("torchvision", 3_504_872, TESTED, 224, 1000),
    "mobilenet_v2_cifar": Reference(KUANGLIU, 2_296_922, COMPARED),
    "preact_resnet18": Reference(KUANGLIU, 11_171_146, COMPARED),
    "preact_resnet164": Reference("He et al. 2016, table 4 (1.7 million)", 1_703_258, COUNTED),
    "resnext29_2x64d": Reference(KUANGLIU, 9_128_778, COMPARED),
    "resnext50": Reference("torchvision", 25_028_904, TESTED, 224, 1000),
    "senet18": Reference(KUANGLIU, 11_260_354, COMPARED),
    "uva_densenet": Reference(LIPPE, 239_146, ORDER),
    "uva_inception": Reference(LIPPE, 260_650, COUNTED),
    "uva_preact_resnet": Reference(LIPPE, 272_250, COUNTED),
    "uva_resnet": Reference(LIPPE, 272_378, COUNTED),
    "wrn_16_8": Reference(f"{WIDE} (11.0 million)", 10_961_370, COUNTED),
    "wrn_28_10": Reference(f"{WIDE} (36.5 million)", 36_479_194, COUNTED),
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
        "outputs: the reference's weights, copied, give its logits, to the last bit for "
        "torchvision's and for MobileNet, and within 5·10⁻⁷ for the others, which take averages "
        "differently. kuangliu/pytorch-cifar is that of commit 49b7aa9.",
        "",
        markdown_table(COLUMNS, []).rstrip(),
        *(row(name) for name in presets()),
    ]
    return "\n".join(lines) + "\n"


def presets() -> list[str]:
    """Return the names of the published networks."""
    return [name for name in option_names(PRESETS) if name != "none"]


def row(name: str) -> str:
    """Return a network's row of the table."""
    reference = REFERENCES[name]
    network = built(name)
    parameters = sum(p.numel() for p in network.parameters())
    image = torch.zeros(1, 3, reference.side, reference.side, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(image)
    return markdown_row(
        (
            f"`{name}`",
            f"{parameters:,}",
            f"{counter.get_total_flops() / 2e6:,.1f}",
            f"{reference.side}², {reference.classes} classes",
            reference.source,
            f"{reference.parameters:,}",
            reference.outputs,
        )
    )


def built(name: str) -> Network:
    """Return the network of a preset, without memory for its weights."""
    reference = REFERENCES[name]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"{PRESETS}={name}"])
    OmegaConf.resolve(config)
    size = (reference.side, reference.side)
    with torch.device("meta"):
        network: Network = instantiate(
            config.model, channels=3, size=size, classes=reference.classes, _convert_="all"
        )
    return network


if __name__ == "__main__":
    write_text(PAGE, page())

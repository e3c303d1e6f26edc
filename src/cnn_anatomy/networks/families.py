"""Stages of families of networks whose depth is one number."""

from __future__ import annotations

from cnn_anatomy.networks.network import Stage


def cifar_resnet(depth: int, width: int = 16, convolutions: int = 2) -> list[Stage]:
    """Three stages of equal length, each twice as wide (He et al. 2015, section 4.2).

    `convolutions` is how many a block holds: 2 gives depths 6n + 2, a bottleneck's 3 gives 9n + 2.

    Raises:
        ValueError: if the depth is not of that form.
    """
    step = 3 * convolutions
    blocks, rest = divmod(depth - 2, step)
    if rest or blocks < 1:
        near = max(round((depth - 2) / step), 1)
        raise ValueError(
            f"model.depth={depth} is not {step}n + 2: the nearest that is one is "
            f"{near * step + 2} (of {step + 2}, {2 * step + 2}, {3 * step + 2}, …)"
        )
    return [
        Stage([width] * blocks, "never"),
        Stage([2 * width] * blocks, "inside"),
        Stage([4 * width] * blocks, "inside"),
    ]


def inception_stages(depth: int, width: int = 64) -> list[Stage]:
    """`depth` Inception modules in three stages, each halved before and wider by half.

    Raises:
        ValueError: if depth is below 1.
    """
    if depth < 1:
        raise ValueError(f"inception.depth={depth} is below 1, the least number of modules")
    counts = [(depth + 2 - k) // 3 for k in range(3)]
    widths = [width, width * 3 // 2, width * 2]
    return [Stage([w] * n, "before") for w, n in zip(widths, counts, strict=True)]

"""Operations that PyTorch can't repeat exactly on a device."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from cnn_anatomy.core.errors import ConfigError

# PyTorch raises a plain RuntimeError with these words (torch.use_deterministic_algorithms).
REFUSAL = re.compile(r"^(\w+) does not have a deterministic implementation")


@contextmanager
def nondeterminism_refused() -> Iterator[None]:
    """Turn PyTorch's refusal of an operation, under `trainer.deterministic`, into a sentence.

    Raises:
        ConfigError: if an operation in the block has no deterministic implementation.
    """
    try:
        yield
    except RuntimeError as error:
        refusal = REFUSAL.match(str(error))
        if refusal is None:
            raise
        raise ConfigError(
            f"trainer.deterministic=true: {refusal[1]} has no deterministic implementation on "
            "this device: trainer.deterministic=warn or false trains with it, and a repeated run "
            "then has slightly other numbers"
        ) from error

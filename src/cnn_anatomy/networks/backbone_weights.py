"""Weights of torchvision's networks: from a file, or as torchvision downloads them."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import torchvision.models
from torch import Tensor
from torch.hub import load_state_dict_from_url

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.weight_files import read_weights


def published_state(name: str, weights: str) -> dict[str, Tensor]:
    """Return the state dict of a file or of weights that torchvision downloads."""
    published = torchvision.models.get_model_weights(name).__members__
    if weights not in published:
        if not Path(weights).is_file():
            raise ConfigError(
                f"weights={weights} is neither a file nor one of {', '.join(published)}"
            )
        return read_weights(weights)
    url = published[weights].url
    try:
        return load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (URLError, OSError, RuntimeError) as error:
        raise ConfigError(
            f"weights={weights} could not be downloaded ({error}): fetch {url} elsewhere and "
            "set weights=FILE"
        ) from error

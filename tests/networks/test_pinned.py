"""Networks of the axes' defaults compute the same numbers, whatever parts are added beside them."""

import pytest
import torch
from helpers import built

# The first two of an image's logits, in evaluation mode, of the weights of seed 0.
LOGITS = {
    (): (0.4007209, -0.9537604),
    ("block=bottleneck", "model.depth=11", "skip=projection"): (-0.01386945, -0.03584618),
    ("block=preactivation", "skip=convolution"): (0.966145, 1.024175),
    ("model=vgg", "init=xavier"): (-0.0002197524, 0.0006991415),
    ("model=inception", "inception.depth=3", "skip=identity"): (-0.1933622, -0.3291607),
}


@pytest.mark.parametrize("words", LOGITS, ids=lambda words: " ".join(words) or "default")
def test_the_numbers_are_those_of_before(words):
    torch.manual_seed(0)
    network = built(*words, device="cpu").eval()
    image = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
    with torch.no_grad():
        logits = network(image).logits[0, :2].tolist()
    assert logits == pytest.approx(LOGITS[words], rel=1e-4)

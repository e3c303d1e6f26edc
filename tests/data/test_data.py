"""Splits, geometry, batches and augmentation."""

import hashlib
import multiprocessing
import urllib.request

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.datasets import CIFAR10, MNIST

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.data import ImageData, ImageSet
from cnn_anatomy.data.augment import RandomCropFlip
from cnn_anatomy.data.batches import Batches
from cnn_anatomy.data.cluttered_digits import ClutteredDigits
from cnn_anatomy.data.digits import Digits
from cnn_anatomy.data.images import hold_out
from cnn_anatomy.data.torchvision_sets import TorchvisionSet


def small(folder, **keys):
    return ClutteredDigits(train=200, val=60, test=60, cache=folder, **keys)


def test_same_bytes_on_any_machine(tmp_path):
    images = small(tmp_path)().train.images
    digest = hashlib.sha256(images.numpy().tobytes()).hexdigest()
    assert digest == "cc6f523c9ed36be3af2dd70f12a7d4d8d1e0c45ff372afbb5f6fdcf6c1b230a1"


def test_no_digit_in_two_splits(tmp_path):
    arrays = small(tmp_path)._make()
    sources = [set(arrays[f"{s}_source"]) for s in ("train", "val", "test")]
    assert len(set.union(*sources)) == sum(map(len, sources))


def test_a_digit_fills_its_box(tmp_path):
    train = small(tmp_path, clutter=0, noise=0)().train
    for image, (x0, y0, x1, y1) in zip(train.images[:, 0], train.boxes.tolist(), strict=True):
        assert 10 <= x1 - x0 <= 18
        assert x1 <= 24
        assert y1 <= 24
        inside = image[y0:y1, x0:x1].clone()
        assert inside.sum() == image.sum() > 0


def test_training_can_keep_its_digits_in_the_centre_and_the_test_shows_them_anywhere(tmp_path):
    anywhere, centred = small(tmp_path)(), small(tmp_path, spread=0.0)()
    for split in (centred.train, centred.val):
        x0, y0, x1, y1 = split.boxes.unbind(1)
        assert ((x0 + x1 - 24).abs() <= 1).all()
        assert ((y0 + y1 - 24).abs() <= 1).all()
    assert torch.equal(centred.test.images, anywhere.test.images)
    with pytest.raises(ConfigError, match=r"data\.source\.spread=2"):
        small(tmp_path, spread=2)


def _digest(folder):
    return small(folder, seed=5)().train.digest()


def test_two_processes_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_digest, [tmp_path] * 2)
    assert first == second
    assert [f.suffix for f in tmp_path.iterdir()] == [".npz"]


def test_hold_out_is_a_stratified_partition():
    data = Digits()()
    rest, held = hold_out(data.train, 0.25, seed=1)
    assert len(rest) + len(held) == len(data.train)
    share = held.labels.bincount() / data.train.labels.bincount()
    assert ((share - 0.25).abs() < 0.02).all()


def numbered(n, channels=1, side=6):
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, channels, side, side)
    return ImageSet(images.contiguous(), torch.arange(n))


def test_an_epoch_holds_every_image_once_and_follows_from_seed_and_epoch():
    def order(seed, epoch):
        batches = Batches(numbered(40), 8, torch.zeros(1), torch.ones(1), shuffle=True, seed=seed)
        batches.set_epoch(epoch)
        return torch.cat([labels for _, labels in batches])

    assert order(0, 0).sort().values.tolist() == list(range(40))
    assert torch.equal(order(0, 3), order(0, 3))
    assert not torch.equal(order(0, 0), order(0, 1))
    assert not torch.equal(order(0, 0), order(1, 0))


@given(st.integers(0, 4), st.booleans(), st.integers(0, 1000))
def test_crop_and_flip_are_those_of_each_image(pad, flip, seed):
    images = torch.randint(0, 255, (5, 3, 7, 6), dtype=torch.uint8)
    augment = RandomCropFlip(pad, flip)
    out = augment(images, augment.draw(5, torch.Generator().manual_seed(seed)))
    assert out.shape == images.shape
    padded = torch.nn.functional.pad(images, [pad] * 4)
    for image, result in zip(padded, out, strict=True):
        crops = [
            image[:, y : y + 7, x : x + 6] for y in range(2 * pad + 1) for x in range(2 * pad + 1)
        ]
        crops += [c.flip(2) for c in crops] if flip else []
        assert any(torch.equal(result, c) for c in crops)


def test_classes_are_kept_and_renumbered():
    data = ImageData(Digits(), classes=[7, 2])
    splits = data.load()
    assert splits.classes == ("7", "2")
    assert set(splits.test.labels.tolist()) == {0, 1}
    with pytest.raises(ConfigError, match=r"data\.classes=\[7, 12\]"):
        ImageData(Digits(), classes=[7, 12]).load()


@pytest.mark.parametrize("dataset", [MNIST, CIFAR10])
def test_a_missing_data_set_names_the_way_out(dataset, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of its first call
    source = TorchvisionSet(dataset, {"train": True}, {"train": False}, tmp_path)
    with pytest.raises(ConfigError, match="data=imagefolder"):
        source()


def test_a_bug_in_a_data_set_is_raised(tmp_path):
    def broken(root, download, train):
        return torch.zeros(2, 3).reshape(5)

    source = TorchvisionSet(broken, {"train": True}, {"train": False}, tmp_path)
    with pytest.raises(RuntimeError, match="shape"):
        source()


def test_svhn_files_in_their_own_format(tmp_path, monkeypatch):
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    pixels = np.random.RandomState(0).randint(0, 255, (32, 32, 3, 40)).astype(np.uint8)
    labels = np.arange(40)[:, None] % 10 + 1  # in the file, the digit 0 is a 10
    # The files are random: only their published checksums cannot hold.
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    monkeypatch.setattr(SVHN, "download", lambda self: None)
    for split in ("train", "test"):
        savemat(tmp_path / f"{split}_32x32.mat", {"X": pixels, "y": labels})
    splits = TorchvisionSet(SVHN, {"split": "train"}, {"split": "test"}, tmp_path)()
    assert splits.test.images.shape == (40, 3, 32, 32)
    assert torch.equal(splits.test.images[5], torch.from_numpy(pixels[..., 5]).permute(2, 0, 1))
    assert splits.test.labels[9] == 0


@pytest.mark.parametrize(
    ("augment", "whole", "shares"),
    [
        (None, "da8c353c1a4ea873", ["d32d7e8fedc8f54c", "efb29cd9b20e9098"]),
        (RandomCropFlip(2), "ac2b7eab83c38549", ["e452764d87a9dee2", "fee3e1bd2690335f"]),
        (
            RandomCropFlip(4, flip=False),
            "e3aaa831e1d8789d",
            ["f5ad5eb50010e7f5", "bccc4cab58abbc9d"],
        ),
    ],
    ids=["plain", "crop and flip", "crop"],
)
def test_the_batches_of_an_epoch_are_those_of_earlier_releases(augment, whole, shares):
    """The SHA-256 of the second epoch, in one process and in two: published numbers rest on it."""
    pixels = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (50, 3, 9, 7), generator=pixels, dtype=torch.uint8)
    data = ImageSet(images, torch.arange(50))
    mean, std = torch.tensor([100.0, 120, 130]), torch.tensor([50.0, 60, 70])
    batches = Batches(data, 16, mean, std, shuffle=True, augment=augment, seed=3)
    batches.set_epoch(1)
    assert digest(batches) == whole
    assert [digest(batches.part(rank, 2)) for rank in range(2)] == shares


def digest(batches):
    """Return the first 16 digits of the SHA-256 of all images and labels."""
    content = hashlib.sha256()
    for images, labels in batches:
        content.update(images.contiguous().numpy().tobytes())
        content.update(labels.numpy().tobytes())
    return content.hexdigest()[:16]

"""Folders of images in the shapes that people have them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_anatomy.config.class_folders import read_tree
from cnn_anatomy.config.image_files import read_rgb
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.data import ImageData, ImageSet, Splits
from cnn_anatomy.data.image_folder import ImageFolder

RED, BLUE = (200, 10, 10), (10, 10, 200)


def images(root, n=10, classes=("cat", "dog"), suffix=".png", size=(40, 36)):
    """Make a folder of `n` images for each class: colour says the class, brightness the number."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.new("RGB", size, (20 * label, 10 * i, 99)).save(root / name / f"{i}{suffix}")


def load(root):
    return ImageFolder(root, cache=root.parent / "cache")()


def lengths(splits):
    return [len(split) for split in (splits.train, splits.val, splits.test)]


# What is split how


def test_train_and_test_leave_validation_to_be_held_out(tmp_path):
    images(tmp_path / "data" / "train")
    images(tmp_path / "data" / "test", n=3)
    splits = load(tmp_path / "data")
    assert lengths(splits) == [18, 2, 6]
    assert splits.classes == ("cat", "dog")
    assert splits.train.images.shape[1:] == (3, 32, 32)
    assert splits.test.images[3, :, 0, 0].tolist() == [20, 0, 99]


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "Valid", "Test"), ("TRAIN", "validation", "TEST")]
)
def test_three_splits_are_taken_as_they_are(tmp_path, names):
    for name, n in zip(names, (5, 3, 4), strict=True):
        images(tmp_path / "data" / name, n=n)
    splits = load(tmp_path / "data")
    assert lengths(splits) == [10, 6, 8]
    assert splits.classes == ("cat", "dog")


def test_validation_is_the_test_where_there_is_none(tmp_path):
    images(tmp_path / "data" / "train", n=10)
    images(tmp_path / "data" / "val", n=3)
    splits = load(tmp_path / "data")
    assert lengths(splits) == [18, 2, 6]
    (line,) = read_tree(tmp_path / "data").notices
    assert "val is the test split" in line


def test_a_class_may_be_called_train(tmp_path):
    images(tmp_path / "data", classes=("bus", "car", "train"))
    assert load(tmp_path / "data").classes == ("bus", "car", "train")


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (("train",), "not understood"),
        (("val", "test"), "not understood"),
        (("train", "Train", "test"), "not understood"),
        (("train", "val", "valid", "test"), "not understood"),
        (("train", "test", "extra"), "extra is no split"),
        (("fold0", "fold1"), "looks like splits"),
        (("train_images", "test_images"), "looks like splits"),
    ],
)
def test_what_looks_like_splits_and_is_not_understood_is_refused(tmp_path, folders, sentence):
    for name in folders:
        images(tmp_path / "data" / name, n=2)
    with pytest.raises(ConfigError, match=sentence):
        load(tmp_path / "data")


def test_a_class_in_one_split_only_is_refused(tmp_path):
    images(tmp_path / "data" / "train")
    images(tmp_path / "data" / "test", classes=("cat", "cow"))
    with pytest.raises(ConfigError, match="class cow is in one split only"):
        load(tmp_path / "data")


def test_every_class_is_in_every_split(tmp_path):
    images(tmp_path / "data", n=30)
    images(tmp_path / "data", n=3, classes=("emu",))
    splits = load(tmp_path / "data")
    for split in (splits.train, splits.val, splits.test):
        assert set(split.labels.tolist()) == {0, 1, 2}


def test_a_class_with_too_few_images_is_refused(tmp_path):
    images(tmp_path / "data", n=30)
    images(tmp_path / "data", n=2, classes=("emu",))
    with pytest.raises(ConfigError, match="class emu has too few images"):
        load(tmp_path / "data")


def test_a_class_that_a_split_lacks_is_named(capsys):
    pixels = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    whole = ImageSet(pixels, torch.tensor([0, 1, 2, 0]))
    lacking = ImageSet(pixels, torch.tensor([0, 1, 1, 0]))
    ImageData(lambda: Splits(whole, lacking, whole, ("ant", "bee", "sea cow"))).load()
    assert "the val split has no image of class sea cow" in capsys.readouterr().err


# What is no image of a class


def test_droppings_are_no_classes_and_no_images(tmp_path):
    root = tmp_path / "data"
    images(root)
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        images(root, classes=(name,))
        images(root / "cat", n=2, classes=(name,))
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "0.png~", "#0.png#", "0.png.bak"):
        (root / "cat" / name).write_bytes(b"x")
    tree = read_tree(root)
    assert tree.train.names == ("cat", "dog")
    assert len(tree.train.files) == 20
    assert not tree.notices


def test_every_format_that_pillow_decodes_is_read(tmp_path):
    root = tmp_path / "data"
    for k, suffix in enumerate((".png", ".tif", ".gif", ".jpg", ".ppm", ".webp", ".BMP", ".tga")):
        images(root / "cat", n=1, classes=(f"{k}",), suffix=suffix)
    images(root, classes=("dog",))
    assert len(read_tree(root).train.files) == 18
    assert load(root).train.images.shape[1:] == (3, 32, 32)


def test_what_is_left_out_is_counted_by_suffix(tmp_path):
    root = tmp_path / "data"
    images(root)
    for name in ("a.txt", "b.txt", "c.npy", "README"):
        (root / "cat" / name).write_bytes(b"x")
    Image.new("RGB", (8, 8)).save(root / "loose.png")
    (line,) = read_tree(root).notices
    for part in ("2 .txt", "1 .npy", "1 without a suffix", "1 images in no class folder"):
        assert part in line


def test_linked_folders_are_followed_and_dangling_links_told(tmp_path):
    root = tmp_path / "data"
    images(root)
    images(tmp_path / "elsewhere", classes=("more", "emu"))
    (root / "cat" / "linked").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "emu").symlink_to(tmp_path / "elsewhere" / "emu")
    (root / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "cat" / "round").symlink_to(root / "cat")
    tree = read_tree(root)
    assert tree.train.names == ("cat", "dog", "emu")
    assert np.bincount(tree.train.labels).tolist() == [20, 10, 10]
    assert ["1 links lead nowhere" in line for line in tree.notices] == [True]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda root: None, "is no folder"),
        (lambda root: images(root, classes=("cat",)), "two are needed"),
        (lambda root: images(root, n=0), "has no image"),
        (lambda root: (images(root), (root / "cat" / "0.png").write_bytes(b"x")), "0.png is no"),
    ],
)
def test_a_bad_folder_is_refused(tmp_path, spoil, sentence):
    spoil(tmp_path / "data")
    with pytest.raises(ConfigError, match=sentence):
        load(tmp_path / "data")


# Pixels


def gradient(dtype, top):
    return np.linspace(0, top, 64).reshape(8, 8).astype(dtype)


@pytest.mark.parametrize(
    ("name", "image", "tolerance"),
    [
        ("8.png", Image.fromarray(gradient(np.uint8, 255)), 0),
        ("16.png", Image.fromarray(gradient(np.uint16, 65535)), 1),
        ("16.tif", Image.fromarray(gradient(np.uint16, 65535)), 1),
        ("float.tif", Image.fromarray(gradient(np.float32, 1)), 1),
        ("palette.png", Image.fromarray(gradient(np.uint8, 255)).convert("P"), 0),
        ("cmyk.tif", Image.fromarray(gradient(np.uint8, 255)).convert("RGB").convert("CMYK"), 0),
        ("alpha.png", Image.fromarray(gradient(np.uint8, 255)).convert("LA"), 0),
        ("rgba.png", Image.fromarray(gradient(np.uint8, 255)).convert("RGBA"), 0),
        ("ycc.tif", Image.fromarray(gradient(np.uint8, 255)).convert("RGB").convert("YCbCr"), 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_mode_shows_what_a_person_sees(tmp_path, name, image, tolerance):
    image.save(tmp_path / name)
    shown = np.asarray(read_rgb(tmp_path / name)).astype(int)
    wanted = gradient(np.float64, 255)[:, :, None]
    assert np.abs(shown - np.floor(wanted)).max() <= max(tolerance, 1 if "16" in name else 0)


def test_one_bit_images_are_black_and_white(tmp_path):
    Image.fromarray(np.eye(8) > 0).save(tmp_path / "bit.png")
    assert np.array_equal(np.asarray(read_rgb(tmp_path / "bit.png"))[..., 1], np.eye(8) * 255)


def test_what_is_transparent_lies_on_white(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    shown = np.asarray(read_rgb(tmp_path / "half.png"))
    assert shown[:4].max() == 0
    assert shown[4:].min() == 255


def test_lab_is_shown_in_its_colours(tmp_path):
    Image.new("LAB", (8, 8), (255, 128, 128)).save(tmp_path / "lab.tif")
    assert np.asarray(read_rgb(tmp_path / "lab.tif")).min() > 250


def test_the_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (16, 8), RED)
    image.paste(BLUE, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise by a quarter
    image.save(tmp_path / "turned.png", exif=exif)
    shown = read_rgb(tmp_path / "turned.png")
    assert shown.size == (8, 16)
    assert shown.getpixel((4, 2)) == BLUE


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((8, 8), 70_000, np.int32), "32 bits"),
        (np.full((8, 8), 17.0, np.float32), "not between 0 and 1"),
        (np.full((8, 8), np.nan, np.float32), "not between 0 and 1"),
    ],
)
def test_pixels_of_unknown_range_are_refused(tmp_path, pixels, reason):
    Image.fromarray(pixels).save(tmp_path / "odd.tif")
    with pytest.raises(ConfigError, match=reason):
        read_rgb(tmp_path / "odd.tif")


def test_a_split_without_spread_is_refused():
    blank = ImageSet(torch.full((4, 1, 8, 8), 255, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    varied = ImageSet(
        torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 8, 8), blank.labels
    )
    source = SimpleNamespace(splits=Splits(varied, varied, blank, ("a", "b")))
    with pytest.raises(ConfigError, match="all pixels of the test split are 255"):
        ImageData(lambda: source.splits).load()

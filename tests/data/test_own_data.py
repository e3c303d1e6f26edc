"""Data sets of a user's own and of torchvision's, by items (image, label)."""

import json
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from helpers import environment
from mlflow import MlflowClient
from PIL import Image
from processes import TRAIN, ended, start
from scipy.io import savemat
from torchvision.datasets import Flowers102

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.data.own import OwnDataset
from cnn_anatomy.data.pixels import to_pixels
from cnn_anatomy.data.torchvision_sets import TorchvisionDataset

MODULE = """
from pathlib import Path
import numpy as np
from PIL import Image

class Dots:
    classes = ["dark", "bright"]
    read = 0

    def __init__(self, train, count=40, size=8):
        self.count = count if train else 20
        self.size = size

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        Dots.read += 1
        side = self.size + i % 2 * (self.size != 8)
        return Image.new("L", (side, 2 * side), 100 + 3 * i), i % 2

class Parts(Dots):
    def __init__(self, split):
        super().__init__(split == "train")

class Numbered(Dots):
    def __init__(self, part):
        super().__init__(part == 1)

class Unmeasured:
    def __init__(self, train): pass
    def __getitem__(self, i): return Image.new("L", (8, 8)), 0

class Endless:
    def __init__(self, train): pass
    def __iter__(self): yield 1

class Items(Dots):
    def __init__(self, train, item):
        super().__init__(train)
        self.item = item

    def __getitem__(self, i):
        values = {"image": np.zeros((2, 2)), "dict": {"image": 1}}
        values["text"] = (np.zeros((2, 2)), "cat")
        values["normalised"] = (np.full((2, 2, 3), -1.5), 0)
        values["path"] = ("a.png", 0)
        return values[self.item]

def files(train, root):
    '''A list is a data set, too.'''
    return [(Image.open(file), k % 2) for k, file in enumerate(sorted(Path(root).glob("*.png")))]
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return the imported module `dots`, which lies in the test's folder."""
    (tmp_path / "dots.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("dots")
    del sys.modules["dots"]


def test_pixels_of_every_kind_are_the_same():
    array = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    for image in (Image.fromarray(array), array, array.astype(int), tensor, tensor.float() / 255):
        assert np.array_equal(to_pixels(image, None), array.transpose(2, 0, 1))
    grey = Image.fromarray(array[..., 0])
    for image in (grey, array[..., 0], tensor[0], array[..., :1] / 255):
        assert np.array_equal(to_pixels(image, None), array[None, ..., 0])


@pytest.mark.parametrize("kind", ["pillow", "array", "tensor"])
def test_an_image_is_resized_by_its_shorter_side_and_cropped_at_the_centre(kind):
    array = np.zeros((8, 24, 3), np.uint8)
    array[:, 8:16] = 200  # the middle third is what is left
    array[:, :8] = 50
    kinds = {"pillow": Image.fromarray(array), "array": array}
    image = kinds.get(kind, torch.from_numpy(array).permute(2, 0, 1))
    assert np.array_equal(to_pixels(image, 8), np.full((3, 8, 8), 200))
    assert to_pixels(image, 4).shape == (3, 4, 4)


def test_the_items_are_read_once_in_order_and_validation_is_held_out(module, tmp_path):
    first = OwnDataset("dots.Dots", cache=tmp_path)()
    assert (len(first.train), len(first.val), len(first.test)) == (36, 4, 20)
    assert first.classes == ("dark", "bright")
    assert first.test.images[:, 0, 0, 0].tolist() == [100 + 3 * i for i in range(20)]
    assert first.test.labels.tolist() == [i % 2 for i in range(20)]
    assert first.train.images.shape[1:] == (1, 16, 8)
    module.Dots.read = 0
    again = OwnDataset("dots.Dots", cache=tmp_path)()
    assert module.Dots.read == 4  # the first and the last of either split tell a change
    assert torch.equal(again.train.images, first.train.images)


def test_splits_are_told_apart_by_train_or_split_or_as_the_user_says(module, tmp_path):
    by_train, by_split = (OwnDataset(f"dots.{n}", cache=tmp_path)() for n in ("Dots", "Parts"))
    said = {"train": {"part": 1}, "test": {"part": 2}, "val": {"part": 3}}
    by_part = OwnDataset("dots.Numbered", **said, cache=tmp_path)()
    assert torch.equal(by_train.test.images, by_split.test.images)
    assert torch.equal(by_train.test.images, by_part.test.images)
    assert (len(by_part.train), len(by_part.val)) == (40, 20)


def test_files_that_an_argument_names_are_read_again_when_they_change(module, tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for k in range(20):
        Image.new("L", (8, 8), 10 * k + 5).save(root / f"{k:02}.png")

    def middle():
        splits = OwnDataset("dots.files", {"root": str(root)}, cache=tmp_path)()
        return int(splits.test.images[10, 0, 0, 0])

    assert middle() == 105
    Image.new("L", (8, 8), 1).save(root / "10.png")
    assert middle() == 1


@pytest.mark.parametrize(
    ("target", "args", "said"),
    [
        ("dots.Dot", {}, r"dots\.Dot is not found: .*did you mean Dots"),
        ("dots.Dots", {"cuont": 3}, "takes train, count, size: .*'cuont'"),
        ("dots.Numbered", {}, "takes part, and so neither train nor split"),
        ("dots.Endless", {}, "makes a Endless without __getitem__"),
        ("dots.Unmeasured", {}, "makes a Unmeasured without __len__"),
        ("dots.Dots", {"count": 0}, "makes an empty data set"),
        ("dots.Dots", {"size": 9}, r"1×18×9, 1×20×10.*give data\.source\.size"),
        ("dots.Items", {"item": "image"}, r"item 0 is a ndarray, and not \(image, label\)"),
        ("dots.Items", {"item": "dict"}, r"item 0 is a dict, and not \(image, label\)"),
        ("dots.Items", {"item": "text"}, "label is 'cat', and not a whole number"),
        ("dots.Items", {"item": "normalised"}, "pixels go from -1.5 to -1.5, and not from 0 to 1"),
        ("dots.Items", {"item": "path"}, "image is a str, and not a Pillow image"),
    ],
)
def test_what_is_no_data_set_is_refused_in_a_sentence(module, tmp_path, target, args, said):
    with pytest.raises(ConfigError, match=said):
        OwnDataset(target, args, cache=tmp_path)()


def picture(file, number):
    """Draw an image whose size and colour depend on `number`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20 + number % 3, 24), (10 * number, 7, 200)).save(file)


def eurosat(root):
    for k in range(40):
        picture(root / "eurosat" / "2750" / ("Forest", "River")[k % 2] / f"{k}.jpg", k % 20)


def gtsrb(root):
    base = root / "gtsrb"
    for k in range(40):
        picture(base / "GTSRB" / "Training" / f"{k % 2:05}" / f"{k}.ppm", k % 20)
    for k in range(10):
        picture(base / "GTSRB" / "Final_Test" / "Images" / f"{k:05}.ppm", k)
    rows = "".join(f"{k:05}.ppm;{k % 2}\n" for k in range(10))
    (base / "GT-final_test.csv").write_text("Filename;ClassId\n" + rows)


def dtd(root):
    base = root / "dtd" / "dtd"
    names = [f"{('banded', 'dotted')[k % 2]}/{k}.jpg" for k in range(30)]
    for k, name in enumerate(names):
        picture(base / "images" / name, k % 20)
    (base / "labels").mkdir()
    for i, split in enumerate(("train", "val", "test")):
        (base / "labels" / f"{split}1.txt").write_text("\n".join(names[10 * i : 10 * i + 10]))


def food101(root):
    base = root / "food-101"
    splits = {"train": range(30), "test": range(30, 40)}
    (base / "meta").mkdir(parents=True)
    for split, numbers in splits.items():
        names = {c: [f"{c}/{k}" for k in numbers if k % 2 == i] for i, c in enumerate("ab")}
        (base / "meta" / f"{split}.json").write_text(json.dumps(names))
        for name in (n for listed in names.values() for n in listed):
            picture(base / "images" / f"{name}.jpg", int(name[2:]) % 20)


def pets(root):
    base = root / "oxford-iiit-pet"
    (base / "annotations").mkdir(parents=True)
    for split, numbers in (("trainval", range(30)), ("test", range(30, 40))):
        lines = [f"{('Beagle', 'Sphynx')[k % 2]}_{k} {k % 2 + 1} 1 1" for k in numbers]
        (base / "annotations" / f"{split}.txt").write_text("\n".join(lines) + "\n")
        for line in lines:
            picture(base / "images" / f"{line.split()[0]}.jpg", int(line.split()[0][7:]) % 20)


def flowers(root):
    base = root / "flowers-102"
    for k in range(1, 41):
        picture(base / "jpg" / f"image_{k:05}.jpg", k % 20)
    savemat(base / "imagelabels.mat", {"labels": [1 + k % 2 for k in range(40)]})
    parts = {"trnid": range(1, 21), "valid": range(21, 31), "tstid": range(31, 41)}
    savemat(base / "setid.mat", {name: list(ids) for name, ids in parts.items()})


@pytest.mark.parametrize(
    ("name", "write", "counts"),
    [
        ("EuroSAT", eurosat, (28, 4, 8)),  # a fifth is the test split
        ("GTSRB", gtsrb, (36, 4, 10)),
        ("DTD", dtd, (10, 10, 10)),
        ("Food101", food101, (26, 4, 10)),
        ("OxfordIIITPet", pets, (26, 4, 10)),
        ("Flowers102", flowers, (20, 10, 10)),
    ],
)
def test_a_data_set_of_torchvisions_is_read_by_its_published_splits(
    name, write, counts, tmp_path, monkeypatch
):
    unchecked = {key: (file, None) for key, (file, _) in Flowers102._file_dict.items()}
    monkeypatch.setattr(Flowers102, "_file_dict", unchecked)  # ours have other checksums
    write(tmp_path / "root")
    source = TorchvisionDataset(name, tmp_path / "root", size=16, cache=tmp_path)
    splits = source()
    assert (len(splits.train), len(splits.val), len(splits.test)) == counts
    assert splits.train.images.shape[1:] == (3, 16, 16)
    assert source.name == name
    for split in (splits.train, splits.val, splits.test):
        assert set(split.labels.tolist()) == {0, 1}
        reds, parities = split.images[:, 0, 8, 8].float() / 10, split.labels
        assert torch.equal(reds.round().long() % 2, (parities + (name == "Flowers102")) % 2)


def test_files_that_are_missing_and_cannot_be_downloaded_are_a_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(ConfigError, match=r"the files of EuroSAT are not in .*no network"):
        TorchvisionDataset("EuroSAT", tmp_path, cache=tmp_path)()


@pytest.mark.slow
@pytest.mark.every_part
def test_mlflow_names_a_data_set_by_its_class(module, tmp_path, uri):
    words = ("data=own", "data.source.target=dots.Dots", "data.source.args.count=60")
    tiny = ("model.width=4", "model.depth=8", "trainer.max_epochs=1", "data.augment=null")
    ended(start(tmp_path, *TRAIN, "-m", *words, *tiny, env=environment(tmp_path, uri)))
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("adhoc").experiment_id
    (run,) = client.search_runs([experiment], "tags.kind = 'run'")
    assert run.info.status == "FINISHED"
    assert (run.data.params["data"], run.data.params["data.source"]) == ("own", "dots.Dots")
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"Dots"}
    (tmp_path / "dots.py").write_text(MODULE.replace("3 * i", "2 * i"))
    plan = ("-m", *words, *tiny, "hydra.sweeper.plan=true")
    planned, _ = ended(start(tmp_path, *TRAIN, *plan, env=environment(tmp_path, uri)))
    assert "1 runs: 1 stale" in planned

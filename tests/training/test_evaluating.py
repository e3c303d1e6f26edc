"""`evaluate` measures weights without training them, as training measured them."""

import shlex
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import SMALL, composed
from mlflow import MlflowClient
from PIL import Image
from processes import TRAIN, ended, start
from public_networks import CifarResNet, lived_in

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.training.build import build_data
from cnn_anatomy.training.run_spec import RunSpec

MINE = ("model.depth=8", "probes=robustness", *SMALL)
INHERITED = [w for w in MINE if w.startswith(("model.", "data."))]
# Of training itself, or of the time that it took.
UNMEASURED = ("train/loss", "train/accuracy", "gradient/", "untrained/", "speed/", "epoch")


def runs(folder, kind):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'adhoc'")
    return client, client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")


@pytest.mark.slow
def test_every_measure_is_that_of_training_bit_for_bit(tmp_path, uri):
    ended(start(tmp_path, *TRAIN, *MINE))
    client, (trained,) = runs(tmp_path, "run")
    weights = f"{client.download_artifacts(trained.info.run_id, '', str(tmp_path))}/weights.pt"
    begins = f"as in training: {shlex.join(INHERITED)}\n"
    for source in (weights, f"runs:/{trained.info.run_id}"):
        # Of what the run was given, all but that of training and the probes is taken over.
        _, said = ended(start(tmp_path, *TRAIN, "evaluate", source, "probes=robustness"))
        assert said.startswith(begins)
        _, (evaluated, *_) = runs(tmp_path, "evaluation")
        expected = {
            name: value
            for name, value in trained.data.metrics.items()
            if not name.startswith(UNMEASURED)
        }
        assert expected.keys() >= {"test/accuracy", "macs", "params/total", "consistency/shift"}
        assert expected.keys() >= {"accuracy/scale", "accuracy/noise", "val/accuracy"}
        measured = {name: evaluated.data.metrics[name] for name in expected}
        assert measured == expected
        assert evaluated.data.params["evaluate"] == source
        assert evaluated.data.params.keys().isdisjoint({"optimizer", "trainer.max_epochs"})
        assert evaluated.data.metrics.keys().isdisjoint({"train/loss", "gradient/decay"})
    printed, _ = ended(start(tmp_path, sys.executable, "-m", "cnn_anatomy.report", "runs"))
    rows = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines()]
    rows = [row[2:] for row in rows if row[2:3] in (["trained"], ["evaluated"])]
    assert [row[0] for row in rows] == ["trained", "evaluated", "evaluated"]
    accuracy = f"{100 * trained.data.metrics['test/accuracy']:.1f}"
    assert all(accuracy in row for row in rows)
    _, errors = ended(start(tmp_path, *TRAIN, "evaluate", source, *MINE, "skip=none"), status=2)
    assert "skip is Identity in the config.yaml beside them and Plain here" in errors
    _, errors = ended(start(tmp_path, *TRAIN, "evaluate", source, *MINE, "head=gmp"), status=2)
    assert "head is GlobalAverage in" in errors
    other = ("data.source.test=30", "data.batch_size=10")
    _, said = ended(start(tmp_path, *TRAIN, "evaluate", source, *MINE, *other))
    assert said.splitlines()[-1] == (
        f"evaluate={source}: images are not as in training: data.source.test 20 → 30"
    )


@pytest.mark.every_part
@pytest.mark.slow
def test_a_public_checkpoint_is_measured_as_its_own_code_would(tmp_path, uri):
    model = lived_in(CifarResNet(3, projected=False))
    torch.save({"state_dict": model.state_dict(), "best_prec1": 91.7}, tmp_path / "resnet20.th")
    generator = np.random.default_rng(0)
    shape = (10, 4, 32, 32, 3)  # classes, images of each
    for split in ("train", "val", "test"):
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        for label, number in np.ndindex(shape[:2]):
            folder = tmp_path / "photos" / split / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[label, number]).save(folder / f"{number}.png")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    images = (torch.tensor(pixels).flatten(0, 1) / 255 - torch.tensor(mean)) / torch.tensor(std)
    labels = torch.arange(10).repeat_interleave(4)
    with torch.no_grad():
        logits = model(images.permute(0, 3, 1, 2))
    source = ("data=imagefolder", f"data.source.root={tmp_path}/photos", "model.depth=20")
    given = [f"+data.{k}=[{','.join(map(str, v))}]" for k, v in (("mean", mean), ("std", std))]
    words = (*source, *given, "trainer.precision=32-true")
    ended(start(tmp_path, *TRAIN, "evaluate", f"{tmp_path}/resnet20.th", *words))
    _, (run,) = runs(tmp_path, "evaluation")
    assert run.data.metrics["test/loss"] == pytest.approx(float(F.cross_entropy(logits, labels)))
    accuracy = (logits.argmax(1) == labels).double().mean()
    assert run.data.metrics["test/accuracy"] == pytest.approx(float(accuracy))
    assert run.data.metrics["params/total"] == sum(p.numel() for p in model.parameters())


def test_statistics_of_the_channels_may_be_given(tmp_path):
    words = (f"paths.cache={tmp_path}", *SMALL)
    data = build_data(RunSpec.of(composed(*words, "+data.mean=[0.485]", "+data.std=[0.229]")))
    ((images, _), *_) = data.batches(data.load().test)
    pixels = data.load().test.images[: len(images)].float() / 255
    assert torch.allclose(images, (pixels - 0.485) / 0.229, atol=1e-5)
    three = composed(*words, "+data.mean=[0.4,0.4,0.4]")
    with pytest.raises(ConfigError, match=r"data.mean=.* has 3 values: these images have 1 chan"):
        build_data(RunSpec.of(three))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("evaluate",), "evaluate takes a file or runs:/<id>"),
        (("evaluate", "model=resnet"), "evaluate takes a file or runs:/<id>"),
        (("evaluate", "absent.pt"), "evaluate=absent.pt is neither a file nor a run"),
        (("evaluate", "runs:/0", "transfer=same"), "evaluate=runs:/0 does not go with a transfer"),
        (("evaluate", "runs:/0", "--multirun", "seed=0,1"), "leave --multirun out"),
    ],
)
def test_mistakes(tmp_path, words, sentence):
    _, errors = ended(start(tmp_path, sys.executable, *TRAIN[1:], *words), status=2)
    assert sentence in errors
    assert len(errors.splitlines()) == 1

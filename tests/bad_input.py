"""Mistakes and the sentences that answer them. Run as a script, it writes docs/bad-input.md."""

import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from helpers import REPOSITORY
from PIL import Image
from processes import TRAIN, python_path

from cnn_anatomy.report.markdown import markdown_row, markdown_table

# Of processor time, on a busy machine; importing PyTorch and Lightning takes longer by itself.
WITHOUT_PYTORCH_SECONDS = 8.0
DOCUMENT = REPOSITORY / "docs" / "bad-input.md"


@dataclass(frozen=True)
class Case:
    """A command that is refused.

    Args:
        words: the arguments of `python -m cnn_anatomy.train`; FOLDER is an empty folder.
        spoil: creates in that folder the files that the words name.
        study: the text of experiments/mine.yaml in a copy of the repository, which then runs it.
        late: whether the mistake can be seen only after PyTorch is imported.
    """

    words: str
    spoil: Callable[[Path], None] | None = None
    study: str | None = None
    late: bool = False


@dataclass(frozen=True)
class Refusal:
    """What the command did: its status and output, processor time, and the files it left behind."""

    status: int
    said: str
    seconds: float
    left: list[str]


def pictures(*classes: str, n: int = 4) -> Callable[[Path], None]:
    """Return a function that draws `n` images of each class."""

    def draw(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for k, name in enumerate(classes):
            (folder / name).mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (20, 20), (60 * k, 10 * i, 9)).save(folder / name / f"{i}.png")

    return draw


def text_as_image(folder: Path) -> None:
    """Call a text an image."""
    pictures("cat", "dog")(folder)
    (folder / "dog" / "2.png").write_text("not an image")


def truncated(folder: Path) -> None:
    """Cut a JPEG off: the same one each time, since the sentence counts the bytes that are left."""
    pictures("cat", "dog")(folder)
    Image.radial_gradient("L").save(folder / "dog" / "9.jpg")
    whole = (folder / "dog" / "9.jpg").read_bytes()
    (folder / "dog" / "9.jpg").write_bytes(whole[: len(whole) // 2])


def checkpoint(content: Callable[[], object]) -> Callable[[Path], None]:
    """Return what saves `content` as a checkpoint."""

    def save(folder: Path) -> None:
        import torch

        folder.mkdir()
        torch.save(content(), folder / "weights.pth")

    return save


def notes(folder: Path) -> None:
    """Call a text a database."""
    folder.mkdir()
    (folder / "mlflow.db").write_text("Nothing of a database is in here.\n" * 100)


def trials(folder: Path) -> None:
    """Make another program's database."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("CREATE TABLE trials (number INTEGER)")


def other_shape() -> object:
    """Return a state dict of one key, of no network's shape."""
    import torch

    return {"fc.weight": torch.zeros(1000, 3)}


def study_beside(folder: Path) -> None:
    """Put a study into the folder that the command is typed in."""
    (folder.parent / "dil.yaml").write_text(STUDY)


def endless(folder: Path) -> None:
    """Write a data set that does not say how many images it has."""
    (folder.parent / "mydata.py").write_text(
        "class Endless:\n"
        "    def __init__(self, train): pass\n"
        "    def __getitem__(self, i): return [[[0.5]]], 0\n"
    )


def claim(treatment: str, metric: str = "macs") -> str:
    """Return a study of two skips with a claim."""
    return STUDY + (
        "grid: {skip: [none, identity]}\n"
        f"claims: [{{id: x, statement: s, source: t, metric: {metric}, better: higher, "
        f"treatment: {treatment}, control: {{skip: none}}, matters: 1}}]\n"
    )


STUDY = "question: a\nreading: b\ntable: {rows: [skip], metrics: [macs]}\n"
MINE = "--multirun study=mine"
IMAGES = "data=imagefolder data.source.root=FOLDER/images"

WEIGHTS = "model=torchvision model.resize=32 model.weights=FOLDER/images/weights.pth"
SECTIONS = {
    "Groups and keys": [
        Case("pooling=blurmax"),
        Case("network=mobilenet_v3"),
        Case("network=uva_resnet +network.depth=3"),
        Case("poolng=max"),
        Case("+poolng=max"),
        Case("model.dpth=20"),
        Case("+model.dpth=20"),
        Case("+pooling.kernell=3 pooling=max"),
        Case("+optimizer.beta=0.9"),
        Case("+trainer.max_epoch=3"),
        Case("+trainer.logger=false"),
        Case("callbacks.frozen_prefix.limt=0"),
        Case("callbacks.resume=null"),
        Case("freeze.layers=3"),
        Case("model=null"),
        Case("~pooling"),
        Case("model.depth"),
        Case("pooling=max,avg"),
        Case("transfer=checkpoint transfer.source=epoch=3-step=100.ckpt"),
        Case("transfer=checkpoint 'transfer.source=weights (1).pt'"),
        Case("pooling=../../experiments/skip"),
        Case("hydra/launcher=slrm"),
    ],
    "Types": [
        Case("seed=one"),
        Case("seed=1.5"),
        Case("model.depth=deep"),
        Case("model.depth=true"),
        Case("optimizer.lr=fast"),
        Case("optimizer.lr=nan"),
        Case("optimizer.nesterov=1"),
        Case("data.classes=3"),
        Case("data.classes=[0,one]"),
        Case("model.pooling=max"),
        Case("trainer.max_epochs='${nope}'"),
        Case("data=imagefolder"),
        Case("study=../elsewhere"),
    ],
    "Ranges": [
        Case("seed=-1"),
        Case("model.width=0"),
        Case("data.batch_size=0"),
        Case("trainer.max_epochs=0"),
        Case("trainer.precision=bf16"),
        Case("trainer.accelerator=quantum"),
        Case("optimizer.lr=0"),
        Case("optimizer.momentum=1"),
        Case("optimizer.weight_decay=-1e-4"),
        Case("scheduler.pct_start=1.5"),
        Case("aux=heads aux.weight=-0.3"),
        Case("aux=heads aux.dropout=1"),
        Case("head=flatten head.dropout=-0.1"),
        Case("pooling=max pooling.kernel=7"),
        Case("pooling._target_=cnn_anatomy.networks.pooling.Maxx"),
        Case("pooling._target_=cnn_anatomy.networks.poolin.Max"),
        Case("pooling._target_=mypkg.Max"),
        Case("pooling._target_=Max"),
        Case("norm=group norm.groups=0"),
        Case("conv=grouped conv.groups=1"),
        Case("residual=stochastic_depth residual.drop=1"),
        Case("data.train_limit=0"),
        Case("data.source.noise=300"),
        Case("data.batch_size=0 optimizer.lr=0"),
        Case("transfer=classes transfer.source.trainer.max_epochs=0"),
    ],
    "What does not go together": [
        Case("model.depth=19"),
        Case("block=bottleneck model.depth=14"),
        Case("block=none"),
        Case("model=inception block=basic"),
        Case("model=inception inception.depth=0"),
        Case("inception=reduced"),
        Case("model=inception model.width=4"),
        Case("skip=none residual=stochastic_depth"),
        Case("model=wide_resnet model.depth=20"),
        Case("block=inverted_bottleneck model.depth=20 conv=separable"),
        Case("conv=grouped conv.groups=3", late=True),
        Case("model=vgg norm=group norm.groups=512", late=True),
        Case("model=vgg model.stages=[[8]] conv=separable", late=True),
        Case("model=vgg model.stages=[[8],[]]"),
        Case("freeze=layers freeze.layers=20"),
        Case("freeze=stages freeze.stages=4"),
        Case("aux=heads aux.stages=[4]"),
        Case("aux=heads aux.stages=[1,1]"),
        Case("data.classes=[3,3]"),
        Case("data.source.smallest=40"),
        Case("optimizer.momentum=0"),
        Case("data.batch_size=1"),
        Case("skip=gated freeze=layers freeze.layers=99", late=True),
        Case("model=vgg data=digits", late=True),
        Case("data.classes=[0,12]", late=True),
        Case("data.train_limit=2", late=True),
        Case("trainer.max_epochs=null"),
        Case("trainer.max_steps=0"),
        Case("trainer.limit_val_batches=0"),
        Case("trainer.val_check_interval=1.5"),
        Case("trainer.check_val_every_n_epoch=9"),
        Case("trainer.check_val_every_n_epoch=null"),
        Case("trainer.max_time=00:01:00:00"),
        Case("trainer.barebones=true"),
        Case("trainer.overfit_batches=1"),
        Case("trainer.min_epochs=2"),
        Case("trainer.profiler=simple"),
        Case("trainer.limit_predict_batches=1"),
        Case("--multirun seed=0,1 trainer.fast_dev_run=true"),
        Case("trainer.limit_test_batches=0.01", late=True),
        Case("trainer.val_check_interval=500", late=True),
        Case("trainer.accelerator=tpu", late=True),
    ],
    "Folders of images": [
        Case(IMAGES),
        Case(IMAGES, pictures()),
        Case(IMAGES, pictures("cat")),
        Case(IMAGES, pictures("cat", "dog", n=0)),
        Case(IMAGES, pictures("train/cat", "train/dog", "test/cat", "test/cow")),
        Case(IMAGES, text_as_image),
        Case(IMAGES, truncated),
        Case(IMAGES, pictures("cat", "dog", n=1), late=True),
        Case("data=own data.source.target=mydata.Endless", endless, late=True),
    ],
    "Checkpoints": [
        Case(WEIGHTS, late=True),
        Case(WEIGHTS, checkpoint(lambda: {"state_dict": SimpleNamespace()}), late=True),
        Case(WEIGHTS, checkpoint(other_shape), late=True),
        Case("transfer.layers=3"),
        Case("transfer=checkpoint"),
        Case("transfer=checkpoint transfer.source=FOLDER/weights.pt"),
        Case("transfer=run transfer.source=0123abcd"),
        Case("transfer=run transfer.source=runs:/0123abcd", late=True),
        Case("freeze=gradual freeze.until=1.5"),
        Case("freeze=gradual trainer.devices=2"),
        Case("trainer.devices=2 data.batch_size=21"),
        Case("trainer.devices=0"),
        Case("trainer.strategy=dpp"),
        Case("--multirun seed=0,1 hydra.launcher.n_jobs=0"),
        Case("--multirun seed=0,1 hydra.launcher.runs_per_gpu=0"),
        Case("--multirun seed=0,1 hydra/launcher=slrum"),
        Case("transfer=classes transfer.layers=-1"),
        Case("transfer=classes transfer.layers=40", late=True),
        Case("model=torchvision model.name=resnet5O"),
        Case("model=own"),
        Case("model=own model.target=mynets.Net"),
        Case("model=own model.target=torch.nn.Module", late=True),
        Case("model=own model.target=torch.nn.Conv2d model.args.kernel_siez=3"),
        Case("model=own model.target=torch.nn.Conv2d pooling=max"),
    ],
    "Surgery": [
        Case("surgery.pooling=max"),
        Case("model=torchvision surgery.pooling=blurmax"),
        Case("model=torchvision surgery.poolng=max"),
        Case("model=torchvision surgery.pooling.size=3"),
        Case("model=torchvision surgery.pooling=blur_max surgery.pooling.siez=3"),
        Case("model=torchvision surgery.pooling=strided"),
        Case("model=torchvision surgery.norm=none"),
        Case("model=torchvision surgery.pooling=avg", late=True),
        Case(
            "model=torchvision model.name=vgg11 model.resize=47 surgery.pooling=blur_max", late=True
        ),
        Case("model=torchvision model.name=vgg11 model.resize=32 surgery.norm=group", late=True),
        Case("model=torchvision model.name=googlenet surgery.activation=gelu", late=True),
        Case("--multirun model=torchvision surgery.norm=group,grup"),
    ],
    "Stores": [
        Case("tracking.uri=runs.db"),
        Case("tracking.uri=127.0.0.1:5000"),
        Case("tracking.uri=http://me:hush@127.0.0.1:5000"),
        Case("tracking.uri=http://127.0.0.1:9"),
        Case("'tracking.uri=\"sqlite:///runs.db?timeout=60\"'"),
        Case("tracking.uri=sqlite:////my%20runs/mlflow.db"),
        Case("--multirun seed=0,1 tracking.uri=sqlite:///:memory:"),
        Case("--multirun seed=0,1 tracking.uri=sqlite:///FOLDER/images/mlflow.db", notes),
        Case("--multirun seed=0,1 tracking.uri=sqlite:///FOLDER/images/mlflow.db", trials),
        Case("paths.cache=FOLDER/images/mlflow.db", notes),
        Case("hydra.run.dir=FOLDER/images/mlflow.db/x", notes),
        Case("--multirun seed=0,1 hydra.sweep.dir=FOLDER/images/mlflow.db/x", notes),
        Case("tracking.uri=mysql+cymysql://127.0.0.1/runs"),
    ],
    "Papers": [
        Case("--multirun study=he2105 hydra.sweeper.budget=smoke"),
        Case("--multirun study=he2015 hydra.sweeper.budget=smoky"),
        Case("--multirun study=he2015 hydra.sweeper.budget=smoke skip=identityy"),
    ],
    "Sweeps": [
        Case("--multirun study=skp"),
        Case("--multirun study=../skip"),
        Case("--multirun study=dil", study_beside),
        Case("--multirun study=skip pooling=max,avg"),
        Case("--multirun study=skip hydra.sweeper.seeds=0"),
        Case("--multirun study=skip hydra.sweeper.seeds=some"),
        Case("--multirun study=skip hydra.sweeper.setting=photo"),
        Case("--multirun study=skip hydra.sweeper.setting=photos"),
        Case("--multirun study=skip hydra.sweeper.until=sure"),
        Case("--multirun study=skip hydra.sweeper.until=decided hydra.sweeper.max_seeds=2"),
        Case("--multirun study=skip hydra.sweeper.until=decided seed=3,4"),
        Case("--multirun pooling=max,avg hydra.sweeper.until=decided"),
        Case("--multirun pooling=max,avg hydra.sweeper.match=macs"),
        Case("--multirun pooling=max,avg hydra.sweeper.match=macs hydra.sweeper.match_to=max"),
        Case("--multirun study=skip seed=-1"),
        Case("--multirun seed=0,0,1"),
        Case("--multirun seed=0,4294967296"),
        Case("--multirun pooling=max,avg,max"),
        Case("--multirun study=pooling pooling=max"),
        Case("--multirun study=freeze freeze=none"),
        Case("--multirun pooling=blur_max,max pooling.size=5"),
        Case("--multirun study=skip poolng=max"),
        Case("--multirun study=skip model.width=0"),
        Case("--multirun 'model.depth=range(0,0)'"),
        Case("--multirun pooling="),
        Case("--multirun pooling=max,../max"),
        Case("--multirun model.depth=8,9 aux=heads aux.weight=0.1,-1"),
        Case(f"--multirun seed=0,1 {IMAGES}", truncated),
    ],
    "Study files": [
        Case(MINE, study=""),
        Case(MINE, study="question: ["),
        Case(MINE, study="question: a\nreading: b\n"),
        Case(MINE, study="qestion: a\n"),
        Case(MINE, study=STUDY),
        Case(MINE, study=STUDY + "grid: {skip: 3}\n"),
        Case(MINE, study=STUDY + "grid: {skip: []}\n"),
        Case(MINE, study=STUDY + "grid: {skip: [none, idntity]}\n"),
        Case(MINE, study=STUDY + "grid: {skip: [../skip/none]}\n"),
        Case(MINE, study=STUDY + "variants: {a: [skip]}\n"),
        Case(MINE, study=STUDY + "grid: {skip: [none, null]}\n"),
        Case(MINE, study=STUDY + "grid: {transfer.source: [epoch=3.ckpt]}\n"),
        Case(MINE, study=STUDY + "variants: {a: [], b: [skip=identity]}\n"),
        Case(MINE, study=STUDY + "grid: {skip: [none]}\nseeds: 0\n"),
        Case(MINE, study=STUDY + "variants: {a: [], b: []}\nmatch: {cost: macs, to: c}\n"),
        Case(MINE, study=STUDY + "variants: {a: [], b: []}\nmatch: {cost: flops, to: a}\n"),
        Case(MINE, study=STUDY + "grid: {model.width: [4]}\nmatch: {cost: macs, to: width=4}\n"),
        Case(MINE, study=STUDY + "variants: {a: []}\ntune: {by: seed, values: [1, 2]}\n"),
        Case(MINE, study=STUDY + "variants: {a: []}\ntune: {by: optimizer.lr, values: [0.1]}\n"),
        Case(MINE, study=STUDY + "variants: {a: []}\ntune: {by: +optimizer.lr, values: [1, 2]}\n"),
        Case(
            MINE,
            study=STUDY + "variants: {a: [], b: []}\nmatch: {cost: macs, to: a}\n"
            "tune: {by: model.width, values: [4, 8]}\n",
        ),
        Case(
            MINE,
            study=STUDY + "variants: {a: []}\ntune: {by: optimizer.lr, values: [0.1, 1]}\n"
            "settings: {c: {overrides: [optimizer.lr=2]}}\n",
        ),
        Case(MINE, study=STUDY + "variants: {a: []}\nsettings: {c: {}, a-tuning: {}}\n"),
        Case(MINE, study=STUDY + "variants: {a: []}\ntune: {by: model.width, values: [4, 8, 4]}\n"),
        Case(
            MINE,
            study=STUDY + "grid: {model.width: [4]}\ntune: {by: model.width, values: [4, 8]}\n",
        ),
        Case(
            f"{MINE} optimizer.lr=0.1",
            study=STUDY + "variants: {a: []}\ntune: {by: optimizer.lr, values: [0.01, 0.1]}\n",
        ),
        Case(
            MINE, study=STUDY + "variants: {a: []}\ntune: {by: optimizer.lr, values: [0.1, -1]}\n"
        ),
        Case(MINE, study=STUDY + "variants: {a: []}\ntune: {by: optimiser.lr, values: [0.1, 1]}\n"),
        Case(
            MINE,
            study=STUDY + "variants: {a: [], b: [model=vgg]}\nmatch: {cost: macs, to: a}\n",
            late=True,
        ),
        Case(
            MINE,
            study=STUDY + "variants: {a: [], b: [model.depth=20]}\nmatch: {cost: macs, to: a}\n"
            "overrides: [model.depth=8, model.width=4]\n",
            late=True,
        ),
        Case(MINE, study=claim("{skip: idntity}")),
        Case(MINE, study=claim("{variant: skip=identiy}")),
        Case(MINE, study=claim("{model: resnet}")),
        Case(MINE, study=claim("{skip: identity}", "mac")),
        Case(MINE, study=STUDY.replace("macs", "mac") + "grid: {skip: [none]}\n"),
    ],
    "New files": [
        Case("new poolng mine"),
        Case("new pooling max"),
        Case("new pooling soft-max"),
        Case("new data json"),
    ],
}
CASES = [case for cases in SECTIONS.values() for case in cases]


def refusal(case: Case) -> Refusal:
    """Run the real command in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if case.spoil:
            case.spoil(folder / "images")
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/store/mlflow.db",
            "CNN_ANATOMY_CACHE": f"{folder}/cache",
            "OMP_NUM_THREADS": "1",
            "WORKERS": "1",
        }
        environment.pop("CNN_ANATOMY_IMAGES", None)  # which a setting needs
        if case.study is not None:
            for part in ("src", "conf", "experiments"):
                ignore = shutil.ignore_patterns("__pycache__", "*.png", "*.svg", "runs.csv")
                shutil.copytree(REPOSITORY / part, folder / "copy" / part, ignore=ignore)
            (folder / "copy" / "experiments" / "mine.yaml").write_text(case.study)
            environment["PYTHONPATH"] = python_path(folder / "copy" / "src")
        words = shlex.split(case.words.replace("FOLDER", name))
        with (folder / "said").open("w+") as said:
            process = subprocess.Popen(
                [*TRAIN, *words],
                cwd=folder,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read().strip()
        left = [path for path in ("store", "mlruns", "mlartifacts") if (folder / path).exists()]
        text = text.replace(name, "FOLDER")
        return Refusal(process.returncode, text, usage.ru_utime + usage.ru_stime, left)


def document(refusals: dict[Case, Refusal]) -> str:
    """Return the text of docs/bad-input.md."""
    lines = [
        "# Bad input",
        "",
        "How `python -m cnn_anatomy.train` answers mistakes: one sentence for each, exit status 2, "
        "and neither a run nor a store is left behind. A sweep is refused before any of its runs "
        "is trained. All but those marked † are refused before PyTorch is imported: one run in two "
        "seconds of processor time, a sweep in two to five.",
        "",
        "`.venv/bin/python tests/bad_input.py` writes this page from the command's answers; "
        "`tests/config/test_bad_input.py` checks it.",
    ]
    for section, cases in SECTIONS.items():
        lines += ["", f"## {section}", "", markdown_table(("typed", "said"), []).rstrip()]
        lines += [row(case, refusals[case]) for case in cases]
    return "\n".join(lines) + "\n"


def row(case: Case, refused: Refusal) -> str:
    """Return the row of a case."""
    typed = f"`{case.words}`"
    if case.study is not None:
        last = case.study.removeprefix(STUDY).strip() or case.study.strip() or "(empty)"
        typed += f" with `{'; '.join(last.splitlines())}` in mine.yaml"
    return markdown_row((f"{typed}{' †' if case.late else ''}", refused.said))


def main() -> None:
    """Write the page; complain of a case that is not refused as it should be."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        refusals = dict(zip(CASES, pool.map(refusal, CASES), strict=True))
    for case, refused in refusals.items():
        if (
            refused.status != 2
            or refused.left
            or (not case.late and refused.seconds > WITHOUT_PYTORCH_SECONDS)
        ):
            print(f"{case.words} ({case.study!r}): {refused}", file=sys.stderr)
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(refusals), encoding="utf-8")
    slowest = max(r.seconds for c, r in refusals.items() if not c.late)
    print(f"{len(CASES)} cases, the slowest without PyTorch {slowest:.1f} s of processor time")


if __name__ == "__main__":
    main()

"""Output in any encoding, to a pipe or a disk that fails, by the real command."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import SMALL, environment
from mlflow import MlflowClient
from PIL import Image
from processes import TRAIN

from cnn_anatomy.core.streams import LastingStream, plain
from cnn_anatomy.tracking.store import prepare

PLAN = (*TRAIN, "--multirun", "pooling=max,avg", *SMALL, "hydra.sweeper.plan=true")
OLD_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0"}
FULL = Path("/dev/full")


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("gap −5.0 ± 0.3", "ascii", b"gap -5.0 +- 0.3"),
        ("gap −5.0 ± 0.3", "cp1252", b"gap -5.0 \xb1 0.3"),
        ("gap −5.0 ± 0.3", "utf-8", "gap −5.0 ± 0.3".encode()),
        ("RMS (×10⁻³), MACs (10⁶)", "ascii", b"RMS (x10^-3), MACs (10^6)"),
        ("RMS (×10⁻³), MACs (10⁶)", "cp1252", b"RMS (\xd710^-\xb3), MACs (10^6)"),
        ("猫 of B\udcfccher", "ascii", b"? of B?cher"),
        ("of B\udcfccher", "utf-8", b"of B?cher"),
    ],
)
def test_what_an_encoding_lacks_is_written_plain(text, encoding, shown, tmp_path):
    with LastingStream((tmp_path / "said").open("wb"), encoding=encoding, errors="plain") as said:
        said.write(text)
    assert (tmp_path / "said").read_bytes() == shown


def test_what_can_not_be_decoded_is_an_error():
    with pytest.raises(UnicodeDecodeError):
        b"B\xfccher".decode("utf-8", plain.__name__)


def images(root):
    for name in ("Hüte", "Schuhe"):
        (root / name).mkdir(parents=True)
        for i in range(8):
            Image.effect_noise((20, 20), 50).save(root / name / f"{i}.png")


@pytest.mark.slow
@pytest.mark.every_part
def test_a_run_in_another_locale_is_recorded_in_utf8_and_its_table_shown(tmp_path):
    images(tmp_path / "Bücher")
    words = (
        *("--multirun", "seed=0,1", "data=imagefolder", "data.batch_size=4", *SMALL[:1]),
        *("trainer.max_epochs=1", f'data.source.root="{tmp_path}/Bücher"'),
    )
    call = [*TRAIN, *words]
    for more, minus in (({}, b"-"), ({"PYTHONIOENCODING": "utf-8"}, "−".encode())):
        process = subprocess.run(
            call,
            cwd=tmp_path,
            env=environment(tmp_path, **OLD_LOCALE, **more),
            capture_output=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        assert b"train " + minus + b" test (points)" in process.stdout
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run, *_) = client.search_runs([prepare(client.tracking_uri, "adhoc")], "tags.kind = 'run'")
    config = client.download_artifacts(run.info.run_id, "config.yaml", str(tmp_path))
    assert "Bücher" in Path(config).read_text(encoding="utf-8")


def test_an_argument_in_another_encoding_is_refused(tmp_path):
    word = b'data.source.root="B\xfccher"'
    process = subprocess.run(
        [*TRAIN, "data=imagefolder", word], env=environment(tmp_path), capture_output=True
    )
    assert process.returncode == 2
    assert process.stderr.decode().strip() == (
        r'data.source.root="B\xfccher" is no UTF-8: rename what it names, or write it in UTF-8'
    )


@pytest.mark.parametrize("end", ["pipe", "full", "closed"])
def test_a_command_outlives_its_output(end, tmp_path):
    """A table that nobody reads any more is no reason to fail."""
    with ExitStack() as stack:
        reader, writer = os.pipe()
        os.close(reader)
        stack.callback(os.close, writer)
        if end == "full" and not FULL.exists():
            pytest.skip("this system has no /dev/full")
        output = {"pipe": writer, "closed": None}.get(end)
        if end == "full":
            output = stack.enter_context(FULL.open("wb"))
        words = ["sh", "-c", 'exec "$@" >&-', "sh"] if end == "closed" else []
        process = subprocess.run(
            [*words, *PLAN],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == 0, process.stderr
    assert not process.stderr

"""What is left over in the environment does not change a result in silence."""

import subprocess

import pytest
from processes import TRAIN

from cnn_anatomy.core.environment import REFUSED, check_environment
from cnn_anatomy.core.errors import ConfigError

TORCHRUN = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.mark.parametrize("name", [p.replace("*", "LIMIT_TRAIN_BATCHES") for p in REFUSED])
def test_what_changes_numbers_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name}=1"):
        check_environment({name: "1"})
    check_environment({name: ""})


@pytest.mark.parametrize(
    "left",
    [
        {"RANK": "3"},
        {"LOCAL_RANK": "1"},
        {"RANK": "x"},
        {"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
        {"WORLD_SIZE": "4"},
        {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "a"},
    ],
)
def test_half_a_process_group_is_refused(left):
    with pytest.raises(ConfigError, match=r"RANK|WORLD_SIZE"):
        check_environment(left)


@pytest.mark.parametrize("whole", [{}, {"RANK": "0"}, {"RANK": "0", "WORLD_SIZE": "1"}, TORCHRUN])
def test_a_whole_process_group_is_taken(whole):
    check_environment(whole)


@pytest.mark.parametrize("more", [(), ("--multirun", "seed=0,1")], ids=["run", "sweep"])
@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("PL_TRAINER_LIMIT_TRAIN_BATCHES", "1", "give trainer.limit_train_batches=1 instead"),
        ("RANK", "3", "RANK=3 is no process of WORLD_SIZE=: it was left over from torchrun"),
    ],
)
def test_the_command_refuses_a_left_over_variable(
    tmp_path, monkeypatch, name, value, refusal, more
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("CNN_ANATOMY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(name, value)
    process = subprocess.run([*TRAIN, *more], capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert refusal in process.stderr
    assert "Traceback" not in process.stderr
    assert list(tmp_path.iterdir()) == []

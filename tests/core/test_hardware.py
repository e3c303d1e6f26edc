"""Which precision is chosen: bfloat16 only where the hardware computes it."""

import os

import pytest

from cnn_anatomy.core.hardware import native_precision, precision_of, visible_gpus


@pytest.mark.parametrize(
    ("flags", "capability", "precision"),
    [
        ({"avx2", "avx512f"}, None, "32-true"),
        (set(), None, "32-true"),
        ({"avx512f", "avx512_bf16"}, None, "bf16-mixed"),
        ({"amx_bf16"}, None, "bf16-mixed"),
        ({"asimd", "bf16"}, None, "bf16-mixed"),
        (set(), 8.0, "bf16-mixed"),
        (set(), 9.0, "bf16-mixed"),
        ({"avx512_bf16"}, 7.5, "32-true"),  # a GPU is there, so the processor does not count
    ],
)
def test_bfloat16_is_used_where_it_is_native(flags, capability, precision):
    assert precision_of(flags, capability) == precision


@pytest.mark.parametrize(
    ("capability", "precision"), [("7.5", "32-true"), ("8.6", "bf16-mixed"), ("10.0", "bf16-mixed")]
)
def test_the_gpu_is_asked(tmp_path, monkeypatch, capability, precision):
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\necho {capability}\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    native_precision.cache_clear()
    try:
        assert native_precision() == precision
    finally:
        native_precision.cache_clear()


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("1, 0", ["1", "0"]),
        ("GPU-ab", ["GPU-ab"]),
        ("0,7,1", ["0"]),  # CUDA ends the list before the first name that is no GPU
        ("cpu,0", []),
        ("-1", []),
        ("", []),
    ],
)
def test_names_of_gpus_are_read_as_cuda_reads_them(tmp_path, monkeypatch, visible, gpus):
    smi = tmp_path / "nvidia-smi"
    smi.write_text(
        '#!/bin/sh\ncase "$*" in *index*) echo 0; echo 1;; *) echo GPU-abc1; echo GPU-def2;; esac\n'
    )
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == gpus

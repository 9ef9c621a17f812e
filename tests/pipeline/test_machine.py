"""Tests that machines whose libraries give other bytes are told apart, and those whose libraries do not are not."""

import json
import os
import subprocess
import sys

import pytest

from blurkit.pipeline.machine import difference, machine_kind


def kind_with(**environment):
    """The kind of machine that a new process sees."""
    code = "import json; from blurkit.pipeline.machine import machine_kind; print(json.dumps(machine_kind()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=120, check=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("{"))  # with a loud log level, OpenCV prints others
    return json.loads(line)


def test_equal_results_are_one_kind():
    assert kind_with() == machine_kind()
    assert kind_with(OPENCV_IPP="disabled", OPENCV_LOG_LEVEL="DEBUG") == machine_kind()
    assert difference(machine_kind()) == ""


@pytest.mark.skipif(machine_kind()["multiply_add"] != "fused", reason="this processor has no fused multiply-add")
def test_compiled_code_without_fused_multiply_add_is_another_kind():
    other = kind_with(NUMBA_CPU_NAME="generic")
    assert other == machine_kind() | {"multiply_add": "separate"}
    assert difference(other) == "multiplication and addition: separate there, fused here"


@pytest.mark.parametrize("processor", [{}, {"NUMBA_CPU_NAME": "generic"}])
def test_the_kind_of_arithmetic_is_that_of_compiled_code(processor):
    code = (
        "import numba, numpy as np\nfrom blurkit.jit import has_fused_multiply_add\n"
        "@numba.njit(fastmath={'contract'})\n"
        "def multiply_add(v): return v[0] * v[1] + v[2]\n"
        # With one rounding, the square of 1 + 2**-12 keeps its last term, which two roundings lose.
        "side = 1 + 2**-12\n"
        "print(has_fused_multiply_add(), multiply_add(np.array([side, side, -1 - 2**-11], np.float32)) != 0)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | processor, timeout=120, check=False)
    said, seen = done.stdout.split()
    assert said == seen, done.stderr


def test_another_decoder_is_said_in_words_and_plans_without_a_record_say_nothing():
    ours = machine_kind()["decoder"]
    assert difference(machine_kind() | {"decoder": "000000000000"}) == f"the JPEG decoder: 000000000000 there, {ours} here"
    assert [difference(stored) for stored in ({}, None, "odd", {"decoder": None})] == [""] * 4


def test_a_decoder_that_rounds_otherwise_is_another_kind(monkeypatch):
    import cv2

    decode = cv2.imdecode

    def off_by_one(*arguments):
        pixels = decode(*arguments)
        pixels[3, 5, 1] ^= 1
        return pixels

    monkeypatch.setattr(cv2, "imdecode", off_by_one)
    other = machine_kind.__wrapped__()
    assert other["decoder"] != machine_kind()["decoder"]

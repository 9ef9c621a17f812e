"""Tests that only messages of damage count as damage, whatever the surroundings make the libraries say."""

import os
import subprocess
import sys

import pytest
from packaged import PHOTOGRAPHS

from blurkit.decode.damage import damage_in

DAMAGE = [
    "Corrupt JPEG data: premature end of data segment\n",
    "Corrupt JPEG data: bad Huffman code\n",
    "Corrupt JPEG data: found marker 0xd9 instead of RST3\n",
    "Corrupt JPEG data: 31 extraneous bytes before marker 0xd9\n",
    "Premature end of JPEG file\n",
    "Inconsistent progression sequence for component 0 coefficient 1\n",
    "libpng error: bad adaptive filter value\n",
    "libpng warning: IDAT: Too many IDATs found\n",
    "[ WARN:0@0.1] global grfmt_tiff.cpp:117 TIFF_Warning Bogus data\n",
    "[ WARN:0] global grfmt_tiff.cpp:117 TIFF_Warning Bogus data\n",
    "[ERROR:0@0.1] global loadsave.cpp:1 imdecode_(''): can't read: error: (-215) ncn == 3\n> where\n>     'idx' is 5\n\n",
]
HARMLESS = [
    "[ WARN:0@0.008] global system.cpp:2532 IPPInitSingleton WARNING: IPP was disabled by OPENCV_IPP environment variable\n",
    "[ WARN:0@0.1] global ocl.cpp:1 haveOpenCL broken driver\n",
    "[ WARN:0@0.1] global grfmt_tiff.cpp:117 TIFF_Warning Unknown field with tag 65000\n",
    "Corrupt JPEG data: bad ICC marker\n",
    "Warning: unknown JFIF revision number 2.01\n",
    "Invalid SOS parameters for sequential JPEG\n",
    "libpng warning: Extra compressed data\n",
]


def test_messages_of_damage_are_told_from_others():
    assert damage_in(HARMLESS) == []
    found = damage_in([*HARMLESS, *DAMAGE])
    assert len(found) == len(DAMAGE)
    assert found[6] == "bad adaptive filter value"
    assert not any("global" in text for text in found)


@pytest.mark.parametrize("setting", [
    "OPENCV_IPP=disabled", "OPENCV_IPP=nonsense", "OPENCV_LOG_LEVEL=VERBOSE", "OPENCV_LOG_LEVEL=SILENT",
    "OPENCV_CPU_DISABLE=AVX2", "OPENCV_OPENCL_RUNTIME=disabled", "JSIMD_FORCENONE=1", "OPENCV_LOG_TIMESTAMP=0",
])  # fmt: skip
def test_the_first_photograph_of_a_process_is_sound_in_any_surroundings(setting):
    code = (
        "import hashlib, sys\nfrom blurkit.decode import read_image\n"
        "for path in sys.argv[1:]: print(hashlib.sha256(read_image(path).pixels).hexdigest())"
    )
    command = [sys.executable, "-c", code, *(PHOTOGRAPHS / f"{name}.jpg" for name in ("coffee", "camera", "coffee"))]
    plain, other = (
        subprocess.run(command, capture_output=True, text=True, env=os.environ | more, timeout=60)
        for more in ({}, dict([setting.split("=")]))
    )
    assert (plain.returncode, other.returncode) == (0, 0), other.stderr
    assert other.stdout == plain.stdout

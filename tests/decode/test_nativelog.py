"""Tests that messages of native libraries are caught and told apart from others, also if a process forks."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from blurkit.decode.nativelog import catch_messages

MESSAGES = [
    "Corrupt JPEG data: premature end of data segment\n",
    "libpng warning: iCCP: too short\n",
    "[ WARN:0@0.1] global grfmt_tiff.cpp:117 TIFF_Warning Unknown field with tag 65000\n",
    "[ERROR:0@0.1] global loadsave.cpp:1 imdecode_(''): can't read: error: (-215) ncn == 3\n> where\n>     'idx' is 5\n\n",
]


def test_messages_are_caught_and_the_rest_is_passed_on(capfd):
    text = f"before\n{MESSAGES[0]}{MESSAGES[1]}between\n{MESSAGES[2]}{MESSAGES[3]}after"
    result, messages = catch_messages(lambda: os.write(2, text.encode()))
    assert (result, messages) == (len(text), MESSAGES)
    assert capfd.readouterr() == ("", "before\nbetween\nafter")


def test_an_error_puts_the_descriptor_back(capfd):
    def fail() -> None:
        os.write(2, MESSAGES[0].encode())
        raise KeyError("reason")

    descriptors = len(os.listdir("/dev/fd"))
    with pytest.raises(KeyError):
        catch_messages(fail)
    os.write(2, b"shown\n")
    assert capfd.readouterr().err == "shown\n"
    assert len(os.listdir("/dev/fd")) == descriptors


def test_a_fork_waits_until_the_descriptor_is_back(capfd):
    inside, leave = threading.Event(), threading.Event()

    def stay() -> bool:
        inside.set()
        return leave.wait(10)

    thread = threading.Thread(target=catch_messages, args=(stay,))
    thread.start()
    inside.wait(10)
    threading.Timer(0.1, leave.set).start()
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # if the lock of the other thread were inherited, the child would wait for ever
        catch_messages(lambda: None)
        os.write(2, b"child\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    assert capfd.readouterr().err == "child\n"


def test_a_process_without_standard_error():
    code = (
        "import os\nfrom blurkit.decode.nativelog import catch_messages\nos.close(2)\n"
        "print(catch_messages(lambda: os.write(2, b'libpng error: x\\n')))\n"
        "try: os.fstat(2)\nexcept OSError: print('still closed')"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "(16, ['libpng error: x\\n'])\nstill closed\n"

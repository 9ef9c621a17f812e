"""A file system that lacks calls: a library that is loaded before the C library and refuses them below one folder."""

import ctypes.util
import errno
import os
import shutil
import subprocess

import pytest

#: Each function has the type, the arguments, and what says whether it is refused: a descriptor or a name.
_CALLS = {
    "flock": ("int fd, int how", "fd, how", "of_file(fd)"),
    "fchmod": ("int fd, mode_t mode", "fd, mode", "of_file(fd)"),
    "ftruncate": ("int fd, off_t size", "fd, size", "of_file(fd)"),
    "ftruncate64": ("int fd, off_t size", "fd, size", "of_file(fd)"),
    "rename": ("const char *from, const char *to", "from, to", "of_name(to)"),
    "link": ("const char *from, const char *to", "from, to", "of_name(to)"),
    "close": ("int fd", "fd", "of_file(fd)"),
    "statvfs": ("const char *name, void *answer", "name, answer", "of_name(name)"),
    "statvfs64": ("const char *name, void *answer", "name, answer", "of_name(name)"),
    "fstatvfs": ("int fd, void *answer", "fd, answer", "of_file(fd)"),
    "fstatvfs64": ("int fd, void *answer", "fd, answer", "of_file(fd)"),
}

_HEAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int in_folder(const char *path) {
    const char *folder = getenv("ODD_FOLDER");
    return folder && !strncmp(path, folder, strlen(folder));
}
static int of_file(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return in_folder(path);
}
static int of_name(const char *name) {
    char path[PATH_MAX], folder[PATH_MAX];
    if (name[0] == '/') return in_folder(name);
    if (!getcwd(folder, sizeof folder)) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return in_folder(path);
}
static int refused(const char *call) {
    const char *answer = getenv(call);
    if (answer) errno = atoi(answer);
    return answer != NULL;
}
int fsync(int fd) {
    struct stat status;
    if (of_file(fd) && !fstat(fd, &status) && refused(S_ISDIR(status.st_mode) ? "ODD_fsync_folder" : "ODD_fsync")) return -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
"""


def _function(name):
    parameters, arguments, where = _CALLS[name]
    word = name.removesuffix("64").removeprefix("fstat").removeprefix("stat")
    word = "statvfs" if word == "vfs" else word
    close = "dlsym_close(fd); " if name == "close" else ""
    return (
        f"int {name}({parameters}) {{\n"
        f'    int (*real)({parameters}) = (int (*)({parameters}))dlsym(RTLD_NEXT, "{name}");\n'
        f'    if ({where} && refused("ODD_{word}")) {{ {close}return -1; }}\n'
        f"    return real({arguments});\n}}\n"
    )


def build(folder):
    """Compile the library into a folder. Returns its path. Skips the test where this is not possible."""
    compiler = shutil.which("cc")
    if compiler is None or os.uname().sysname != "Linux" or not ctypes.util.find_library("c"):
        pytest.skip("no C compiler, or no Linux: a file system without some calls cannot be imitated")
    closing = (
        "static void dlsym_close(int fd) {\n"
        '    int error = errno;\n    ((int (*)(int))dlsym(RTLD_NEXT, "close"))(fd);\n    errno = error;\n}\n'
    )
    source, library = folder / "odd_disk.c", folder / "odd_disk.so"
    source.write_text(_HEAD + closing + "".join(map(_function, _CALLS)))
    done = subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library


def environment(library, folder, **answers):
    """The environment of a process to which calls below ``folder`` answer with these errors, such as ``flock="ENOSYS"``."""
    numbers = {f"ODD_{call}": str(getattr(errno, name)) for call, name in answers.items()}
    return {"LD_PRELOAD": str(library), "ODD_FOLDER": str(folder), **numbers}

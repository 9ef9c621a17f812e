"""A library that fails reads of one file, as a broken disk does. It is compiled with the C compiler of the machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

needs_compiler = pytest.mark.skipif(not (shutil.which("cc") and Path("/proc/self/fd").exists()), reason="needs cc and /proc")

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Whether a read of [offset, offset + size) of this descriptor touches the broken place. */
static int broken(int descriptor, off_t offset, size_t size)
{
    const char *name = getenv("FAILING_FILE"), *place = getenv("FAILING_PLACE");
    char link[64], path[4096];
    if (!name || !place) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (length < (ssize_t)strlen(name) || strcmp(path + length - strlen(name), name)) return 0;
    off_t wanted = atoll(place);
    if (offset < 0) offset = lseek(descriptor, 0, SEEK_CUR);
    return offset <= wanted && wanted < offset + (off_t)size;
}

static size_t total(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    return size;
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(descriptor, offset, size) if (broken(descriptor, offset, size)) { errno = EIO; return -1; }

ssize_t read(int fd, void *to, size_t size) { FAIL(fd, -1, size) return REAL(read)(fd, to, size); }
ssize_t pread(int fd, void *to, size_t size, off_t at) { FAIL(fd, at, size) return REAL(pread)(fd, to, size, at); }
ssize_t pread64(int fd, void *to, size_t size, off_t at) { FAIL(fd, at, size) return REAL(pread64)(fd, to, size, at); }
ssize_t preadv(int fd, const struct iovec *to, int n, off_t at) { FAIL(fd, at, total(to, n)) return REAL(preadv)(fd, to, n, at); }
ssize_t preadv64(int fd, const struct iovec *to, int n, off_t at)
{ FAIL(fd, at, total(to, n)) return REAL(preadv64)(fd, to, n, at); }
ssize_t preadv2(int fd, const struct iovec *to, int n, off_t at, int flags)
{ FAIL(fd, at, total(to, n)) return REAL(preadv2)(fd, to, n, at, flags); }
ssize_t preadv64v2(int fd, const struct iovec *to, int n, off_t at, int flags)
{ FAIL(fd, at, total(to, n)) return REAL(preadv64v2)(fd, to, n, at, flags); }
"""


def failing_reads(folder: Path, name: str, place: int) -> dict[str, str]:
    """The environment of a process in which every read of byte ``place`` of files that end in ``name`` fails with EIO."""
    source, library = folder / "failing.c", folder / "failing.so"
    source.write_text(_SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, capture_output=True)
    return {"LD_PRELOAD": str(library), "FAILING_FILE": name, "FAILING_PLACE": str(place)}

"""Whether freed memory is kept: counted in page faults, in processes of their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from fxlens.cli.allocation import keep_freed_memory
if "keep" in sys.argv:
    keep_freed_memory()
def work():
    return float(sum(np.ones(16_000_000 // 8).sum() for _ in range(40)))
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*words: str, **environment: str) -> int:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], env=clean | environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so readily")
def test_large_arrays_are_not_fetched_anew() -> None:
    pages = 40 * 16_000_000 // os.sysconf("SC_PAGE_SIZE")
    kept = faults("keep")
    assert kept < pages // 20
    # What the user has set stays. (Pages may be huge ones.)
    assert faults("keep", MALLOC_MMAP_THRESHOLD_="100000", MALLOC_TRIM_THRESHOLD_="100000") > 4 * kept + 40

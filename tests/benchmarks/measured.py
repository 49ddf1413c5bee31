"""A command line -> its output and what it cost: seconds, processor time, the most memory it held."""

import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tests.waiting import running

_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Measured:
    """
    Attributes:
        peak_mb: VmHWM, as last seen while it ran. (`ru_maxrss` would start with that of the process that forked it.)
    """

    said: bytes
    status: int
    seconds: float
    processor_s: float
    peak_mb: int


def measured(arguments: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run `crmsync` with these arguments in a process of its own; standard error goes where ours goes."""
    began, busy = perf_counter(), _children_s()
    with tempfile.TemporaryFile() as out:
        command = [sys.executable, "-m", "crmsync", *arguments]
        with running(command, seconds=3_600, env=dict(environment), stdout=out) as process:
            peak_mb = _watched(process)
        out.seek(0)
        said = out.read()
    return Measured(said, process.returncode, perf_counter() - began, _children_s() - busy, peak_mb)


def _watched(process: "subprocess.Popen[bytes]") -> int:
    """Wait for its end; return the most memory seen."""
    peak_mb = 0
    while True:
        try:
            process.wait(_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            peak_mb = max(peak_mb, _most_mb(process.pid))
        else:
            return peak_mb


def _most_mb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended, or this is no Linux
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

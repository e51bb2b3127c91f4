"""Timing in pairs, peak memory of ranks, and the table."""
import json
import mmap
import os
import pathlib
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SPARE = 512 << 20  # bytes of free memory that are left alone


class Failed(Exception):
    """A command that was to be measured did not work."""


def run(command, **more):
    """The wall seconds of a command, whose output is kept for the case that it fails."""
    begun = time.perf_counter()
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(c) for c in command)}\nexit status {done.returncode}\n{done.stdout[-3000:]}")
    return seconds


def machine(fgconv, folder):
    """What figures depend on: processor, cores, kernel, OpenBLAS and its kernels, and the file system of `folder`."""
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    about = json.loads(subprocess.run([fgconv, "--version", "-v", "--json"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    kind = subprocess.run(["df", "--output=fstype", folder], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]
    return (f"{found.group(1) if found else platform.machine()}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}, "
            f"OpenBLAS {about['openblas']} with {about['openblas_kernels']} kernels, {kind}")


def processor(command, **more):
    """The seconds of processor time that a command of one process takes: also on a machine that does other things."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    before = spent()
    run(command, **more)
    return spent() - before


def mpirun(ranks, *command):
    return ["mpirun", "--oversubscribe", "-n", str(ranks), *command]


def remove(path):
    """Also waits until the file system is done with it, so that the next run begins on a quiet disk."""
    shutil.rmtree(path, ignore_errors=True)
    pathlib.Path(path).unlink(missing_ok=True)
    subprocess.run(["sync", "-f", str(pathlib.Path(path).parent)], check=True)


def warm(folder):
    """Reads every file of a folder (the data of it, not holes), so that it is in the page cache."""
    buffer = bytearray(1 << 22)
    for path in pathlib.Path(folder).iterdir():
        with open(path, "rb", buffering=0) as file:
            end, at = os.fstat(file.fileno()).st_size, 0
            while at < end:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                stop = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                os.lseek(file.fileno(), at, os.SEEK_SET)
                while at < stop:
                    at += file.readinto(buffer)


def drop_page_cache():
    """So that the next run finds free memory; root alone may."""
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError:
        pass


def touch_free_memory(most):
    """At most so many bytes of it. A page that the host of a virtual machine has taken back is slow when it is used again (0.7 GB/s): whoever
    runs next shall not pay for it."""
    found = re.search(r"MemFree:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
    count = min(most, int(found.group(1)) * 1024 - SPARE)
    if count > 0:
        with mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE):
            pass


def start_of(ranks, times=5):
    """What mpirun itself takes: the median of `mpirun -n RANKS true`."""
    return statistics.median(run(mpirun(ranks, "true")) for _ in range(times))


def launcher(ranks, command, record):
    """Runs `command` in `ranks` ranks; returns the peak resident bytes of the largest, as the kernel counted them."""
    shutil.rmtree(record, ignore_errors=True)
    os.makedirs(record)
    run(mpirun(ranks, sys.executable, HERE / "peak.py", record, *command))
    return max(int(p.read_text()) for p in pathlib.Path(record).iterdir())


def report_of(path):
    return json.loads(pathlib.Path(path).read_text())


class Table:
    def __init__(self):
        self.rows, self.missed = [], []

    def add(self, what, ours, against, ratio, budget, ok):
        """`ok` None: a figure without a budget."""
        word = "" if ok is None else "yes" if ok else "NO"
        if ok is False:
            self.missed.append(what)
        self.rows.append((what, ours, against, ratio, budget, word))
        print(f"  {what}: {ours}; {against or '-'}; {ratio or '-'}; budget {budget or '-'} {word}", file=sys.stderr, flush=True)

    def text(self):
        head = ("what", "fgconv", "against", "ratio", "budget", "ok")
        widths = [max(len(r[i]) for r in (head, *self.rows)) for i in range(len(head))]
        line = lambda row: "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |"
        return "\n".join([line(head), line(["-" * w for w in widths]), *map(line, self.rows)])


def seconds(values):
    return f"{statistics.median(values):.2f} s"


def pairs(count, ours, theirs, start):
    """Runs ours and theirs in turn: lists of our seconds (less what mpirun takes), of theirs, and of the ratios."""
    mine, other = [], []
    for _ in range(count):
        mine.append(ours() - start)
        other.append(theirs())
    return mine, other, [a / b for a, b in zip(mine, other)]


def ratio_text(ratios):
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)"

"""A conversion that is halted as soon as DST.partial is there, so that its surroundings can be changed at a known moment."""
import os
import pathlib
import signal
import subprocess
import time

from checkpoint import environment


def holds(process, word):
    """Whether a process other than the launcher has the word in its command line."""
    try:
        line = (process / "cmdline").read_bytes()
    except OSError:
        return False
    return word.encode() in line and b"mpirun" not in line[:40]


class Halted:
    """with Halted(...) as run: change something; afterwards run.code and run.text tell how the conversion ended."""

    def __init__(self, fgconv, arguments, source, out, ranks):
        self.out, self.partial, self.code, self.text = pathlib.Path(out), pathlib.Path(f"{out}.partial"), None, ""
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        self.process = subprocess.Popen([*launcher, fgconv, *map(str, arguments), str(source), str(out)], env=environment(), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def __enter__(self):
        end = time.monotonic() + 30
        while not self.partial.exists() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        self.pids = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and holds(p, str(self.out))]
        self.signal(signal.SIGSTOP)
        self.met = self.process.poll() is None and self.partial.exists() and bool(self.pids)
        return self

    def signal(self, which):
        for pid in self.pids:
            try:
                os.kill(pid, which)
            except ProcessLookupError:
                pass

    def __exit__(self, *_):
        self.signal(signal.SIGCONT)
        try:
            self.text, self.code = self.process.communicate(timeout=120)[0], self.process.returncode
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.kill()
            self.text, self.code = self.process.communicate()[0], "hangs"

#!/usr/bin/env python3
"""Signals: a run that is stopped leaves neither DST nor DST.partial behind, at any moment, on any number of ranks.

    signals.py --fgconv build/fgconv

SIGINT and SIGTERM to mpirun, to all ranks (as Slurm does) or to fgconv alone: before anything is written, while tensors are written, inside
fsync, and while the models run. DST.partial must have vanished 0.8 s after the ranks got the signal. Open MPI's mpirun, once signalled, sends
SIGCONT at once, SIGTERM a second later and SIGKILL a second after that; so it has 1.8 s. Then a signal to one rank only, kill -9 of a rank,
a --dump that is interrupted, and a launcher that is held up while its ranks end.
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]
from big_model import write_model
from checkpoint import Tally, environment, open_mpi, run

LIMIT = 0.8  # seconds from the signal to the end of DST.partial
LAUNCHER = 1.0  # seconds that mpirun waits before it passes a signal on
ALONE_LIMIT = 0.4 + LAUNCHER + LIMIT  # one rank is signalled: it waits, ends, and mpirun ends the others
LAYERS = 4
FSYNC_CALLS = {"74", "75"} if os.uname().machine == "x86_64" else {"82", "83"}
# A proof of many tokens keeps the run busy for long after the writing, so that no run ends before the signal arrives.
PROVE = ["--no-fsync", "--token-ids", ",".join(str(i % 4000) for i in range(1500))]
WRITE = [*PROVE, "--dtype", "float32"]
SYNC = WRITE[1:]  # with fsync
tally = Tally()
slowest = {}


def read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def processes(mark):
    """Ids of the processes whose command line holds `mark`, ours apart."""
    return [int(p.name) for p in pathlib.Path("/proc").iterdir()
            if p.name.isdigit() and int(p.name) != os.getpid() and str(mark).encode() in read(p / "cmdline")]


def ranks_of(mark):
    """rank -> process id of a run under mpirun or srun."""
    found = {}
    for pid in processes(mark):
        for entry in read(f"/proc/{pid}/environ").split(b"\0"):
            if entry.startswith((b"OMPI_COMM_WORLD_RANK=", b"PMIX_RANK=")):
                found[int(entry.split(b"=")[1])] = pid
    return found


def written(partial):
    """Bytes that the shards of a half-written checkpoint occupy."""
    try:
        return sum(p.stat().st_blocks * 512 for p in partial.glob("*.safetensors"))
    except OSError:
        return 0


def in_fsync(mark):
    return any(read(task / "syscall").split(b" ")[0].decode() in FSYNC_CALLS
               for pid in processes(mark) for task in pathlib.Path(f"/proc/{pid}/task").glob("*"))


def wait_until(condition, process, seconds=60, step=0.004):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(step)
    return False


class Run:
    """A conversion in the background, and what is to be known about its end."""

    def __init__(self, fgconv, source, folder, ranks, options):
        self.destination = pathlib.Path(folder) / "out"
        self.partial = pathlib.Path(folder) / "out.partial"
        self.bytes = sum(p.stat().st_size for p in source.glob("*.safetensors"))
        self.output = open(pathlib.Path(folder) / "output", "w+")
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        self.process = subprocess.Popen([*launcher, fgconv, *options, str(source), str(self.destination)], env=environment(),
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT)

    def wait_for(self, moment):
        """Whether that moment of the run was reached before its end."""
        if moment == "start":
            time.sleep(0.1)
            return self.process.poll() is None and not self.destination.exists()
        if moment == "writing":
            return wait_until(lambda: written(self.partial) > 4 << 20, self.process)
        if moment == "fsync":  # of the shards, not those at the end
            return wait_until(lambda: self.partial.exists() and in_fsync(self.destination), self.process) and "proving" not in self.text()
        reached = wait_until(lambda: written(self.partial) > self.bytes - (1 << 20), self.process)
        time.sleep(0.4)
        return reached and self.process.poll() is None

    def gone_after(self, seconds=5.0):
        """Seconds until DST.partial has vanished; None if it stays."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if not os.path.lexists(self.partial):
                return time.monotonic() - begun
            time.sleep(0.004)
        return None

    def end(self):
        """The exit code, when the process ends within 10 s."""
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "hangs"

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def strays(self):
        end = time.monotonic() + 3
        while processes(self.destination) and time.monotonic() < end:
            time.sleep(0.05)
        return processes(self.destination)


def check_clean(name, stopped, gone, limit):
    """What holds after every end by a signal."""
    slowest[limit] = max(slowest.get(limit, 0), gone or 0)
    code, strays = stopped.end(), stopped.strays()
    good = gone is not None and gone <= limit and not stopped.destination.exists() and not stopped.partial.exists()
    tally.check(f"{name}: nothing is left", good, f"DST.partial gone after {gone}, DST {stopped.destination.exists()}: {stopped.text()}")
    tally.check(f"{name}: no process is left", not strays, strays)
    return code


def stop_at(fgconv, source, ranks, which, moment, options, direct=False):
    """`direct`: the signal goes to every rank at once, not to mpirun."""
    name = f"{which.name} {'to ' + 'all of ' * direct + str(ranks) + ' ranks' if ranks else 'alone'}, {moment}"
    with tempfile.TemporaryDirectory() as folder:
        stopped = Run(fgconv, source, folder, ranks, options)
        if not tally.check(f"{name}: the moment was met", stopped.wait_for(moment), stopped.text()):
            stopped.end()
            return
        for pid in ranks_of(stopped.destination).values() if direct else [stopped.process.pid]:
            os.kill(pid, which)
        code = check_clean(name, stopped, stopped.gone_after(), LIMIT + LAUNCHER * (ranks > 0 and not direct))
        allowed = code != 0 if ranks else code in ({128 + which} if moment != "start" else {128 + which, -which})
        tally.check(f"{name}: exit code", allowed, code)
        messages = stopped.text().count("stopped by")
        # Open MPI 5 passes on nothing more of its ranks once a signal has stopped it (fgconv --ranks says it then: launch.py)
        silent = moment == "start" or (ranks > 0 and open_mpi() >= 5)
        tally.check(f"{name}: one message", messages == 1 or (silent and messages == 0), stopped.text())


def one_rank_alone(fgconv, source, ranks, chosen):
    name = f"SIGTERM to rank {chosen} of {ranks} only"
    with tempfile.TemporaryDirectory() as folder:
        stopped = Run(fgconv, source, folder, ranks, PROVE)
        met = stopped.wait_for("proving") and chosen in ranks_of(stopped.destination)
        if tally.check(f"{name}: the moment was met", met, stopped.text()):
            os.kill(ranks_of(stopped.destination)[chosen], signal.SIGTERM)
            code = check_clean(name, stopped, stopped.gone_after(), ALONE_LIMIT)
            tally.check(f"{name}: exit code", code != 0, code)


def launcher_killed(fgconv, source, ranks):
    """kill -9 of mpirun: its ranks, even a single one, notice and end."""
    name = f"kill -9 of mpirun with {ranks} ranks"
    with tempfile.TemporaryDirectory() as folder:
        cut = Run(fgconv, source, folder, ranks, PROVE)
        if not tally.check(f"{name}: the moment was met", cut.wait_for("proving"), cut.text()):
            cut.end()
            return
        cut.process.kill()
        check_clean(name, cut, cut.gone_after(), ALONE_LIMIT)  # its message has no way out: mpirun printed for it


def killed(fgconv, source, ranks, chosen, moment, options):
    """kill -9 may leave DST.partial, never DST; then the next run says what to do."""
    name = f"kill -9 of rank {chosen} of {ranks}, {moment}"
    with tempfile.TemporaryDirectory() as folder:
        cut = Run(fgconv, source, folder, ranks, options)
        met = cut.wait_for(moment) and chosen in ranks_of(cut.destination)
        if not tally.check(f"{name}: the moment was met", met, cut.text()):
            cut.end()
            return
        os.kill(ranks_of(cut.destination)[chosen], signal.SIGKILL)
        code, strays = cut.end(), cut.strays()
        tally.check(f"{name}: exit code, no DST, no process", code not in (0, "hangs") and not cut.destination.exists() and not strays,
                    (code, strays, cut.text()))
        left = cut.partial.exists()
        tally.check(f"{name}: only rank 0 can leave DST.partial", left == (chosen == 0), left)
        if left:
            again, text = run(fgconv, ["--validate", "none", source, cut.destination])
            tally.check(f"{name}: the next run refuses", again == 2 and f"rm -r {cut.partial}" in text, (again, text))
            shutil.rmtree(cut.partial)
            again, text = run(fgconv, ["--validate", "none", "--no-fsync", source, cut.destination])
            tally.check(f"{name}: what the message advises helps", again == 0, (again, text))


def dump_cut_off(fgconv, source, which):
    name = f"{which.name} while dumping"
    with tempfile.TemporaryDirectory() as folder:
        dump = pathlib.Path(folder) / "dump.h5"
        reserved = pathlib.Path(f"{dump}.partial")
        stopped = Run(fgconv, source, folder, 2, [*PROVE, "--dump", str(dump)])
        if not tally.check(f"{name}: the moment was met", wait_until(reserved.exists, stopped.process), stopped.text()):
            return
        stopped.process.send_signal(which)
        check_clean(name, stopped, stopped.gone_after(), LIMIT + LAUNCHER)
        tally.check(f"{name}: the dump is gone", not dump.exists() and not reserved.exists())


def foreign_dump(fgconv, source):
    """A file that was there before is not ours to remove."""
    with tempfile.TemporaryDirectory() as folder:
        dump = pathlib.Path(folder) / "dump.h5"
        dump.write_text("not ours")
        code, text = run(fgconv, [*PROVE, "--dump", dump, source, pathlib.Path(folder) / "out"])
        tally.check("a dump that is there already is kept", code == 2 and dump.read_text() == "not ours", (code, text))


def launcher_held_up(fgconv, times):
    """mpirun stands still for 3 s around the end of its ranks: a run that went well returns 0 all the same."""
    source, codes = TESTS / "data/golden/llama_untied_fp32/hf", []
    for i in range(times):
        with tempfile.TemporaryDirectory() as folder:
            held = Run(fgconv, source, folder, 2, ["-q", "--to", "fast_llm"])
            wait_until(held.destination.exists, held.process, step=0.0005)
            time.sleep(0.03 * i / times)
            held.process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            held.process.send_signal(signal.SIGCONT)
            codes.append(held.process.wait(60))
            if codes[-1]:
                print(held.text())
    tally.check(f"a launcher that is held up {times} times", codes == [0] * times, codes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "big"
        write_model(source, LAYERS)
        for ranks in (0, 1, 2, 4):
            for which in (signal.SIGINT, signal.SIGTERM):
                for moment, options in (("start", WRITE), ("writing", WRITE), ("fsync", SYNC), ("proving", PROVE)):
                    stop_at(fgconv, source, ranks, which, moment, options)
        for ranks in (1, 2, 4):
            for moment, options in (("writing", WRITE), ("fsync", SYNC), ("proving", PROVE)):
                stop_at(fgconv, source, ranks, signal.SIGTERM, moment, options, direct=True)
        one_rank_alone(fgconv, source, 2, 1)
        one_rank_alone(fgconv, source, 4, 2)
        for ranks in (1, 2):
            launcher_killed(fgconv, source, ranks)
        killed(fgconv, source, 2, 0, "writing", WRITE)
        killed(fgconv, source, 2, 1, "proving", PROVE)
        killed(fgconv, source, 4, 3, "writing", WRITE)
        for which in (signal.SIGINT, signal.SIGTERM):
            dump_cut_off(fgconv, source, which)
        foreign_dump(fgconv, source)
    launcher_held_up(fgconv, 10)
    for limit, seconds in sorted(slowest.items()):
        print(f"DST.partial was gone at most {seconds:.2f} s after the signal where {limit:.1f} s are allowed")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())

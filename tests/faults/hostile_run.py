"""Runs fgconv on one hostile input, with little memory and time, and judges what came of it: what tests/faults/hostile.py and its parts share.

An input is refused (exit 2 to 5, one message that says why) or is odd and gives a right result; whatever it is, fgconv takes at most 2 s of processor time
and 512 MiB, ends by itself, leaves nothing behind, and prints nothing that a terminal would obey.
"""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from checkpoint import DATA, Tally, environment, load, tensors, write_safetensors  # noqa: F401: for the parts

GOLDEN = DATA / "golden"
SECONDS, MEMORY = 2.0, 512 << 20
ATTEMPTS = 3  # of what seems slow: the least time counts
NOMINAL = 0.2  # seconds of processor time that `held_up` takes on a machine with nothing else to do
KILLED_AFTER = 20  # seconds of processor time, and twice that on the clock
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")
MAY_OPEN = ("/lib", "/lib64", "/usr", "/etc", "/proc", "/sys", "/dev", "/run")
CALLS = "open,openat,openat2,creat,execve,execveat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate,mkdir,mkdirat,connect"


class Limits:
    """What a process may use. A sanitized build reserves more room than any limit."""

    def __init__(self, fgconv):
        self.sanitized = b"__asan_init" in pathlib.Path(fgconv).read_bytes()
        self.slower = 10 if self.sanitized else 1

    def __call__(self):
        if not self.sanitized:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (KILLED_AFTER, KILLED_AFTER))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def held_up():
    """How many times as long work takes now: whatever runs on the same core lengthens the processor time of every process."""
    begun, total = time.process_time(), 0
    for i in range(3000000):
        total += i * i
    return max(1.0, (time.process_time() - begun) / NOMINAL)


class Hostile:
    """All inputs of a run: makes each, runs fgconv on it, and counts."""

    def __init__(self, fgconv, only="", trace_every=0):
        self.fgconv, self.only, self.trace_every = fgconv, only, trace_every
        self.limits, self.tally = Limits(fgconv), Tally()
        self.tried = self.traced = 0
        self.slowest = (0.0, "")

    def refused(self, name, make, *words, codes=(2, 3, 4, 5)):
        self._attempt(name, make, words, codes)

    def works(self, name, make, *words):
        self._attempt(name, make, words, (0,))

    def either(self, name, make, *_):
        """For what depends on the build, or where a refusal, a result and a difference found are all right."""
        self._attempt(name, make, (), (0, 2, 3, 4, 5, 10))

    def _attempt(self, name, make, words, codes):
        if self.only not in name:
            return
        self.tried += 1
        traced = self.trace_every and self.tried % self.trace_every == 0
        self.traced += bool(traced)
        for _ in range(ATTEMPTS):
            seconds, problems = self._once(make, words, codes, traced)
            if not self._slow(seconds):
                break
        if not traced and (seconds, name) > self.slowest:
            self.slowest = (seconds, name)
        self.tally.check(name, not problems, "; ".join(problems))

    def _slow(self, seconds):
        most = SECONDS * self.limits.slower
        return seconds > most and seconds > most * held_up()

    def _once(self, make, words, codes, traced):
        """The processor time that it took, and what is wrong."""
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            case = Case(pathlib.Path(folder))
            arguments = make(case)
            if arguments is None:
                arguments = [case.source, case.out]
            outcome = self._run(case, arguments, traced)
            problems = self._judge(case, outcome, words, codes)
            return outcome[1], problems + (opened_elsewhere(case) if traced else [])

    def _run(self, case, arguments, traced):
        command = [self.fgconv, *map(os.fsencode, map(str, arguments))]
        if traced:
            command = ["strace", "-f", "-qq", "-s", "4096", "-e", f"trace={CALLS}", "-o", case.folder / "trace.txt", *command]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(case.folder / "printed", "wb") as printed:
            process = subprocess.Popen(command, cwd=case.folder, env=environment(**case.environment), preexec_fn=self.limits, stdout=printed,
                                       stderr=subprocess.STDOUT, stdin=subprocess.PIPE if case.stdin else subprocess.DEVNULL)
            try:
                process.communicate(case.stdin, timeout=2 * KILLED_AFTER * self.limits.slower)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return process.returncode, 0.0 if traced else seconds, (case.folder / "printed").read_bytes()

    def _judge(self, case, outcome, words, codes):
        code, seconds, printed = outcome
        problems = []
        try:
            text = printed.decode()
        except UnicodeDecodeError:
            text = printed.decode(errors="replace")
            problems.append("what is printed is not UTF-8")
        said = text if len(text) < 600 else text[:300] + " ... " + text[-300:]
        if code not in codes:
            problems.append(f"{signal.Signals(-code).name if code < 0 else f'exit {code}'}: {said}")
        if self._slow(seconds):
            problems.append(f"{seconds:.1f} s of processor time: {said}")
        if code and text.count("fgconv: error:") != 1:
            problems.append(f"not one message: {said}")
        if not case.raw and UNSEEN.search(text):
            problems.append(f"a terminal would obey {UNSEEN.search(text).group()!r}: {said!r}")
        problems += [f"says nothing of {word!r}: {said}" for word in words if word not in text]
        said_memory = re.search(r"at most (\d+) MB of memory", text)
        if case.memory and not self.limits.sanitized and (not said_memory or int(said_memory.group(1)) * 1000000 > case.memory):
            problems.append(f"more than {case.memory} bytes of memory: {said}")
        left = [p.name for p in case.folder.iterdir() if p.name.endswith(".partial") or (p == case.out and code)]
        return problems + ([f"left behind: {left}"] if left and not case.keeps_out else [])


class Case:
    """A folder of one input: a model in `source`, and what is made of it in `out`."""

    def __init__(self, folder):
        self.folder, self.source, self.out = folder, folder / "source", folder / "out"
        self.stdin, self.raw, self.keeps_out, self.environment = None, False, False, {}
        self.memory = None  # bytes that a conversion says that it took, at most

    def model(self, name="llama_untied_fp32/hf"):
        shutil.copytree(GOLDEN / name, self.source)
        return self

    def write(self, name, text):
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
        return path

    def change(self, name, edit):
        """Applies `edit` to the JSON of a file."""
        held = load(self.source / name)
        edit(held)
        (self.source / name).write_text(json.dumps(held))


def opened_elsewhere(case):
    """What strace saw: files outside the case's folder, the converters and the system's own, and programs that were started."""
    root, problems, started = str(TESTS.parent), [], 0
    for line in (case.folder / "trace.txt").read_text(errors="replace").splitlines():
        call = re.match(r"\d+ +(\w+)\((.*)", line)
        if not call or re.search(r"= -1 E\w+ \(", line) and call.group(1) != "execve":
            continue
        name, rest = call.groups()
        if name in ("execve", "execveat"):
            started += "fgconv" not in rest.split('"')[1] and not rest.startswith('"/proc/self/exe"')
        elif name == "connect":
            problems.append(f"connects: {line[:200]}")
        else:
            problems += [f"{name} of {path}" for path in re.findall(r'"((?:[^"\\]|\\.)*)"', rest)
                         if path.startswith("/") and not path.startswith((str(case.folder), root, *MAY_OPEN)) and not path.startswith("/tmp/mpi-")]
    return problems + ([f"{started} programs were started"] if started else [])

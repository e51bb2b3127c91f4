#!/usr/bin/env python3
"""fgconv --ranks N: it starts mpirun itself, passes signals and exit codes, and says what happened in its own words.

    launch.py --fgconv build/fgconv

What is a terminal, here made with pty, decides about bars and colours: with one process, with --ranks, and under an mpirun of the user's.
"""
import argparse
import ast
import concurrent.futures
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]
from big_model import write_model
from checkpoint import Tally, digests, environment, load, run

CASE = TESTS / "data/golden/llama_untied_fp32"
PROVE = ["--no-fsync", "--token-ids", ",".join(str(i % 4000) for i in range(1500))]
BOX = "-" * 20
BAR = re.compile(r"\r(writing|proving) +\[")
BOLD, BOLD_RED = "\x1b[1m", "\x1b[1;31m"
tally = Tally()


def plain(**more):
    """An environment in which --ranks has to see to everything itself."""
    own = ("OMPI_ALLOW", "OMPI_MCA_orte_tmpdir", "PRTE_MCA_prte_tmpdir", "OMPI_MCA_rmaps")
    return {**{k: v for k, v in environment().items() if not k.startswith(own)}, **more}


def call(command, cwd, **more):
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=plain(**more), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def ranks_of(mark):
    """rank -> process id of the processes whose command line holds `mark`."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(mark).encode() in (entry / "cmdline").read_bytes():
                rank = re.search(rb"\0OMPI_COMM_WORLD_RANK=(\d+)", (entry / "environ").read_bytes())
                if rank:
                    found[int(rank[1])] = int(entry.name)
        except OSError:
            pass
    return found


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def same_bytes(fgconv, folder):
    call([fgconv, CASE / "hf", "alone"], folder)
    code, text = call([fgconv, "--ranks", "5", CASE / "hf", "five"], folder, TMPDIR=folder)
    tally.check("--ranks 5: exit", code == 0, (code, text))
    tally.check("--ranks 5: report", load(folder / "five/fgconv_report.json").get("ranks") == 5, text)
    tally.check("--ranks 5: same bytes", digests(folder / "alone") == digests(folder / "five") != {})
    code, text = call([fgconv, "--ranks=1", "validate", "alone", "five"], folder, PATH="/none")
    tally.check("--ranks 1 needs no mpirun", code == 0, (code, text))
    tally.check("no session directory is left", not list(folder.glob("fgconv-*")), list(folder.iterdir()))


def failures(fgconv, folder):
    (folder / "broken").mkdir()
    (folder / "broken/config.json").write_text("{")
    for name, arguments, expected, said in (
            ("DST is there", [CASE / "hf", "alone"], 2, "exists already"), ("broken input", ["broken", "out"], 3, "config.json"),
            ("models differ", ["validate", "alone", TESTS / "data/golden/llama_tied_bf16/hf"], None, "error"),
            ("a file in the place of --dump", ["--dump", "none/x.h5", CASE / "hf", "out"], None, "none/x.h5")):
        alone, message = call([fgconv, *arguments], folder)
        begun = time.monotonic()
        code, text = call([fgconv, "--ranks", "3", *arguments], folder)
        tally.check(f"{name}: the exit code of one process", code == alone == (expected or alone) != 0, (code, alone, text))
        tally.check(f"{name}: one message", said in text and text.count("error:") == 1, (text, message))
        tally.check(f"{name}: without waiting for ranks that have ended", time.monotonic() - begun < 2, time.monotonic() - begun)
        tally.check(f"{name}: nothing of mpirun's", BOX not in text and "mpirun" not in text and "launcher" not in text and "exits with" not in text, text)


def refused(fgconv, folder):
    command = [fgconv, "--ranks", "2", CASE / "hf", "refused"]
    code, text = call(["mpirun", "--oversubscribe", "-n", "2", *command], folder, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    tally.check("under mpirun: one error", code == 2 and text.count("--ranks starts mpirun, but") == 1 and "hint: remove --ranks" in text, (code, text))
    code, text = call(command, folder, SLURM_STEP_NUM_TASKS="4")
    tally.check("under srun: an error", code == 2 and "hint: remove --ranks" in text, (code, text))
    code, text = call(command, folder, PATH=str(folder))
    tally.check("no mpirun: an error", code == 2 and "no program mpirun" in text and "hint: " in text, (code, text))
    for value in ("0", "65537", "two"):
        code, text = call([fgconv, "--ranks", value, CASE / "hf", "refused"], folder)
        tally.check(f"--ranks {value}: an error", code == 2 and "option --ranks" in text, (code, text))
    code, text = call([fgconv, "list", "--ranks", "2"], folder)
    tally.check("a command that is not collective: an error", code == 2 and "does not take the option --ranks" in text, (code, text))
    tally.check("nothing was written", not (folder / "refused").exists())


def mpirun_fails(fgconv, folder):
    """What is not about our processes passes."""
    code, text = call([fgconv, "--ranks", "2", CASE / "hf", "refused"], folder, OMPI_MCA_plm="none", PRTE_MCA_prte_default_hostfile="/none/hosts")
    tally.check("mpirun that cannot start: its own message", code == 4 and BOX in text and ("plm" in text or "/none/hosts" in text), (code, text))


def mpirun_of_other_versions(fgconv, folder):
    """A script in its place ends as they do. Open MPI 5 returns 0 when it has lost a node, Open MPI 4 returns 205."""
    lost = f"{'-' * 74}\nPRTE has lost communication with a remote daemon.\n{'-' * 74}\n"
    for name, printed, ends, expected, said in (("0 and no word of fgconv's", "", 0, 4, "error: mpirun ended before fgconv did"), ("0 and a lost node", lost, 0, 205, "lost communication"),
                                                ("205", lost, 205, 205, "lost communication"), ("250", "", 250, 4, ""), ("1", "", 1, 4, ""),
                                                ("0 and 10 of fgconv's", "fgconv exits with 10\n", 0, 10, ""), ("0 and 0 of fgconv's", "fgconv exits with 0\n", 0, 0, "")):
        place = folder / f"fake{expected}{ends}"
        place.mkdir(exist_ok=True)
        (place / "text").write_text(printed)
        (place / "mpirun").write_text(f"#!/bin/sh\ncat '{place}/text' >&2\nexit {ends}\n")
        (place / "mpirun").chmod(0o755)
        code, text = call([fgconv, "--ranks", "2", CASE / "hf", "none"], folder, PATH=f"{place}:{os.environ['PATH']}")
        tally.check(f"mpirun returns {name}", code == expected and said in text and "exits with" not in text, (code, text))


def start(fgconv, source, folder, options=()):
    output = open(folder / "output", "w+")
    process = subprocess.Popen([fgconv, "--ranks", "3", *PROVE, *options, str(source), str(folder / "stopped")], env=plain(TMPDIR=str(folder)),
                               stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    met = wait_until(lambda: len(ranks_of(folder / "stopped")) == 3 and (folder / "stopped.partial").exists())
    time.sleep(0.3)
    return process, output, met and process.poll() is None


def finish(process, output):
    try:
        code = process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        code = "hangs"
    output.seek(0)
    return code, output.read()


def objects(text):
    """Those that stand on lines of their own."""
    found, decoder = [], json.JSONDecoder()
    for at in re.finditer(r"^\{", text, re.MULTILINE):
        found.append(decoder.raw_decode(text[at.start():])[0])
    return found


def signals(fgconv, source):
    """To fgconv alone, and, as a terminal does, to its whole process group."""
    for which, name, send in ((signal.SIGINT, "SIGINT", os.kill), (signal.SIGTERM, "SIGTERM", os.kill), (signal.SIGUSR1, "SIGUSR1", os.kill),
                              (signal.SIGHUP, "SIGHUP", os.kill), (signal.SIGINT, "SIGINT to all", os.killpg)):
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            process, output, met = start(fgconv, source, folder, ["--json"])
            tally.check(f"{name}: the moment was met", met)
            send(process.pid, which)
            code, text = finish(process, output)
            tally.check(f"{name}: exit code", code == 128 + which, (code, text))
            found = objects(text)
            tally.check(f"{name}: one message, and one object", text.count("fgconv: stopped by") == 1 and BOX not in text and "mpirun" not in text
                        and [o["exit"] for o in found] == [code] and f"fgconv: {found[0]['what']}" in text, text)
            tally.check(f"{name}: nothing is left", sorted(p.name for p in folder.iterdir()) == ["output"] and not ranks_of(folder), list(folder.iterdir()))


def killed(fgconv, source):
    for rank in (0, 2):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            process, output, met = start(fgconv, source, folder, ["--json"])
            pids = ranks_of(folder / "stopped")
            if tally.check(f"kill -9 of rank {rank}: the moment was met", met and rank in pids):
                os.kill(pids[rank], signal.SIGKILL)
            code, text = finish(process, output)
            line = f"fgconv: rank {rank} on node {socket.gethostname().split('.')[0]} was killed (out of memory?)\n"
            tally.check(f"kill -9 of rank {rank}: exit code", code == 137, (code, text))
            tally.check(f"kill -9 of rank {rank}: said", line in text and BOX not in text, text)
            found = objects(text)
            tally.check(f"kill -9 of rank {rank}: one object says so, too", len(found) == 1 and found[0]["exit"] == 137 and f"fgconv: {found[0]['what']}\n" == line, text)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        process, output, met = start(fgconv, source, folder)
        tally.check("kill -9 of fgconv: the moment was met", met)
        process.kill()
        finish(process, output)
        gone = wait_until(lambda: not ranks_of(folder / "stopped") and not (folder / "stopped.partial").exists(), 6)
        tally.check("kill -9 of fgconv: its ranks end and remove what they wrote", gone, (ranks_of(folder / "stopped"), list(folder.iterdir())))


def at_once(fgconv, folder):
    """Each run has a session directory of its own: with one for all some fail."""
    def one(i):
        return call([fgconv, "--ranks", "2", "--dry-run", "--validate", "none", "-q", CASE / "hf", f"at{i}"], folder)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        failed = [text for code, text in pool.map(one, range(16)) if code]
    tally.check("16 runs, 4 at a time", not failed, failed[:1])


def left_over(fgconv, folder):
    """In a shell whose mpirun has ended --ranks starts another."""
    saved = "import os; open(%r, 'w').write(repr(dict(os.environ)))" % str(folder / "saved")
    subprocess.run(["mpirun", "-n", "1", sys.executable, "-c", saved], env=environment(), check=True, stdin=subprocess.DEVNULL)
    left = {k: v for k, v in ast.literal_eval((folder / "saved").read_text()).items() if k.startswith(("OMPI_", "PMIX_", "ORTE_")) and k not in environment()}
    code, text = call([fgconv, "--ranks", "2", CASE / "hf", "left"], folder, **left)
    tally.check("variables of a launcher that has ended", code == 0 and load(folder / "left/fgconv_report.json").get("ranks") == 2, (code, text))


def on_terminal(command, cwd, **more):
    """What a terminal gets."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(str(command[0]), list(map(str, command)), {**plain(), "TERM": "xterm", **more})
    text = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            part = b""
        if not part:
            break
        text += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()


def terminals(fgconv, folder):
    ours = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    for name, prefix in (("alone", [fgconv]), ("--ranks 2", [fgconv, "--ranks", "2"]), ("mpirun -n 2", ["mpirun", "--oversubscribe", "-n", "2", fgconv])):
        out = name.replace(" ", "")
        code, text = on_terminal([*prefix, CASE / "hf", f"t{out}"], folder, **ours)
        tally.check(f"terminal, {name}: a bar", code == 0 and BAR.search(text), (code, text))
        tally.check(f"terminal, {name}: the verdict is bold", f"{BOLD}Converted " in text and text.count("\x1b[0m") == 1, text)
        code, text = on_terminal([*prefix, CASE / "hf", f"t{out}"], folder, **ours)
        tally.check(f"terminal, {name}: an error is red", code == 2 and f"{BOLD_RED}fgconv: error:\x1b[0m t{out}: " in text, (code, text))
        code, text = on_terminal([*prefix, "validate", CASE / "hf", TESTS / "data/golden/llama_tied_bf16/hf"], folder, NO_COLOR="1", **ours)
        tally.check(f"terminal, {name}: NO_COLOR", code != 0 and "\x1b[1" not in text and "error:" in text, (code, text))
        code, text = call([*prefix, CASE / "hf", f"p{out}"], folder, **ours)
        tally.check(f"pipe, {name}: no bar, no colour", code == 0 and "\x1b" not in text and "\r" not in text and "writing " in text, (code, text))
        for stream, number, other in (("stdout", 1, "2"), ("stderr", 2, "1")):
            shell = " ".join(map(str, (*prefix, CASE / "hf", f"{stream}{out}"))) + f" {number}>{folder}/kept"
            code, text = on_terminal(["sh", "-c", shell], folder, **ours)
            kept = (folder / "kept").read_text()
            tally.check(f"{stream} is a file, {name}: nothing for terminals in it", code == 0 and "\x1b" not in kept and kept, (code, kept))
            tally.check(f"{stream} is a file, {name}: the other stream is a terminal's", "\x1b" in text, text)


def progress_json(fgconv, folder):
    totals = {}
    for prefix in ([], ["--ranks", "2"], ["--ranks", "4"]):
        code, text = call([fgconv, *prefix, "--progress", "json", CASE / "hf", f"json{''.join(prefix)}"], folder)
        steps = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        for phase in ("writing", "proving"):
            of = [s for s in steps if s["phase"] == phase]
            tally.check(f"--progress json {prefix}, {phase}: begins and ends", len(of) >= 2 and of[0]["done"] == 0 and of[-1]["done"] == of[-1]["total"] > 0
                        and [s["finished"] for s in of] == [False] * (len(of) - 1) + [True], text)
            totals.setdefault(phase, []).append(of[-1]["total"] if of else 0)
        tally.check(f"--progress json {prefix}: exit", code == 0, (code, text))
        tally.check(f"--progress json {prefix}: done never falls", all(a["done"] <= b["done"] for a, b in zip(steps, steps[1:]) if a["phase"] == b["phase"]), text)
    tally.check("--progress json: all ranks count", all(len(set(of)) == 1 for of in totals.values()), totals)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for test in (same_bytes, failures, refused, mpirun_fails, mpirun_of_other_versions, at_once, left_over, terminals, progress_json):
            test(fgconv, folder)
    with tempfile.TemporaryDirectory() as name:
        source = pathlib.Path(name) / "big"
        write_model(source, 4)
        signals(fgconv, source)
        killed(fgconv, source)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())

"""When things happen in a run, seen from outside: the first line it prints, the first byte of a tensor file of DST.partial."""
import pathlib
import subprocess
import time


def until_first_line(command):
    """Seconds from the start of a command to its first line of output."""
    begun = time.perf_counter()
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        seconds = time.perf_counter() - begun
    return seconds


def until_first_byte(command, destination):
    """Seconds from the start of a conversion until a tensor file has bytes, looked for 2,000 times a second."""
    partial, final = pathlib.Path(f"{destination}.partial"), pathlib.Path(destination)
    begun = time.perf_counter()
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        seconds = None
        while seconds is None:
            if has_bytes(partial) or has_bytes(final):
                seconds = time.perf_counter() - begun
            elif process.poll() is not None:
                break
            else:
                time.sleep(0.0005)
    if seconds is None or process.returncode != 0:
        raise RuntimeError(f"{command}: exit status {process.returncode}")
    return seconds


def has_bytes(folder):
    try:
        return any(p.name.endswith(".safetensors") and p.stat().st_blocks for p in folder.iterdir())
    except FileNotFoundError:
        return False

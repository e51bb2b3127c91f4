"""Hosts on one machine: network namespaces on a switch of their own, each with its own name, mounts and address, and Open MPI across them.

    with Hosts(3) as hosts:
        run = hosts.mpirun(6, [fgconv, SRC, DST])     # subprocess.Popen, as started on host 1
        hosts.cut(2)                                  # takes the link of host 2 down; mend(2) brings it back

Needs root. A host is a process that sleeps inside its namespaces, so that whatever ends this program ends the hosts, and nothing has a name
that two test runs could share.
"""
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile

from checkpoint import environment, open_mpi

ADDRESS = "10.77.0."
AGENT = """#!/bin/bash
# what mpirun calls in place of ssh: ADDRESS COMMAND...
host=${{1##*.}}
shift
exec nsenter --target "$(cat "{folder}/host$host")" --net --uts --mount bash -c "$*"
"""


def missing():
    """Why no hosts can be made here; None if they can."""
    if os.geteuid() != 0:
        return "hosts of their own need root"
    for program in ("ip", "nsenter", "unshare", "mpirun"):
        if not shutil.which(program):
            return f"there is no program {program}"
    tried = subprocess.run(["unshare", "--net", "--uts", "--mount", "ip", "link", "add", "x", "type", "bridge"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    return f"no network namespaces with bridges: {tried.stdout.strip()}" if tried.returncode else None


def holder():
    """A process in namespaces of its own that sleeps. It dies with this program."""
    process = subprocess.Popen(["unshare", "--net", "--uts", "--mount", "sh", "-c", "echo; exec sleep infinity"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    process.stdout.readline()  # it is inside
    return process


class Hosts:
    def __init__(self, count=3):
        self.count, self.folder, self.holders = count, pathlib.Path(tempfile.mkdtemp(prefix="hosts-")), []

    def __enter__(self):
        try:
            self.switch = holder()
            self.holders.append(self.switch)
            self.inside(self.switch, "ip link add switch type bridge && ip link set switch up")
            for i in self.numbers():
                self.add_host(i)
        except BaseException:
            self.__exit__()
            raise
        self.agent = self.folder / "agent"
        self.agent.write_text(AGENT.format(folder=self.folder))
        self.agent.chmod(self.agent.stat().st_mode | stat.S_IXUSR)
        return self

    def __exit__(self, *_):
        for i in range(1, len(self.holders)):
            self.kill(i)
        for process in self.holders:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def inside(process, command):
        subprocess.run(["nsenter", "--target", str(process.pid), "--net", "--uts", "--mount", "bash", "-ec", command], check=True)

    def add_host(self, i):
        host = holder()
        self.holders.append(host)
        (self.folder / f"host{i}").write_text(str(host.pid))
        self.inside(self.switch, f"ip link add port{i} type veth peer name eth0 netns {host.pid} && ip link set port{i} master switch up")
        self.inside(host, f"hostname h{i}; ip link set lo up; ip addr add {ADDRESS}{i}/24 dev eth0; ip link set eth0 up")

    def numbers(self):
        return range(1, self.count + 1)

    def on(self, i, command):
        """A shell command on host i."""
        self.inside(self.holders[i], command)

    def cut(self, i):
        self.on(i, "ip link set eth0 down")

    def mend(self, i):
        self.on(i, "ip link set eth0 up")

    def hide(self, i, folder):
        """Host i sees an empty folder there: a disk that it does not share."""
        self.on(i, f"mount -t tmpfs hidden '{folder}'")

    def show(self, i, folder):
        self.on(i, f"umount '{folder}'")

    def processes(self, i):
        """Process id -> command line of what runs on host i."""
        network, found = os.readlink(f"/proc/{self.holders[i].pid}/ns/net"), {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and int(entry.name) != self.holders[i].pid and os.readlink(entry / "ns/net") == network:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                pass  # it has ended
        return found

    def kill(self, i, mark=""):
        """kill -9 of what runs on host i and has `mark` in its command line; the ids."""
        killed = [pid for pid, line in self.processes(i).items() if mark in line]
        for pid in killed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return killed

    def agent_options(self, network):
        """How mpirun reaches the other hosts."""
        if open_mpi() >= 5:
            return ["--prtemca", "plm_ssh_agent", str(self.agent), "--prtemca", "plm_ssh_no_tree_spawn", "1", "--prtemca", "prte_if_include", network]
        return ["--mca", "plm_rsh_agent", str(self.agent), "--mca", "plm_rsh_no_tree_spawn", "1", "--mca", "oob_tcp_if_include", network]

    def mpirun(self, ranks, program, variables, **more):
        """mpirun on host 1, with ranks dealt to all hosts in turns; `variables` go into its environment, `more` to Popen."""
        slots = -(-ranks // self.count)
        hosts = ",".join(f"{ADDRESS}{i}:{slots}" for i in self.numbers())
        network = ADDRESS + "0/24"
        command = ["nsenter", "--target", str(self.holders[1].pid), "--net", "--uts", "--mount", "mpirun", "--host", hosts, "--map-by", "node",
                   "--oversubscribe", "-n", str(ranks), "--mca", "btl_tcp_if_include", network, *self.agent_options(network), *map(str, program)]
        return subprocess.Popen(command, env=environment(**variables), stdin=subprocess.DEVNULL, **more)

#!/usr/bin/env python3
"""Has a real slurmctld read the topology.conf that weft writes, and compares what it then knows.

    tools/slurm_check.py --weft build/weft

Skipped, with status 77, where slurmctld or scontrol is not installed, or by anyone but root,
whom the daemon would refuse to serve.
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
CASES = {
    "one leaf a segment": "fabric: { family: leaf_spine, leaves: 4, spines: 2, hosts_per_leaf: 3, "
                          "link: 400Gbps }\n",
    "pods of segments": "fabric: { preset: hpn, pods: 2, segments: 2, hosts: 4, aggs_per_plane: 4 "
                        "}\n",
    "names of their own": "fabric:\n  family: custom\n  link: 1Gbps\n  host: { gpus: 1, nics: 1 }\n"
                          "  hosts: [{ name: rack-a-07 }, { name: rack-a-08 }, { name: b, count: 3 "
                          "}]\n  switches: [{ name: l, count: 2 }, { name: s }]\n  cables:\n"
                          "    - { from: [\"rack*/nic0\", b0/nic0], to: l0 }\n"
                          "    - { from: \"b[1-2]/nic0\", to: l1 }\n"
                          "    - { from: \"l*\", to: s }\n",
}
CONFIG = """ClusterName=weft
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/pgid
SwitchType=switch/none
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldPort={port}
SlurmdPort={port}
TopologyPlugin=topology/tree
{nodes}
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def leaf_nodes(text):
    """{switch: its nodes as a host list} of the lines that have nodes."""
    return dict(re.findall(r"^SwitchName=(\S+).*?\bNodes=(\S+)", text, re.M))


def expand(scontrol, host_list, environment):
    shown = subprocess.run([scontrol, "show", "hostnames", host_list], env=environment,
                           capture_output=True, text=True, check=True)
    return shown.stdout.split()


def topology_of(config, log, environment):
    """What slurmctld, started with this configuration, says that it knows; empty if it ends."""
    with log.open("w") as out:
        daemon = subprocess.Popen(["slurmctld", "-D", "-c", "-f", config], stdout=out, stderr=out,
                                  env=environment)
    try:
        for _ in range(60):
            done = subprocess.run(["scontrol", "show", "topology"], env=environment,
                                  capture_output=True, text=True, check=False, timeout=60)
            if done.returncode == 0:
                return done.stdout
            if daemon.poll() is not None:
                break
            time.sleep(0.5)
        return ""
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)


def check(weft, name, scenario, folder):
    """What is wrong, as text; empty if nothing is."""
    for part in ("state", "spool"):
        (folder / part).mkdir()
    (folder / "input.yaml").write_text(scenario)
    subprocess.run([weft, "topology", folder / "input.yaml", "--export", "slurm", "-o",
                    folder / "topology.conf"], check=True)
    written = (folder / "topology.conf").read_text()
    leaves = leaf_nodes(written)
    nodes = "\n".join(f"NodeName={nodes} NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN"
                      for nodes in leaves.values())
    config = folder / "slurm.conf"
    environment = dict(os.environ, SLURM_CONF=str(config))
    for _ in range(3):  # a port that was free a moment ago may be another program's by now
        config.write_text(CONFIG.format(host=socket.gethostname().split(".")[0], folder=folder,
                                        port=free_port(), nodes=nodes))
        shown = topology_of(config, folder / "log", environment)
        log = (folder / "log").read_text()
        if shown or "in use" not in log:
            break
    knows = leaf_nodes("\n".join(line for line in shown.splitlines() if "Level=0" in line))
    names = {switch: expand("scontrol", hosts, environment) for switch, hosts in knows.items()}
    wanted = {switch: expand("scontrol", hosts, environment) for switch, hosts in leaves.items()}
    complaints = [line for line in log.splitlines()
                  if re.search(r"topolog|switch (?!none)", line, re.I)
                  and re.search(r"error|fatal|warning|lack", line, re.I)]
    if names == wanted and shown.count("SwitchName=") == written.count("SwitchName=") and (
            not complaints):
        return ""
    return (f"{name}: weft wrote\n{written}slurmctld knows\n{shown}\n" + "\n".join(complaints)
            + f"\n{log if not shown else ''}\n")


def main():
    parser = argparse.ArgumentParser(description="Has slurmctld read what weft writes.")
    parser.add_argument("--weft", type=pathlib.Path, required=True, help="the program")
    args = parser.parse_args()
    if not shutil.which("slurmctld") or not shutil.which("scontrol"):
        print("slurm: skipped: slurmctld is not installed (Debian: slurmctld slurm-client)")
        return SKIPPED
    if os.geteuid() != 0:
        print("slurm: skipped: slurmctld here is for root alone")
        return SKIPPED
    wrong = ""
    for name, scenario in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            wrong += check(args.weft.resolve(), name, scenario, pathlib.Path(folder))
    print(wrong or f"slurm: slurmctld reads {len(CASES)} topologies as weft means them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

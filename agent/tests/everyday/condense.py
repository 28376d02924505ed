#!/usr/bin/env python3
"""Makes the committed recordings from those of record.sh.

    saker events --recording RAW.saker --format json 'proc.aargs contains everyday-root' | condense.py > TEXT
    saker record --recording TEXT --file OUT.saker

Keeps what descends from the shell `everyday-root` and lets it descend from init instead; keeps one
of several events that no rule can tell apart; takes away what is private or tells of the machine:
environment, process ids, inodes, times of day, names of temporary folders, addresses in memory, what was
sent and received. Of what programs do all the time, as mapping memory, numbers tell no events apart.
"""

import json
import pathlib
import re
import sys

ROOT = "everyday-root"
ENVIRONMENT = re.compile(r"^(LD_|HIST|GLIBC_TUNABLES=|PATH=)")
FREQUENT = {
    "close", "mmap", "mprotect", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "getsockopt",
    "setsockopt",
}
# Of what is told of a process beside its program: the rest is of the moment.
EXTRA = ("permitted", "inheritable", "home", "shell", "session_leader", "group_leader")
# Larger numbers are addresses.
NUMBER_MAX = 1 << 32
START_NS = 1_700_000_000_000_000_000
STEP_NS = 10_000_000
RANDOM = [
    (re.compile(r"/srv/everyday\.\w{6}"), "/srv/everyday"),
    (re.compile(r"(?<=/apt/lists/)(partial/)?[^_/]+_"), lambda m: (m[1] or "") + "mirror_"),
    (re.compile(r"[\w.-]+\.disabled-by-farm"), "vendor.sources"),
    (re.compile(re.escape(str(pathlib.Path(__file__).parent.resolve()))), "/srv/everyday"),
    (re.compile(r"[0-9a-f]{64}"), "0123456789abcdef" * 4),
    (re.compile(r"[0-9a-f]{16,40}(?![0-9a-f])"), "0123456789abcdef"),
    (re.compile(r"\.[A-Za-z0-9]{6,10}(?=$|/)"), lambda m: m[0] if m[0].islower() else ".random"),
    (re.compile(r"(?<=tmp[._-])\w{6,12}"), "random"),
    (re.compile(r"(?<!ed)\d{5,}"), lambda m: "1" * min(len(m[0]), 6)),
]
INIT = {
    "name": "systemd",
    "executable": {"path": "/usr/lib/systemd/systemd"},
    "arguments": ["/sbin/init"],
}


def plain(text):
    for pattern, replacement in RANDOM:
        text = pattern.sub(replacement, text)
    return text


class Condenser:
    def __init__(self):
        self.pids = {}
        self.processes = {}
        self.seen = set()
        self.start_ns = None

    def time(self, ns):
        return START_NS + (ns - self.start_ns) // STEP_NS * STEP_NS if ns else 0

    def pid(self, pid):
        return 1 if pid <= 1 else self.pids.setdefault(pid, 100 + len(self.pids))

    def process(self, process):
        """Returns the process with its ancestors up to the root, or None if it has not that root."""
        identity = json.dumps(process)
        if identity not in self.processes:
            self.processes[identity] = self.condensed(process)
        return self.processes[identity]

    def condensed(self, process):
        if ROOT in process["arguments"]:
            init = dict(process, **INIT)
            init["executable"] = dict(process["executable"], **INIT["executable"], ctime_ns=START_NS - 10**16)
            init.update(key={"pid": 1, "start_boot_ns": 1}, ppid=0, vpid=1, sid=1, tty=0, cwd="/", parent=None)
            init.pop("environment", None)
            return init
        parent = process["parent"] and self.process(process["parent"])
        if not parent:
            return None
        out = dict(process, parent=parent)
        pid = self.pid(process["key"]["pid"])
        out["key"] = {"pid": pid, "start_boot_ns": pid}
        out["ppid"] = parent["key"]["pid"]
        out["sid"] = self.pid(process["sid"])
        if process["vpid"] == process["key"]["pid"]:
            out["vpid"] = pid
        out["start_ns"] = self.time(process["start_ns"])
        executable = dict(process["executable"], path=plain(process["executable"]["path"]), inode=1)
        for key in ("ctime_ns", "mtime_ns"):
            executable[key] = max(self.time(executable[key]), START_NS - 10**16)
        out["executable"] = executable
        out["arguments"] = [plain(argument) for argument in process["arguments"]]
        out["cwd"] = plain(process["cwd"])
        out["environment"] = [text for text in process.get("environment", []) if ENVIRONMENT.match(text)]
        extra = process.get("extra") or {}
        out["extra"] = {key: self.detail(extra[key]) for key in EXTRA if key in extra}
        for key in ("group_id", "virtual_group_id"):
            if extra.get(key):
                out["extra"][key] = self.pid(extra[key])
        if process["container"]:
            out["container"] = dict(process["container"], id="0123456789abcdef" * 4)
        return out

    def detail(self, value):
        if isinstance(value, dict):
            return {key: self.member(key, each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.detail(each) for each in value]
        return plain(value) if isinstance(value, str) else value

    def member(self, key, value):
        if key in ("inode", "device"):
            return 1
        if key == "pid":
            return self.pid(value)
        if key == "bytes":
            return []
        if key == "number" and isinstance(value, int) and abs(value) > NUMBER_MAX:
            return NUMBER_MAX
        return self.detail(value)

    def event(self, event):
        self.start_ns = self.start_ns or event["time_ns"]
        process = self.process(event["process"])
        if not process or process["name"] == "systemd" and process["key"]["pid"] == 1:
            return None
        detail = self.detail(event["detail"])
        if self.known(event, process, detail):
            return None
        result = event["result"] if event["result"] < 0 else min(event["result"], 3)
        time_ns = self.time(event["time_ns"])
        for key in ("cpu", "vtid"):
            event.pop(key, None)
        return dict(
            event, number=len(self.seen), time_ns=time_ns, tid=process["key"]["pid"], result=result,
            process=process, detail=detail,
        )

    def known(self, event, process, detail):
        """Whether an event was there already that differs in nothing a rule asks for."""
        chain, ancestor = [], process
        while ancestor and len(chain) < 4:
            chain.append((ancestor["name"], ancestor["executable"]["path"]))
            ancestor = ancestor["parent"]
        if event["kind"] in FREQUENT:
            detail = sorted(detail["call"].get("descriptor") or {})
        key = json.dumps(
            [event["kind"], event["result"] < 0, detail, process["arguments"], process["uid"], process["tty"] != 0, process.get("environment"), chain]
        )
        if event["kind"] in ("clone", "procexit"):
            key = json.dumps([event["kind"], chain])
        new = key not in self.seen
        self.seen.add(key)
        return not new


def main():
    condenser, lines = Condenser(), 0
    print('{"saker_events":1}')
    for line in sys.stdin:
        lines += 1
        event = condenser.event(json.loads(line))
        if event:
            print(json.dumps(event, separators=(",", ":")))
    print(f"{lines} events were read", file=sys.stderr)


main()

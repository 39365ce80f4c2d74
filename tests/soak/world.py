"""The gateway under test, its configurations, and what can be learnt of it from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECRETS = ("soak-secret-one-7Hq", "soak-secret-two-9Vd")
NAME = "gateway.test"

# What the gateway grants callers; the load keeps well within or well beyond.
HEAD, BODY_IDLE, REQUEST, IDLE, UPSTREAM_HEAD = 5, 5, 30, 60, 2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def build():
    """The release binary, built unless KEYSTILE names one."""
    if given := os.environ.get("KEYSTILE"):
        return Path(given).resolve()
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True, stdout=sys.stderr)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "keystile"


def certificate(directory, name):
    """A certificate that vouches for itself."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem", "-days", "2"]
    command += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    # Otherwise it would be an authority's, which no server may show.
    command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def seconds_of(process):
    """CPU seconds of a process so far."""
    ticks = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


class Upstream:
    """The sample upstream, a process of its own."""

    def __init__(self, directory):
        self.log = directory / "upstream.log"
        command = [sys.executable, str(HERE / "upstream.py"), *SECRETS]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True)
        self.ports = json.loads(self.process.stdout.readline())

    def cpu(self):
        """Seconds so far."""
        return seconds_of(self.process.pid)

    def complaints(self):
        """A caller's key that arrived, or a secret that did not."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if line]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Gateway:
    """The release binary with a directory of its own."""

    def __init__(self, binary, directory, upstream, workers=2, caps=None):
        self.directory, self.upstream, self.caps, self.workers = directory, upstream, caps or {}, workers
        self.plain, self.tls, self.admin = free_port(), free_port(), free_port()
        self.binary, self.process, self.secrets = binary, None, SECRETS
        self.tokens = {name: self._token(name) for name in ("soak", "narrow", "limited", "disabled", "sometimes")}
        for name in ("one", "two"):
            certificate(directory, name)
        self.access, self.log = directory / "access.log", directory / "gateway.log"

    def _token(self, name):
        said = subprocess.run([self.binary, "keys", "generate"], check=True, capture_output=True, text=True).stdout
        token = next(word for word in said.split() if word.startswith("kst_"))
        (self.directory / f"{name}.token").write_text(token)
        return token

    def configuration(self, second=False):
        """One of the two that take turns: another certificate, another secret, other limits, one key less."""
        timeouts = f"{{ head: {HEAD}s, body_idle: {BODY_IDLE}s, request: {REQUEST}s, idle: {IDLE}s }}"
        listener = f"timeouts: {timeouts}, failed_auth_limit: 100000/min, max_body: {32 if second else 48}MiB"
        listener += "".join(f", {name}: {value}" for name, value in self.caps.items())
        shown = "two" if second else "one"
        key = "- {{ name: {0}, primary: 'file:{0}.token', {1} }}"
        keys = [
            key.format("soak", "workflows: all"),
            key.format("narrow", "workflows: [get]"),
            key.format("limited", f"workflows: all, rate_limit: {3 if second else 2}/s burst 2"),
            key.format("disabled", "workflows: all, enabled: false"),
        ]
        if not second:
            keys.append(key.format("sometimes", "workflows: all"))
        connection = "- {{ name: {0}, base_url: 'http://127.0.0.1:{1}', inject: {{ header: X-Engine-Key }}, secret: 'file:{2}.secret', timeouts: {{ connect: 1s, head: {3}s, idle: 8s, tunnel: 60s }} }}"
        connections = [
            connection.format("steady", self.upstream.ports["steady"], shown, 20),
            connection.format("flapping", self.upstream.ports["flapping"], shown, UPSTREAM_HEAD),
            connection.format("silent", self.upstream.ports["silent"], shown, UPSTREAM_HEAD),
        ]
        workflow = "- {{ name: {0}, template: '{1} /{0}/{{rest...}}', upstream: {{ Production: {2} }}{3} }}"
        workflows = [
            workflow.format("get", "GET", "steady", ""),
            workflow.format("post", "POST", "steady", ""),
            workflow.format("ws", "GET", "steady", ", upgrades: [websocket]"),
            workflow.format("flapping", "GET", "flapping", ""),
            workflow.format("silent", "GET", "silent", ""),
        ]
        lines = [
            f"listeners:\n  admin: {{ address: 127.0.0.1:{self.admin} }}\n  inbound:",
            f"    - {{ address: 127.0.0.1:{self.plain}, {listener} }}",
            f"    - {{ address: 127.0.0.1:{self.tls}, {listener}, tls: {{ certificate: {shown}.pem, key: {shown}.key }} }}",
            f"workers: {self.workers}\nallow_networks: [127.0.0.0/8]\nlog: {{ access: 'file:{self.access}' }}",
            "shutdown: { drain: 5s }\nenvironments:\n  - { name: Production, default: true }\n  - { name: Test }",
        ]
        for name, items in (("connections", connections), ("workflows", workflows), ("keys", keys)):
            lines.append(f"{name}:\n" + "\n".join(f"  {item}" for item in items))
        return "\n".join(lines) + "\n"

    def write(self, name, text):
        """Whole or not at all, as a careful operator does it."""
        draft = self.directory / f".{name}.new"
        draft.write_text(text)
        draft.rename(self.directory / name)

    def start(self):
        for name, secret in zip(("one", "two"), self.secrets):
            self.write(f"{name}.secret", secret)
        self.write("keystile.yaml", self.configuration())
        command = [self.binary, "serve", "--config", self.directory / "keystile.yaml"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log.open("w"))
        deadline = time.monotonic() + 20
        while '"ready"' not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the gateway did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Asks it to end and returns how it did."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "did not stop within 20 s"

    def ask_admin(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def metrics(self):
        values = {}
        for line in self.ask_admin("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def measure(self):
        """Memory in KiB, descriptors, threads and CPU seconds of the process."""
        proc = Path(f"/proc/{self.process.pid}")
        fields = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line)
        rollup = (proc / "smaps_rollup").read_text()
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return {
            "rss": int(fields["VmRSS"].split()[0]),
            "pss": pss,
            "descriptors": len(os.listdir(proc / "fd")),
            "threads": int(fields["Threads"]),
            "cpu": seconds_of(self.process.pid),
        }


def total(metrics, name):
    """The sum of a metric over its labels."""
    return sum(value for key, value in metrics.items() if key == name or key.startswith(name + "{"))

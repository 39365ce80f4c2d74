"""What the measurements beside this file share: a gateway in a folder of its own, an upstream, instructions that are counted."""
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

REPO = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or REPO / "target")
KEYSTILE = os.environ.get("KEYSTILE") or str(TARGET / "release" / "keystile")
TICKS = os.sysconf("SC_CLK_TCK")
os.environ["PATH"] += os.pathsep.join(["", "/usr/sbin", "/sbin"])


class Config:
    """A gateway's folder, and how it is started."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.token = folder, None
        self.inbound, self.outbound, self.admin = (f"127.0.0.1:{port}" for port in free_ports(3))

    @contextlib.contextmanager
    def running(self, cpu, under=()):
        pinned = ([] if cpu is None else ["taskset", "-c", str(cpu)]) + list(under)
        log = open(self.folder / "log", "w")
        begun = time.perf_counter()
        process = subprocess.Popen(pinned + [KEYSTILE, "serve", "--config", str(self.folder / "keystile.yaml")],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        try:
            while not is_ready(self.admin):
                if process.poll() is not None or time.perf_counter() - begun > 300:
                    sys.exit("keystile did not start: " + (self.folder / "log").read_text(errors="replace")[-2000:])
                time.sleep(0.005)
            yield Gateway(self, process.pid, time.perf_counter() - begun)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()


class Gateway:
    """One that runs."""

    def __init__(self, config, pid, start_seconds):
        self.inbound, self.config, self.pid, self.start_seconds = config.inbound, config, pid, start_seconds

    def cpu_seconds(self):
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat[stat.rindex(")") + 2:].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def mebibytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M).group(1)) / 1024


def upstream(work, stack):
    """nginx on CPU 1, which answers everything with 100 bytes; its address."""
    port, = free_ports(1)
    conf = work / "upstream.conf"
    conf.write_text(f"""daemon off; worker_processes 1; pid {work}/upstream.pid; error_log {work}/upstream.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u;
  scgi_temp_path {work}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{'x' * 100}"; }} }}
}}
""")
    process = subprocess.Popen(["taskset", "-c", str((os.cpu_count() or 1) - 1), "nginx", "-c", str(conf)],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end():
        process.terminate()
        process.wait()

    stack.callback(end)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"127.0.0.1:{port}"
        time.sleep(0.02)
    sys.exit("nginx did not start: " + (work / "upstream.log").read_text(errors="replace"))


@contextlib.contextmanager
def counted(config, cpu=0):
    """A gateway under callgrind, and what tells the instructions that it carried out while a function ran."""
    out = config.folder / "callgrind"
    with config.running(cpu, under=["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]) as gateway:
        def instructions(what):
            for old in out.parent.glob("callgrind.*"):
                old.unlink()
            ask_callgrind("--zero", gateway)
            done = what()
            ask_callgrind("--dump", gateway)
            totals = (re.findall(r"^totals: (\d+)", part.read_text(), re.M) for part in out.parent.glob("callgrind.*"))
            return sum(int(n) for part in totals for n in part), done

        yield gateway, instructions


def ask_callgrind(what, gateway):
    subprocess.run(["callgrind_control", what, str(gateway.pid)], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def is_ready(admin):
    try:
        asked = http.client.HTTPConnection(admin, timeout=5)
        asked.request("GET", "/readyz")
        return asked.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def free_ports(count):
    """All held until all are known, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]

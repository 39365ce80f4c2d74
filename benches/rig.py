"""What the measurements beside this file share: a gateway in a folder of its own, an upstream, instructions that are counted."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

import gen
from token_digest import blake3_digest

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
    def running(self, cpu, under=(), until=None):
        """Until it is ready, as its admin listener says, or as `until` does."""
        pinned = ([] if cpu is None else ["taskset", "-c", str(cpu)]) + list(under)
        log = open(self.folder / "log", "w")
        begun = time.perf_counter()
        process = subprocess.Popen(pinned + [KEYSTILE, "serve", "--config", str(self.folder / "keystile.yaml")],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        try:
            while not (until or (lambda: is_ready(self.admin)))():
                if process.poll() is not None or time.perf_counter() - begun > 300:
                    sys.exit("keystile did not start: " + (self.folder / "log").read_text(errors="replace")[-2000:])
                time.sleep(0.002)
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


class Load:
    """Requests by wrk, which presents tokens in turn; of what is compared, each takes its turn in every round."""

    def __init__(self, work, rounds, secs):
        self.work, self.rounds, self.secs = work, rounds, secs

    def turns(self, labels, tokens=None):
        """CPU microseconds a request, by label, measured in turns; ratios are medians of the rounds' ratios to the first."""
        return self.rounds_of(labels, tokens, lambda one, all_of_them: [one(each) for each in all_of_them])

    def together(self, labels, tokens=None):
        """The same, all at work at the same time: what the machine does to one it does to all. The spread is the ratio's."""
        with concurrent.futures.ThreadPoolExecutor(len(labels)) as threads:
            result = self.rounds_of(labels, tokens, lambda one, all_of_them: list(threads.map(one, all_of_them)))
        return {label: dict(row, spread=row["ratio_spread"]) for label, row in result.items()}

    def rounds_of(self, labels, tokens, each):
        """`each`: has one round of a function for all labels done."""
        def one(what):
            gateway, presented = what if isinstance(what, tuple) else (what, tokens)
            before = gateway.cpu_seconds()
            loaded = self.wrk(gateway, presented, cpu=1)
            return dict(loaded, us=(gateway.cpu_seconds() - before) * 1e6 / max(1, loaded["n"]))

        # The first round warms everything up.
        rounds = [each(one, labels.values()) for _ in range(self.rounds + 1)][1:]
        base, result = [row[0]["us"] for row in rounds], {}
        for label, mine in zip(labels, zip(*rounds)):
            us = [row["us"] for row in mine]
            ratios = [one / first for one, first in zip(us, base)]
            medians = {field: statistics.median(row[field] for row in mine) for field in ("rps", "us", "p50_us", "p99_us")}
            result[label] = dict(medians, ratio=statistics.median(ratios), bad=sum(row["bad"] for row in mine),
                                 spread=(max(us) - min(us)) / statistics.median(us) * 100,
                                 ratio_spread=(max(ratios) - min(ratios)) / statistics.median(ratios) * 100)
        return result

    def wrk(self, gateway, tokens, cpu, rate=None, secs=None):
        """Presents `tokens` in turn. `rate`: so many requests a second; else as many as there can be."""
        done = subprocess.run(self.wrk_command(gateway, tokens, cpu, rate, secs or self.secs),
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return self.result(done.stdout, done.stderr)

    @staticmethod
    def result(said, errors=""):
        """What wrk said at its end."""
        found = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", said)
        if not found:
            sys.exit(f"wrk failed: {said} {errors}")
        n, micros, p50, p99, bad = map(float, found.groups())
        return dict(n=int(n), rps=n / micros * 1e6, p50_us=p50, p99_us=p99, bad=int(bad))

    def wrk_command(self, gateway, tokens, cpu, rate, secs):
        listed = self.work / f"tokens-{len(tokens)}"
        if not listed.exists():
            listed.write_text("\n".join(random.Random(3).sample(tokens, len(tokens))))
        connections = 64 if rate is None else 32
        script = self.work / f"load-{len(tokens)}-{rate}.lua"
        delay = "" if rate is None else f"function delay() return math.random(0, {2 * connections * 1000 // rate}) end\n"
        script.write_text(LUA % listed + delay)
        pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
        url = f"http://{gateway.inbound}/run"
        return pinned + ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(secs))}s", "-s", str(script), url]

    @contextlib.contextmanager
    def flowing(self, gateway, tokens, rate):
        """Traffic until the block ends."""
        command = self.wrk_command(gateway, tokens, None, rate, 3600)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()


# Every request is its token's own, put together as it goes: ten tokens cost the load generator what a million do.
LUA = """local tokens, i = {}, 0
for token in io.lines('%s') do tokens[#tokens + 1] = token end
function request()
  i = i %% #tokens + 1
  return 'GET /run HTTP/1.1\\r\\nHost: bench\\r\\nAuthorization: Key=' .. tokens[i] .. '\\r\\n\\r\\n'
end
function done(s, l, r)
  local e = s.errors
  io.write(string.format('RESULT %%d %%d %%.1f %%.1f %%d\\n', s.requests, s.duration, l:percentile(50), l:percentile(99),
    e.connect + e.read + e.write + e.timeout + e.status))
end
"""


class File(Config):
    """Everything from a file."""

    def __init__(self, folder, to, tokens, count=None, **more):
        super().__init__(folder)
        write_secret(folder)
        inbound = {"address": self.inbound}
        inbound.update(more.pop("inbound", {}))
        fields = {
            "listeners": {"inbound": [inbound], "admin": {"address": self.admin}},
            "environments": [{"name": "Production", "default": True}],
            "connections": [dict(connection(to), secret="file:secret")],
            "workflows": [workflow()],
            "log": {"access": "off", "level": "warn"},
        }
        fields.update(more)
        with open(folder / "keystile.yaml", "w") as config:
            config.writelines(f"{name}: {json.dumps(value)}\n" for name, value in fields.items())
            self.write_keys(config, tokens, count or len(tokens))

    def write_keys(self, config, tokens, count):
        """As people and programs write them: a field a line."""
        rnd, presented = random.Random(11), placed(tokens, count)
        config.write("keys:\n")
        for n in range(count):
            digest = blake3_digest(presented[n]) if n in presented else rnd.randbytes(32)
            config.write(f"  - name: many-{n:07}\n    primary: blake3:{digest.hex()}\n    workflows: [run]\n"
                         "    expires_at: 2040-01-01T00:00:00Z\n")


class Store(Config):
    """A file that names a store; connection, workflow and keys are in it."""

    def __init__(self, folder, to):
        super().__init__(folder)
        command = [KEYSTILE, "init", "--data", str(folder), "--inbound", self.inbound, "--outbound", self.outbound,
                   "--admin", self.admin, "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"keystile init failed, so there is no store to measure: {done.stderr[-1000:]}")
        self.token = json.loads(done.stdout)["admin_token"]
        config = folder / "keystile.yaml"
        text = config.read_text()
        if not re.search(r"^log:", text, re.M):
            config.write_text(text + "\nlog: { access: off, level: warn }\n")
        with self.running(cpu=None) as gateway:
            api = Api.of(gateway)
            if not any(one["name"] == "Production" for one in api.get("/environments")["items"]):
                api.post("/environments", {"name": "Production", "default": True})
            api.post("/connections", dict(connection(to), connector="custom", secret="upstream-secret"))
            api.post("/workflows", workflow())
            api.post("/keys", {"name": "k0", "workflows": ["run"], "expires_at": "2040-01-01T00:00:00Z"})

    def fill(self, tokens, count):
        """Copies the one key until there are `count`, of which some have `tokens`: see `placed`."""
        database = sqlite3.connect(self.folder / "keystile.db")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -400000")
        columns = [row[1] for row in database.execute("PRAGMA table_info(keys)") if row[1] != "id"]
        model = dict(zip(columns, database.execute(f"SELECT {', '.join(columns)} FROM keys WHERE name = 'k0'").fetchone()))
        rnd, presented = random.Random(11), placed(tokens, count)

        def rows():
            for n in range(count):
                digest = blake3_digest(presented[n]) if n in presented else rnd.randbytes(32)
                uid = bytearray(rnd.randbytes(16))
                uid[6], uid[8] = uid[6] & 0x0f | 0x40, uid[8] & 0x3f | 0x80
                row = dict(model, uid=bytes(uid), name=f"many-{n:07}", primary_digest=digest, secondary_digest=rnd.randbytes(32))
                yield [row[column] for column in columns]

        with database:
            places = ", ".join("?" * len(columns))
            database.executemany(f"INSERT INTO keys ({', '.join(columns)}) VALUES ({places})", rows())
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()


class Api:
    """One kept connection to the admin API."""

    @classmethod
    def of(cls, gateway):
        return cls(gateway.config.admin, gateway.config.token)

    def __init__(self, address, token):
        self.connection, self.token = http.client.HTTPConnection(address, timeout=60), token

    def get(self, path):
        return self.ask("GET", path, None)

    def post(self, path, body=None):
        return self.ask("POST", path, None if body is None else json.dumps(body))

    def ask(self, method, path, body):
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, "/api/v1" + path, body, headers)
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:500].decode(errors='replace')}")
        return json.loads(text) if text else None


class Caller:
    """One kept connection through the inbound door, and one token."""

    def __init__(self, inbound, token):
        self.connection, self.token = http.client.HTTPConnection(inbound, timeout=60), token

    def status(self):
        self.connection.request("GET", "/run", headers={"Authorization": f"Key={self.token}"})
        reply = self.connection.getresponse()
        reply.read()
        return reply.status


def in_force(caller, wanted, change):
    """While `caller` asks all the time: seconds from the change's beginning to the first request that began and was
    decided the new way; and how many that began after the change had been answered were decided the old way."""
    asked, stop = [], threading.Event()

    def ask():
        # To the first that began after the change did: the one under way may be decided either way.
        while not stop.is_set() or not asked or asked[-1][0] < changed_at[0] or asked[-1][1] != wanted:
            begun = time.perf_counter()
            asked.append((begun, caller.status()))
            if stop.is_set() and begun > stopped_at[0] + 10:
                return

    stopped_at, changed_at, thread = [0.0], [0.0], threading.Thread(target=ask)
    thread.start()
    time.sleep(0.002)
    begun = changed_at[0] = time.perf_counter()
    change()
    answered = time.perf_counter()
    time.sleep(0.002)
    stopped_at[0] = time.perf_counter()
    stop.set()
    thread.join()
    first = next((at for at, status in asked if at >= begun and status == wanted), None)
    if first is None:
        sys.exit(f"ten seconds after the change was answered, requests were still not answered with {wanted}")
    return first - begun, sum(1 for at, status in asked if at > answered and status != wanted)


def connection(to):
    return {"name": "engine", "environment": "Production", "base_url": f"http://{to}", "allow_networks": ["127.0.0.0/8"],
            "inject": {"header": "X-API-Key"}}


def workflow():
    return {"name": "run", "template": "GET /run", "upstream": {"Production": "engine"}}


def write_secret(folder):
    (folder / "secret").write_text("upstream-secret")


def make_tokens(count):
    return [token for token, *_ in gen.make_keys(count)]


def placed(tokens, count):
    """Which of `count` keys have them, from the first to the very last."""
    return {(n + 1) * count // len(tokens) - 1: token for n, token in enumerate(tokens)}


def percentile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def table(title, measured):
    print(f"\n== {title}")
    print(f"{'':16} {'CPU us/req':>10} {'ratio':>6} {'spread %':>8} {'req/s':>7} {'p50 us':>7} {'p99 us':>7} bad")
    for label, m in measured.items():
        print("{:>16} {us:10.2f} {ratio:6.3f} {spread:8.1f} {rps:7.0f} {p50_us:7.0f} {p99_us:7.0f} {bad}".format(label, **m),
              flush=True)

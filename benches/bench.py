#!/usr/bin/env python3
"""Keystile beside other proxies that do the same work; benches/setup first, or all at once with benches/run.

  bench.py                                     the default peers and scenarios
  bench.py --check                             only prove that every peer does the work
  bench.py --scenario get,big,tls --rounds 9   longer, and narrower
  bench.py --side-by-side get,call,callraw     scenarios take turns, each peer for itself: what does one cost beside another?
  bench.py --add 'mine|9901|9902|/path/to/proxy --threads {threads}'

An added proxy listens on the two ports (http, https), knows the keys of conf/keys.txt (token, name, group: g0-g3 may
run, big and cancel in prod and staging; g4-g7 run and big in prod), takes the caller's key away, sends
X-API-Key: upstream-secret and X-Keystile-Identity: <name>-<group>, and forwards to 127.0.0.1:9100.

The proxy has CPU 0 to itself, load generator and upstream have CPU 1, unless --unpinned. CPU per request is user and
system time of all processes in the proxy's session, divided by the requests that were answered. Peers take turns
within a round. Values are medians over the rounds; a ratio is the median of the rounds' ratios to the first peer.

`bad` is refused by each in its way, by nginx and HAProxy with one word; `told` by all as Keystile does it: they are told apart
by the workflow's name. Outbound scenarios begin with `call`. Keystile removes reflected secrets from their replies, unless they end with `raw`;
nobody else does.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

WORK = pathlib.Path(os.environ.get("BENCH_WORK") or pathlib.Path(tempfile.gettempdir(), "keystile-bench"))
CONF, OUT = WORK / "conf", WORK / "out"
REPO = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or REPO / "target")
KEYSTILE = os.environ.get("KEYSTILE") or str(TARGET / "release" / "keystile")
os.environ["PATH"] += f"{os.pathsep}/usr/sbin{os.pathsep}/sbin{os.pathsep}{WORK}/tools/bin"

UPSTREAM_PORT, SINK_PORT = 9100, 9310
# name: (http port, https port, port for outbound calls, command); {log} is "-log", "-record" or nothing
PEERS = {
    "direct": (UPSTREAM_PORT, None, None, None),
    "nginx": (9201, 9202, 9204, f"nginx -c {CONF}/nginx{{threads}}{{log}}.conf"),
    "haproxy": (9301, 9302, 9304, f"haproxy -f {CONF}/haproxy{{threads}}{{log}}.cfg -db"),
    "caddy": (9401, 9402, None, f"env GOMAXPROCS={{threads}} caddy run --adapter caddyfile --config {CONF}/Caddyfile"),
    "pingora": (9501, 9502, None, f"{WORK}/target/release/pingora-peer 9501 9502 {{threads}}"),
    "keystile": (9801, 9802, 9804, f"{KEYSTILE} serve --config {CONF}/keystile{{threads}}{{log}}.yaml"),
}
# What a peer is known not to do: printed, and in its favour.
KNOWN = {
    "direct": {"*": "no proxy at all"},
    "caddy": {"g7-staging": "does not look at permissions", "query-key": "takes no key from the query",
              "cancel": "knows no cancel", "access-log": "writes none"},
}
LOGS = {None: "without an access log", "usual": "each with its usual access log",
        "record": "each with an access log of records in JSON"}
# What a record tells at least.
RECORD = {"time", "request_id", "address", "protocol", "method", "path", "key", "status", "bytes_in", "bytes_out", "user_agent"}
CALL = "/prod/workflows/wf-1234/"
TOLD = "/prod/workflows/told-1234/"
# Who refuses there as Keystile does everywhere, with a problem document, fields and an identifier of the request.
TELL = ("nginx", "haproxy", "keystile")
REFUSALS = ("bad", "told")
HTTP, HTTPS, OUTBOUND = range(3)
# name: (tool, script or path, port, connections, what it is)
SCENARIOS = {
    "get": ("wrk", "get.lua", HTTP, 64, "GET, 100 B"),
    "big": ("wrk", "big.lua", HTTP, 64, "GET, 10 KiB"),
    "post": ("wrk", "post.lua", HTTP, 64, "POST, 1 KiB"),
    "bad": ("wrk", "bad.lua", HTTP, 64, "refusal of an unknown key"),
    "told": ("wrk", "told.lua", HTTP, 64, "refusal in the same words by all"),
    "tls": ("wrk", "get.lua", HTTPS, 64, "GET over TLS 1.3"),
    "tlsbig": ("wrk", "big.lua", HTTPS, 64, "GET, 10 KiB, over TLS 1.3"),
    "h2": ("h2load", CALL + "run", HTTPS, 16, "GET over HTTP/2 and TLS 1.3"),
    "hs": ("wrk", "close.lua", HTTPS, 64, "new TLS connection per request"),
    "close": ("wrk", "close.lua", HTTP, 64, "new connection per request"),
    "get1": ("wrk", "get.lua", HTTP, 1, "GET, one connection"),
    "get256": ("wrk", "get.lua", HTTP, 256, "GET, 256 connections"),
    "rate": ("oha", CALL + "run", HTTP, 64, "GET at a fixed rate"),
    "ratetls": ("oha", CALL + "run", HTTPS, 64, "GET over TLS at a fixed rate"),
    "gettls": ("wrk", "gettls.lua", HTTP, 64, "GET, upstream over TLS"),
    "call": ("wrk", "call-plain-run.lua", OUTBOUND, 64, "call, 100 B"),
    "callraw": ("wrk", "call-raw-run.lua", OUTBOUND, 64, "call, 100 B, not scrubbed"),
    "callbig": ("wrk", "call-plain-big.lua", OUTBOUND, 64, "call, 10 KiB"),
    "callbigraw": ("wrk", "call-raw-big.lua", OUTBOUND, 64, "call, 10 KiB, not scrubbed"),
    "callchunked": ("wrk", "call-plain-chunked.lua", OUTBOUND, 64, "call, 10 KiB of events in chunks"),
    "callchunkedraw": ("wrk", "call-raw-chunked.lua", OUTBOUND, 64, "call, 10 KiB in chunks, not scrubbed"),
    "calltls": ("wrk", "call-tls-run.lua", OUTBOUND, 64, "call, provider over TLS"),
    "calltlsraw": ("wrk", "call-tlsraw-run.lua", OUTBOUND, 64, "call, provider over TLS, not scrubbed"),
    "calltlsbig": ("wrk", "call-tls-big.lua", OUTBOUND, 64, "call, 10 KiB, provider over TLS"),
}


def main():
    args = arguments()
    if not (CONF / "bad.key").exists():
        sys.exit(f"nothing is set up in {WORK}: run benches/setup")
    if not args.unpinned and (os.cpu_count() or 1) < 2:
        sys.exit("one CPU only: proxy and load would share it; --unpinned measures all the same")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for added in args.add:
        name, http, https, command = added.split("|", 3)
        PEERS[name] = (int(http), int(https) if https else None, None, command)
    peers = chosen(args)
    bench = Bench(args)
    try:
        bench.start_all(peers)
        if not args.no_check and not all([check(bench, peer) for peer in peers]):
            sys.exit("!! NOT EQUAL WORK: see above")
        if args.check:
            return
        scenarios = list(runnable(args))
        if args.side_by_side:
            for peer in peers:
                bench.side_by_side(scenarios, peer)
            return
        results = [bench.beside(scenario, peers) for scenario in scenarios]
        if args.markdown:
            print("\n" + markdown([rows for rows in results if rows], peers, args))
    finally:
        bench.stop()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peers", default="nginx,haproxy,pingora,keystile", help="of " + ", ".join(PEERS))
    p.add_argument("--scenario", default="get,post,big,tls,h2,bad", help="of " + ", ".join(SCENARIOS))
    p.add_argument("--side-by-side", metavar="SCENARIO,…", help="let these take turns; ratios are to the first of them")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--secs", type=float, default=3, help="of one measurement")
    p.add_argument("--warm", type=float, default=1, help="seconds of load before the first round")
    p.add_argument("--rate", type=int, default=8000, help="requests per second of the fixed-rate scenarios")
    p.add_argument("--threads", type=int, choices=(1, 2), help="of the proxy; 1, or 2 with --unpinned")
    p.add_argument("--together", action="store_true",
                   help="all peers at the same time, sharing the core: what the machine does to one it does to all, so that "
                        "ratios carry to one or two per cent, where peers that take turns differ by ten")
    p.add_argument("--unpinned", action="store_true", help="let every process run on every CPU")
    p.add_argument("--access-log", nargs="?", const="usual", choices=("usual", "record"),
                   help="every peer writes a buffered access log: its usual line, or with `--access-log record` JSON with "
                        "whatever it knows of what Keystile's record says")
    p.add_argument("--add", action="append", default=[], metavar="NAME|HTTP|HTTPS|COMMAND", help="one more proxy")
    p.add_argument("--check", action="store_true", help="only check that every peer does the work; exit 1 if not")
    p.add_argument("--no-check", action="store_true", help="measure without checking first")
    p.add_argument("--strace", action="store_true", help="count system calls per request too, in a run of their own")
    p.add_argument("--markdown", action="store_true", help="close with a table for a README")
    p.add_argument("--json", metavar="FILE", help="append every measurement to this file, one a line")
    args = p.parse_args()
    args.threads = args.threads or (2 if args.unpinned else 1)
    args.scenario = (args.side_by_side or args.scenario).split(",")
    for name in args.scenario:
        if name not in SCENARIOS:
            p.error(f"no scenario {name}")
    return args


def chosen(args):
    """The peers that are there; the others are left out, and that is said."""
    names = [name for name in args.peers.split(",") if name] + [added.split("|")[0] for added in args.add]
    peers = []
    for name in names:
        if name not in PEERS:
            sys.exit(f"no peer {name}: there are {', '.join(PEERS)}, and --add")
        command = PEERS[name][-1]
        words = command.split() if command else []
        program = words[2] if words[:1] == ["env"] else words[0] if words else None
        if program and not shutil.which(program):
            print(f"!! LEFT OUT: {name}, for there is no {program}", file=sys.stderr)
        elif args.access_log == "record" and name in ("caddy", "pingora"):
            print(f"!! LEFT OUT: {name}, which writes no records here", file=sys.stderr)
        else:
            peers.append(name)
    if not peers:
        sys.exit("no peer is left")
    return peers


def runnable(args):
    for name in args.scenario:
        tool = SCENARIOS[name][0]
        if shutil.which(tool):
            yield name
        else:
            print(f"!! LEFT OUT: scenario {name}, for there is no {tool}", file=sys.stderr)


class Bench:
    """The processes, and what they cost."""

    def __init__(self, args):
        self.args = args
        self.processes = {}
        self.key, self.g7_key, self.bad_key = ((CONF / f).read_text() for f in ("first.key", "g7.key", "bad.key"))

    def start_all(self, peers):
        for old in OUT.glob("*-access.log"):
            old.unlink()
        self.start("upstream", f"nginx -c {CONF}/upstream.conf", 1, [UPSTREAM_PORT])
        if self.args.access_log and "haproxy" in peers:
            self.start("log-sink", f"{sys.executable} {__file__} --log-sink {OUT}/haproxy-access.log", 1, [SINK_PORT])
        for peer in peers:
            *ports, command = PEERS[peer]
            if command:
                log = {None: "", "usual": "-log", "record": "-record"}[self.args.access_log]
                self.start(peer, command.format(threads=self.args.threads, log=log), 0, list(filter(None, ports)))

    def start(self, name, command, cpu, ports):
        """Started in a session of its own, by which its processes are found again."""
        for port in ports:
            if listens(port):
                sys.exit(f"port {port} is taken, so {name} cannot have it: is another benchmark running?")
        environment = dict(os.environ, BENCH_CONF=str(CONF))
        if self.args.access_log:
            environment["BENCH_ACCESS_LOG"] = f"{OUT}/{name}-access.log"
        with open(OUT / f"{name}.log", "w") as output:
            self.processes[name] = subprocess.Popen(
                self.pinned(cpu) + command.split(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, env=environment)
        deadline = time.monotonic() + 20
        while not all(listens(port) for port in ports):
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{name} did not start: " + (OUT / f"{name}.log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def pinned(self, cpu):
        return [] if self.args.unpinned else ["taskset", "-c", str(cpu)]

    def session(self, name):
        """(pid, fields of /proc/PID/stat after the name) of every process in the peer's session."""
        leader, found = self.processes[name].pid, []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2:].split()
            if int(fields[3]) == leader:
                found.append((int(pid), fields))
        return found

    def cpu_seconds(self, name):
        if name not in self.processes:
            return 0
        return sum(nanoseconds(pid) for pid, _ in self.session(name)) / 1e9

    def mebibytes(self, name):
        total = 0
        for pid, _ in self.session(name) if name in self.processes else []:
            try:
                rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M).group(1))
        return total / 1024

    def stop(self):
        """Asked first: a build that counts what it does writes that down at its end."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            left = [pid for name in self.processes for pid, _ in self.session(name)]
            for pid in left:
                try:
                    os.kill(pid, how)
                except OSError:
                    pass
            for process in self.processes.values():
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    pass

    def beside(self, scenario, peers):
        """One scenario, by all peers that know it; prints its table; {peer: its medians}."""
        able = [peer for peer in peers if knows(peer, scenario)]
        if not able:
            return None
        rows = self.measure({peer: (scenario, peer) for peer in able})
        if scenario in REFUSALS:
            self.still_refuses(rows)
        result = summary(rows)
        rate = f", {self.args.rate}/s" if SCENARIOS[scenario][0] == "oha" else ""
        self.table(f"{scenario}: {SCENARIOS[scenario][4]}", result, rate)
        if self.args.strace:
            for peer in rows:
                if peer in self.processes:
                    self.system_calls(scenario, peer)
        return result

    def side_by_side(self, scenarios, peer):
        """All the scenarios, by one peer."""
        able = [scenario for scenario in scenarios if knows(peer, scenario)]
        if able:
            self.table(f"{peer}, side by side", summary(self.measure({scenario: (scenario, peer) for scenario in able})))

    def measure(self, runs):
        """All rounds of `runs`, {label: (scenario, peer)}, which take turns within each; {label: what was measured}."""
        rows = {label: [] for label in runs}
        if self.args.warm:
            for scenario, peer in runs.values():
                self.load(scenario, peer, self.args.warm)
        at_once = len(runs) if self.args.together else 1
        for _ in range(self.args.rounds):
            with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
                measured = pool.map(lambda run: self.measure_once(*run), runs.values())
            for (label, (scenario, peer)), row in zip(runs.items(), measured):
                rows[label].append(row)
                if self.args.json:
                    with open(self.args.json, "a") as out:
                        out.write(json.dumps(dict(row, peer=peer, threads=self.args.threads,
                                                  pinned=not self.args.unpinned, access_log=self.args.access_log)) + "\n")
        return rows

    def measure_once(self, scenario, peer):
        before = self.cpu_seconds(peer)
        row = self.load(scenario, peer, self.args.secs)
        spent = self.cpu_seconds(peer) - before
        row.update(us=spent * 1e6 / max(1, row["n"]), util=spent / self.args.secs, mib=self.mebibytes(peer),
                   scenario=scenario)
        return row

    def still_refuses(self, peers):
        """A peer that stops looking keys up under many wrong ones does other work than the rest."""
        for peer in peers:
            status = Reply(f"http://127.0.0.1:{PEERS[peer][0]}{CALL}run", token=self.bad_key).status
            if status != 401 and peer != "direct":
                print(f"!! {peer} answered {status} instead of 401 in the end: its refusals are not the same work")

    def table(self, title, result, more=""):
        where = "unpinned" if self.args.unpinned else "proxy on CPU 0, load and upstream on CPU 1"
        if self.args.together:
            where += ", all at once; spread of the ratio"
        log = f", access log: {self.args.access_log}" if self.args.access_log else ""
        base = "x " + next(iter(result))
        print(f"\n== {title} ({where}, {self.args.rounds} x {self.args.secs:g} s, threads {self.args.threads}{more}{log})")
        spread = "ratio_spread" if self.args.together else "spread"
        print(f"{'':14} {'req/s':>8} {base:>9} {'CPU us/req':>10} {base:>9} {'spread %':>8} {'util':>5} "
              f"{'p50 us':>7} {'p99 us':>7} {'p99.9us':>7} {'MiB':>6} errors")
        for label, m in result.items():
            print(f"{label:14} {m['rps']:8.0f} {m['rps_ratio']:9.2f} {m['us']:10.2f} {m['ratio']:9.2f} {m[spread]:8.1f} "
                  f"{m['util']:5.2f} {m['p50']:7.0f} {m['p99']:7.0f} {m['p999']:7.0f} {m['mib']:6.1f} {m['errors']}",
                  flush=True)
        if SCENARIOS[next(iter(result.values()))["scenario"]][0] == "oha":
            # Of the same seconds with --together: what delays one then delays all.
            for label, m in list(result.items())[1:]:
                told = [f"{late} {m[late + '_ratio'][0]:.2f} ({m[late + '_ratio'][1]:.2f} to {m[late + '_ratio'][2]:.2f})"
                        for late in ("p50", "p99") if m[late + "_ratio"]]
                print(f"{label}, {base} of the same round: {', '.join(told)}", flush=True)

    def load(self, scenario, peer, seconds):
        tool, what, port, connections, _ = SCENARIOS[scenario]
        url = f"http{'s' if port == HTTPS else ''}://127.0.0.1:{PEERS[peer][port]}"
        seconds = max(1, int(seconds))
        if tool == "wrk":
            return self.wrk(scenario, url, what, connections, seconds)
        if tool == "h2load":
            return self.h2load(url + what, connections, seconds)
        return self.oha(url + what, connections, seconds)

    def run(self, *command, **environment):
        return subprocess.run(self.pinned(1) + [str(word) for word in command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, **environment))

    def wrk(self, scenario, url, script, connections, seconds):
        done = self.run("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", CONF / script, url + CALL + "run")
        found = re.search(r"RESULT reqs=(\d+) dur_us=(\d+) p50=([\d.]+) p99=([\d.]+) p999=([\d.]+) errs=(\d+) status=(\d+)",
                          done.stdout)
        if not found:
            sys.exit(f"wrk failed: {done.stdout} {done.stderr}")
        n, micros, p50, p99, p999, failed, refused = map(float, found.groups())
        wrong = n - refused if scenario in REFUSALS else refused
        return dict(n=n, rps=n / micros * 1e6, p50=p50, p99=p99, p999=p999, errors=failed + wrong)

    def h2load(self, url, connections, seconds):
        log = OUT / f"h2load-{url.split(':')[2].split('/')[0]}.log"
        log.write_text("")
        done = self.run("h2load", f"-c{connections}", "-m32", "-t1", "-D", seconds, "--log-file", log,
                        "-H", f"authorization: Key={self.key}", "-H", "user-agent: bench/1.0",
                        "-H", "accept: application/json", url)
        found = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded", done.stdout)
        if not found:
            sys.exit(f"h2load failed: {done.stdout} {done.stderr}")
        n, good = map(float, found.groups())
        with open(log) as lines:
            times = sorted(int(line.split("\t")[2]) for line in lines if line.count("\t") >= 2)
        at = [times[min(len(times) - 1, int(len(times) * q))] if times else float("nan") for q in (0.5, 0.99, 0.999)]
        return dict(n=n, rps=n / seconds, p50=at[0], p99=at[1], p999=at[2], errors=n - good)

    def oha(self, url, connections, seconds):
        done = self.run("oha", "-z", f"{seconds}s", "-c", connections, "-q", self.args.rate, "--latency-correction",
                        "--no-tui", "--insecure", "--output-format", "json", "-H", f"Authorization: Key={self.key}", url,
                        TOKIO_WORKER_THREADS="1")
        try:
            report = json.loads(done.stdout)
        except ValueError:
            sys.exit(f"oha failed: {done.stdout[-500:]} {done.stderr[-500:]}")
        statuses, at = report["statusCodeDistribution"], report["latencyPercentiles"]
        n = sum(statuses.values())
        return dict(n=n, rps=report["summary"]["requestsPerSec"], p50=at["p50"] * 1e6, p99=at["p99"] * 1e6,
                    p999=at["p99.9"] * 1e6, errors=n - statuses.get("200", 0))

    def system_calls(self, scenario, peer):
        if not shutil.which("strace"):
            print("!! LEFT OUT: system calls, for there is no strace", file=sys.stderr)
            return
        self.load(scenario, peer, 1)
        counted = OUT / f"strace-{peer}-{scenario}.txt"
        attach = [word for pid, _ in self.session(peer) for word in ("-p", str(pid))]
        tracer = subprocess.Popen(["strace", "-c", "-f", "-o", counted, *attach], stderr=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL)
        time.sleep(0.7)
        row = self.load(scenario, peer, 2)
        time.sleep(0.2)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        calls = {}
        for line in counted.read_text().splitlines():
            words = line.split()
            if len(words) >= 5 and words[0][0].isdigit() and words[-1] != "total":
                calls[words[-1]] = int(words[3]) / row["n"]
        listed = "  ".join(f"{name} {n:.2f}" for name, n in sorted(calls.items(), key=lambda c: -c[1]) if n > 0.01)
        print(f"  system calls per request, {peer}: {sum(calls.values()):.2f}  {listed}")


def nanoseconds(pid):
    """What all threads of a process have spent on a CPU, to the nanosecond; those of a thread that ended are not in it."""
    spent = 0
    for schedstat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            spent += int(schedstat.read_text().split()[0])
        except OSError:
            pass
    return spent


def knows(peer, scenario):
    """Whoever makes no outbound calls has no upstream over TLS either."""
    if scenario == "told" and peer not in TELL:
        return False
    port = OUTBOUND if scenario == "gettls" else SCENARIOS[scenario][2]
    return PEERS[peer][port] is not None


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def summary(rows):
    """Medians per label, and ratios to the first, taken round by round."""
    base = next(iter(rows.values()))
    result = {}
    for label, mine in rows.items():
        m = {field: statistics.median(row[field] for row in mine) for field in mine[0] if field != "scenario"}
        us = [row["us"] for row in mine]
        m["spread"] = (max(us) - min(us)) / m["us"] * 100 if m["us"] else 0
        ratios = [row["us"] / first["us"] for row, first in zip(mine, base) if first["us"]]
        m["ratio"] = statistics.median(ratios) if ratios and m["us"] else float("nan")
        m["ratio_spread"] = (max(ratios) - min(ratios)) / m["ratio"] * 100 if ratios and m["us"] else 0
        for late in ("p50", "p99"):
            of = [row[late] / first[late] for row, first in zip(mine, base) if first[late]]
            m[f"{late}_ratio"] = (statistics.median(of), min(of), max(of)) if of else None
        m["rps_ratio"] = m["rps"] / statistics.median(row["rps"] for row in base)
        m["errors"] = int(sum(row["errors"] for row in mine))
        m["scenario"] = mine[0]["scenario"]
        result[label] = m
    return result


def markdown(results, peers, args):
    where = "unpinned" if args.unpinned else "proxy alone on one core, load and upstream on another"
    if args.together:
        where = "unpinned" if args.unpinned else "the proxies on one core, load and upstream on another"
    how = "with all of them at work at the same time" if args.together else "in one interleaved run"
    of = "its spread" if args.together else "the spread"
    lines = [f"CPU microseconds per request, median of {args.rounds} × {args.secs:g} s {how}; in brackets "
             f"the ratio to {peers[0]} and {of} over the rounds. {where[0].upper()}{where[1:]}, "
             f"{LOGS[args.access_log]}.", "",
             "| scenario | " + " | ".join(peers) + " |", "| --- |" + " --- |" * len(peers)]
    for result in results:
        name = SCENARIOS[next(iter(result.values()))["scenario"]][4]
        cells = [cell(result.get(peer), "ratio_spread" if args.together else "spread") for peer in peers]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(m, spread):
    if not m:
        return "–"
    errors = f", {m['errors']} errors" if m["errors"] else ""
    return f"{m['us']:.1f} ({m['ratio']:.2f}, ±{m[spread] / 2:.0f} %{errors})"


class Reply:
    """One request with curl: status, version, size, body."""

    def __init__(self, url, *options, token=None):
        header = ["-H", f"Authorization: Key={token}"] if token else []
        done = subprocess.run(["curl", "-sk", "-m", "5", *header, *options, "-w", "\n%{http_code} %{http_version} %{size_download}",
                               url], capture_output=True, text=True)
        self.body, _, tail = done.stdout.rpartition("\n")
        status, self.version, size = tail.split()
        self.status, self.size = int(status), int(size)

    def echo(self):
        return dict(line.split("=", 1) for line in self.body.splitlines() if "=" in line)


def check(bench, peer):
    """Does this peer do the work? Every deviation is printed; one that is not KNOWN makes it False."""
    known = KNOWN.get(peer, {})
    if "*" in known:
        print(f"{peer:9} not checked: {known['*']}")
        return True
    deviations, excused = [], set()
    for name, expected, seen in observations(bench, peer):
        if seen == expected:
            continue
        if name in known:
            excused.add(f"it {known[name]}")
        else:
            deviations.append(name)
            print(f"!! {peer} DEVIATES at {name}: expected {expected}, saw {seen}", flush=True)
    if not deviations:
        but = f", but for this, in its favour: {'; '.join(sorted(excused))}" if excused else ""
        print(f"{peer:9} does the work{but}", flush=True)
    return not deviations


def observations(bench, peer):
    """(what, expected, seen) of everything that the peers have in common."""
    http, https, outbound, _ = PEERS[peer]
    plain = f"http://127.0.0.1:{http}"
    key, echo = bench.key, "/prod/workflows/echo/run"
    me = "u00000-g0"

    def status(path, *options, token=None):
        return Reply(plain + path, *options, token=token).status

    def upstream_saw(name, reply, uri, length=""):
        seen = reply.echo()
        yield f"{name}: status", 200, reply.status
        yield f"{name}: upstream's secret", "upstream-secret", seen.get("apikey")
        # Keystile tells the caller in its own words; the others in one header of the benchmark's.
        told = ("", f"Key: {me}") if peer == "keystile" else (me, "")
        yield f"{name}: caller's identity", told, (seen.get("identity"), seen.get("username"))
        yield f"{name}: caller's key taken away", "", seen.get("authorization")
        yield f"{name}: URI", uri, seen.get("uri")
        yield f"{name}: length of the body", length, seen.get("length")
        yield f"{name}: token nowhere", False, key in reply.body

    yield from upstream_saw("echo", Reply(plain + echo, token=key), echo)
    yield from upstream_saw("echo of a POST", Reply(plain + echo, "-d", "x" * 1024, token=key), echo, "1024")
    forged = Reply(plain + echo, "-H", "X-API-Key: forged", "-H", "X-Keystile-Identity: forged" if peer != "keystile"
                   else "X-Keystile-Username: forged", token=key)
    yield from upstream_saw("forged headers", forged, echo)
    if peer in TELL:
        refusal = Reply(plain + TOLD + "run", "-i", token=bench.bad_key)
        members = json.loads(refusal.body[refusal.body.index("{"):])
        # Names differ in length; an identifier with dashes is four longer, and stands there three times.
        yield "told: about the same length", True, abs(len(refusal.body) - 700) < 60 or len(refusal.body)
        yield "told", (401, "invalid_key", True), (
            refusal.status, members["code"], refusal.body.count(members["request_id"]) == 3)
    yield "bad key", 401, status(CALL + "run", token=bench.bad_key)
    yield "malformed key", 401, status(CALL + "run", token="nope")
    yield "no key", 401, status(CALL + "run")
    elsewhere = status("/prod/other", token=key)
    yield "unknown path", "403 or 404", "403 or 404" if elsewhere in (403, 404) else elsewhere
    yield "g7-staging", 403, status("/staging/workflows/a/run", token=bench.g7_key)
    yield "g7-prod", 200, status(CALL + "run", token=bench.g7_key)
    yield "g0-staging", 200, status("/staging/workflows/a/run", token=key)
    yield "cancel", 200, status(CALL + "cancel", token=key)
    yield "g7-cancel", 403, status(CALL + "cancel", token=bench.g7_key)
    for asked, passed in [("?auth-key={}", ""), ("?x=1&auth-key={}", "?x=1"), ("?auth-key={}&x=1", "?x=1"),
                          ("?x=1&auth-key={}&y=2", "?x=1&y=2")]:
        reply = Reply(plain + echo + asked.format(key))
        seen = reply.echo()
        yield "query-key", (200, echo + passed, False), (reply.status, seen.get("uri"), key in reply.body)
    yield "size of run", 100, Reply(plain + CALL + "run", token=key).size
    yield "size of big", 10240, Reply(plain + CALL + "big", token=key).size
    if https:
        secure = f"https://127.0.0.1:{https}{CALL}run"
        for name, options, version in [("h2", ["--http2"], "2"), ("h1", ["--http1.1"], "1.1")]:
            reply = Reply(secure, "--tlsv1.3", *options, token=key)
            yield f"tls {name}", (200, version, 100), (reply.status, reply.version, reply.size)
    if outbound:
        reply = Reply(plain + CALL + "tls", token=key)
        yield "upstream over TLS", (200, 100), (reply.status, reply.size)
        yield from calls(bench, peer, f"http://127.0.0.1:{outbound}")
    if bench.args.access_log:
        yield "access-log", "lines without a token", access_log(peer, key, bench.args.access_log)


def calls(bench, peer, door):
    """The same of outbound calls: the secret is in, the key is out, the provider is whom he says he is."""
    key, secret = bench.key, (CONF / "providers-secret").read_text()
    for connection in ("plain", "raw", "tls", "tlsraw"):
        sent = [Reply(f"{door}/c/{connection}/prod/workflows/echo/run?x=1", token=key) for _ in range(5)]
        seen = [reply.echo() for reply in sent]
        # What is echoed is reflected, and Keystile takes it out again.
        shown = "*" * len(secret) if peer == "keystile" and not connection.endswith("raw") else secret
        last = {name: seen[-1].get(name) for name in ("authorization", "apikey", "identity", "username", "uri", "protocol")}
        yield f"call {connection}: what the provider saw", {
            "authorization": f"Bearer {shown}", "apikey": "", "identity": "", "username": "",
            "uri": "/prod/workflows/echo/run?x=1", "protocol": "TLSv1.3" if connection.startswith("tls") else "",
        }, last
        yield f"call {connection}: token nowhere", False, any(key in reply.body for reply in sent)
        yield f"call {connection}: connections are kept", True, max(int(one.get("served", 0)) for one in seen) > 1
        sizes = [Reply(f"{door}/c/{connection}{CALL}{what}", token=key).size for what in ("run", "big", "chunked")]
        yield f"call {connection}: sizes", [100, 10240, 10240], sizes
    for name, path, token, expected in [
        ("bad key", "plain", bench.bad_key, (401,)), ("no key", "plain", None, (401,)), ("unknown", "none", key, (403, 404)),
        ("not permitted", "other", bench.g7_key, (403, 404)), ("permitted", "other", key, (200,)),
        ("g7", "plain", bench.g7_key, (200,)), ("nobody's certificate", "wrong", key, (502, 503)),
    ]:
        status = Reply(f"{door}/c/{path}{CALL}run", token=token).status
        yield f"call, {name}: one of {expected}", True, status in expected or status


def access_log(peer, key, kind):
    time.sleep(1.5)
    path = OUT / f"{peer}-access.log"
    if not path.exists() or not (text := path.read_text(errors="replace")).strip():
        return f"nothing in {path}"
    if kind == "record":
        # HAProxy notes there, too, what happens to itself.
        records = [json.loads(line) for line in text.split("\n") if line.startswith("{")]
        told = [record for record in records if record["status"] == 200 and RECORD <= {name for name in record if record[name] != ""}]
        if not told:
            return f"no record of a request that passed has all of {sorted(RECORD)}, as in {records[-1]}"
    return "a token" if key in text else "lines without a token"


def log_sink(path):
    """Takes HAProxy's log lines and writes them to a file, in large pieces."""
    with socket.create_server(("127.0.0.1", SINK_PORT)) as server, open(path, "wb") as out:
        while True:
            connection, _ = server.accept()
            while data := connection.recv(1 << 18):
                out.write(data)
                out.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--log-sink"]:
        log_sink(sys.argv[2])
    else:
        main()

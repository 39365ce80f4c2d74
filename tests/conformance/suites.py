"""One function a suite. Each takes a running server and gives what passed, what failed, and each failure's reproduction.

A suite whose tool is not to be had says so (`Missing`), and is shown as not run, never as passed.
"""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types
import xml.etree.ElementTree as xml

import framing as framing_runner
import servers
import strict

# How many of a proxy stand beside each other for `framing`.
LANES = 8


# What a server does otherwise on purpose: (suite, server, part of the case) and why. Told, and not counted as failed.
BY_DESIGN = {
    ("h2spec", "keystile", "h2c: http2/3.5"): "a door with h2c speaks HTTP/1.1 to whoever does not begin with the preface",
}


class Missing(Exception):
    """What there is to install, or to configure."""


def by_design(suite, server, case):
    return next((why for (of, name, part), why in BY_DESIGN.items() if (of, name) == (suite, server) and part in case), None)


def result(passed, failures, **more):
    return {"passed": passed, "failed": len(failures), "failures": failures, **more}


def tool(name, variable=None, hint=""):
    found = os.environ.get(variable or "") or shutil.which(name)
    if not found:
        raise Missing(f"{name} is not installed{hint}")
    return found


def shown(command):
    return " ".join(str(part) for part in command)


def framing(server, world):
    # Most of the time passes in waiting for proxies that wait for more; several of each wait at once.
    lanes = [(server, world.upstream)]
    for number in range(1, LANES):
        folder = world.folder / f"lane-{number}"
        folder.mkdir(exist_ok=True)
        beside = types.SimpleNamespace(**{**vars(world), "folder": folder, "upstream": strict.Upstream()})
        lanes.append((servers.start(server.name, beside), beside.upstream))
    try:
        counts, forwarded, failures = framing_runner.run(lanes, world.corpora)
    finally:
        for beside, _ in lanes[1:]:
            beside.stop()
    sent = sum(counted["sent"] for counted in counts.values())
    return result(sent - len(failures), failures, counts=counts, forwarded=forwarded)


def h2spec(server, world):
    binary = tool("h2spec", "H2SPEC", ": put it on PATH, or its path in H2SPEC")
    passed, failures = 0, []
    for door, extra in (("h2", ["-t", "-k"]), ("h2c", [])):
        report = world.folder / f"h2spec-{server.name}-{door}.xml"
        command = [binary, "-h", "127.0.0.1", "-p", server.ports[door], "-P", server.path(), "-S", "-o", "2", "-j", report, *extra]
        subprocess.run([str(part) for part in command], capture_output=True, timeout=900)
        for case in xml.parse(report).getroot().iter("testcase"):
            wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
            if wrong is None:
                passed += case.find("skipped") is None
                continue
            place = case.get("package", "")
            failures.append({"case": f"{door}: {place} {case.get('classname')}",
                             "why": " / ".join((wrong.text or wrong.get("message") or "").split("\n")),
                             "repeat": shown([*command[:-len(extra) or None], *extra, place.replace("http2/", "http2/")])})
    return result(passed, failures)


def h2load(server, world):
    """Honest heavy callers: every request is answered with 2xx, or it is a failure."""
    binary = tool("h2load", hint=": apt-get install nghttp2-client")
    passed, failures = 0, []
    headers = [part for field in server.headers for part in ("-H", field)]
    for scheme, door in (("https", "h2"), ("http", "h2c")):
        for streams, window in ((1, 30), (128, 30), (128, 16), (1000, 30)):
            url = f"{scheme}://127.0.0.1:{server.ports[door]}/spec"
            command = [binary, "-n", "10000", "-c", "4", "-m", str(streams), "-w", str(window), "-W", str(window), *headers, url]
            out = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
            if "10000 succeeded, 0 failed" in out and "10000 2xx" in out:
                passed += 1
            else:
                lines = [line for line in out.splitlines() if line.startswith(("requests:", "status codes:"))]
                repeat = shown(part if part not in server.headers else "'X-API-Key: …'" for part in command)
                failures.append({"case": f"{door}, {streams} streams", "why": "; ".join(lines), "repeat": repeat})
    return result(passed, failures)


def slowhttptest(server, world):
    """300 slow callers: others are answered all the while, and the slow ones are let go in the end."""
    binary = tool("slowhttptest", hint=": apt-get install slowhttptest")
    passed, failures = 0, []
    url = f"http://127.0.0.1:{server.ports['h1']}{server.path()}"
    for mode, options in (("slow heads", ["-H", "-i", "5"]), ("slow bodies", ["-B", "-i", "5", "-s", "8192"]),
                          ("slow readers", ["-X", "-w", "1", "-y", "8", "-n", "5", "-z", "1", "-k", "3"])):
        stem = world.folder / f"slow-{server.name}-{mode.replace(' ', '-')}"
        command = [binary, *options, "-c", "300", "-r", "200", "-l", "40", "-p", "3", "-u", url, "-g", "-o", stem]
        subprocess.run([str(part) for part in command], capture_output=True, timeout=120)
        rows = list(csv.DictReader(open(f"{stem}.csv")))
        columns = {name.strip().lower(): name for name in rows[0]} if rows else {}
        available = columns.get("service available")
        silent = [row for row in rows if available and row[available].strip() in ("0", "NO")]
        open_left = int(rows[-1][columns["connected"]]) if rows else -1
        if rows and not silent:
            passed += 1
        else:
            failures.append({"case": mode, "why": f"no answer in {len(silent)} of {len(rows)} seconds", "repeat": shown(command)})
        print(f"    {mode}: {open_left} of 300 still connected after {len(rows)} s", file=sys.stderr)
    return result(passed, failures)


def testssl(server, world):
    binary = tool("testssl", hint=": apt-get install testssl.sh")
    report = world.folder / f"testssl-{server.name}.json"
    report.unlink(missing_ok=True)
    # What depends on the certificate, which is our own here, is left out.
    command = [binary, "--quiet", "--color", "0", "--warnings", "off", "-p", "-s", "-f", "-U", "--jsonfile", report, f"127.0.0.1:{server.ports['h2']}"]
    subprocess.run([str(part) for part in command], capture_output=True, timeout=900, stdin=subprocess.DEVNULL)
    if not report.exists():
        raise Missing("testssl wrote no report")
    findings = json.loads(report.read_text())
    wrong = [f for f in findings if f["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL")]
    failures = [{"case": f["id"], "why": f"{f['severity']}: {f['finding']}", "repeat": shown(command)} for f in wrong]
    return result(sum(f["severity"] in ("OK", "INFO") for f in findings), failures)


def autobahn(server, world):
    """WebSocket through the proxy. `WSTEST` is the program of autobahntestsuite 0.8.2 (Python 2.7)."""
    if not world.websocket:
        raise Missing("wstest is not installed: autobahntestsuite 0.8.2, in Python 2.7; its path in WSTEST")
    if server.name == "keystile" and not server.websocket:
        raise Missing("Keystile knows no workflows[].upgrades yet")
    reports = world.folder / f"autobahn-{server.name}"
    spec = world.folder / f"autobahn-{server.name}.json"
    url = f"ws://127.0.0.1:{server.ports['h1']}{server.path('/socket/x')}"
    spec.write_text(json.dumps({"outdir": str(reports), "servers": [{"agent": server.name, "url": url}],
                                "cases": ["*"], "exclude-cases": ["9.*", "12.*", "13.*"]}))
    command = [os.environ["WSTEST"], "-m", "fuzzingclient", "-s", str(spec)]
    subprocess.run(command, capture_output=True, timeout=1800)
    cases = json.loads((reports / "index.json").read_text())[server.name]
    good = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")
    failures = [{"case": name, "why": case["behavior"], "repeat": shown(command)}
                for name, case in cases.items() if case["behavior"] not in good]
    return result(len(cases) - len(failures), failures)


ALL = {"framing": framing, "h2spec": h2spec, "h2load": h2load, "slowhttptest": slowhttptest, "testssl": testssl, "autobahn": autobahn}


def echo_server(port, folder):
    """The WebSocket server behind the proxies; None where there is no wstest."""
    binary = os.environ.get("WSTEST")
    if not binary:
        return None
    log = open(pathlib.Path(folder) / "echo.log", "wb")
    return subprocess.Popen([binary, "-m", "echoserver", "-w", f"ws://127.0.0.1:{port}"], stdout=log, stderr=log)

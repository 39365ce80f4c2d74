"""curl, as people use it."""

import json
import subprocess
import tempfile
from pathlib import Path

from checks import CA, PLAIN, SIZES, TLS, TOKEN, check_digest, content, run, same, sha256

scratch = tempfile.TemporaryDirectory(prefix="keystile-curl-")
work = Path(scratch.name)
KEY = f"Authorization: Key={TOKEN}"


def curl(*words, body=None, ok=True):
    command = ["curl", "-sS", "--max-time", "30", "--cacert", CA, "-H", KEY, *words]
    done = subprocess.run(command, input=body, capture_output=True)
    if ok and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.decode()}")
    return done.stdout


def file_of(size):
    path = work / str(size)
    path.write_bytes(content(size))
    return path


def bodies_are_the_same_in_every_version():
    for version, base in [("--http1.1", PLAIN), ("--http1.0", PLAIN), ("--http1.1", TLS), ("--http2", TLS)]:
        for size in SIZES:
            same(f"{version} {base} {size}", sha256(curl(version, f"{base}/file/{size}")), sha256(content(size)))
    same("HTTP/2", curl("--http2", "-o", "/dev/null", "-w", "%{http_version}", f"{TLS}/file/1"), b"2")


def uploads_arrive_whole():
    for version, base in [("--http1.1", PLAIN), ("--http1.1", TLS), ("--http2", TLS)]:
        for size in SIZES:
            sent = f"@{file_of(size)}"
            said = curl(version, "--data-binary", sent, f"{base}/digest/1")
            check_digest(f"{version} {size}", json.loads(said), content(size), chunked=False)
            if version == "--http1.1":
                said = curl(version, "-H", "Transfer-Encoding: chunked", "--data-binary", sent, f"{base}/digest/1")
                check_digest(f"chunked {size}", json.loads(said), content(size))
    said = curl("-T", "-", f"{PLAIN}/digest/1", body=content(300_000))
    check_digest("from standard input", json.loads(said), content(300_000), chunked=True)


def an_upload_waits_for_100_continue():
    sent = f"@{file_of(1_000_003)}"
    words = ["-v", "--expect100-timeout", "20", "-H", "Expect: 100-continue", "--data-binary", sent]
    command = ["curl", "-sS", "--max-time", "10", "-H", KEY, *words, f"{PLAIN}/digest/1"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert b"< HTTP/1.1 100 Continue" in done.stderr, done.stderr.decode()
    check_digest("after 100", json.loads(done.stdout), content(1_000_003))
    refused = [word.replace(TOKEN, "kst_nobodys") for word in command]
    done = subprocess.run(refused, capture_output=True, check=True)
    assert b" 100 Continue" not in done.stderr and b"< HTTP/1.1 401" in done.stderr, done.stderr.decode()


def head_ranges_conditions_and_resumed_downloads():
    for version, base in [("--http1.1", PLAIN), ("--http2", TLS)]:
        said = curl(version, "-I", f"{base}/file/1000003").lower()
        assert b"content-length: 1000003\r\n" in said, said
        same("a range", curl(version, "-r", "100-199", f"{base}/file/1000"), content(1000)[100:200])
        status = curl(version, "-o", "/dev/null", "-w", "%{http_code}", "-H", 'If-None-Match: "1000"', f"{base}/file/1000")
        same("a condition", status, b"304")
        part = work / "part"
        part.write_bytes(content(1_000_003)[:400_000])
        curl(version, "-C", "-", "-o", str(part), f"{base}/file/1000003")
        same("resumed", sha256(part.read_bytes()), sha256(content(1_000_003)))


def connections_are_kept():
    for version, base in [("--http1.1", PLAIN), ("--http1.1", TLS), ("--http2", TLS)]:
        words = [word for n in range(5) for word in ("-o", "/dev/null", f"{base}/file/{n}")]
        same(f"{version} {base}", curl(version, "-w", "%{num_connects}", *words), b"10000")


def a_refusal_says_why_and_keeps_the_connection():
    words = ["-o", "/dev/null", f"{PLAIN}/nowhere", "-o", "/dev/null", f"{PLAIN}/file/1"]
    same("refused, then passed", curl("-w", "%{http_code} %{num_connects};", *words), b"404 1;200 0;")
    problem = json.loads(curl("--fail-with-body", f"{PLAIN}/nowhere", ok=False))
    same("code", problem["code"], "workflow_not_found")


run(
    bodies_are_the_same_in_every_version,
    uploads_arrive_whole,
    an_upload_waits_for_100_continue,
    head_ranges_conditions_and_resumed_downloads,
    connections_are_kept,
    a_refusal_says_why_and_keeps_the_connection,
)

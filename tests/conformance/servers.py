"""Keystile, nginx and HAProxy in front of the same upstream, each with its doors: `h1`, `h2` (TLS), `h2c` (clear)."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]


class Server:
    """A proxy that runs; ends with `stop`."""

    def __init__(self, name, command, ports, folder, environment=None, query="", headers=()):
        self.name, self.ports, self.query, self.headers = name, ports, query, list(headers)
        self.log = open(folder / f"{name}.log", "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, cwd=folder,
                                        env={**os.environ, **(environment or {})})
        for port in ports.values():
            self.wait_for(port)

    def wait_for(self, port):
        for _ in range(100):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} did not start: see {self.log.name}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{self.name} does not listen on {port}: see {self.log.name}")

    def path(self, path="/spec"):
        return path + self.query

    def resident(self):
        """KiB of memory of the process and its children."""
        total = 0
        for pid in [self.process.pid, *children(self.process.pid)]:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def children(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(folder):
    if not (folder / "cert.pem").exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", "key.pem", "-out", "cert.pem", "-days", "30", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                       cwd=folder, check=True, capture_output=True)
        (folder / "both.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())


def start(name, world):
    certificate(world.folder)
    ports = {"h1": free_port(), "h2": free_port(), "h2c": free_port()}
    return {"keystile": keystile, "nginx": nginx, "haproxy": haproxy}[name](ports, world)


def keystile(ports, world):
    made = subprocess.run([world.binary, "--output", "json", "keys", "generate"], capture_output=True, check=True).stdout
    made = json.loads(made)

    def write(websocket):
        config = keystile_config(ports, world.upstream.port, websocket, made["digest"])
        (world.folder / "keystile.yaml").write_text(json.dumps(config, indent=1))

    websocket = world.websocket
    write(websocket)
    check = [world.binary, "check", "--config", "keystile.yaml"]
    if websocket and subprocess.run(check, cwd=world.folder, capture_output=True).returncode != 0:
        # A Keystile that knows no upgrades yet.
        websocket = None
        write(websocket)
    server = Server("keystile", [world.binary, "serve", "--config", "keystile.yaml"], ports, world.folder,
                    query=f"?auth-key={made['token']}", headers=[f"X-API-Key: {made['token']}"])
    server.websocket = websocket
    return server


def keystile_config(ports, upstream, websocket, digest):
    """As JSON, which is YAML too."""
    workflows = [{"name": f"all-{method.lower()}", "template": f"{method} /{{rest...}}",
                  "upstream": {"Production": "upstream"}} for method in METHODS]
    connections = [{"name": "upstream", "base_url": f"http://127.0.0.1:{upstream}"}]
    if websocket:
        workflows.append({"name": "socket", "template": "GET /socket/{rest...}", "upgrades": ["websocket"],
                          "upstream": {"Production": "socket"}})
        connections.append({"name": "socket", "base_url": f"http://127.0.0.1:{websocket}"})
    tls = {"certificate": "cert.pem", "key": "key.pem"}
    return {
        "workers": 1,
        "log": {"access": "file:access.log"},
        "allow_networks": ["127.0.0.0/8"],
        "listeners": {
            "admin": {"address": "127.0.0.1:0"},
            "inbound": [{"address": f"127.0.0.1:{ports['h1']}"},
                        {"address": f"127.0.0.1:{ports['h2']}", "tls": tls},
                        {"address": f"127.0.0.1:{ports['h2c']}", "h2c": True}],
        },
        "environments": [{"name": "Production", "default": True}],
        "connections": connections,
        "workflows": workflows,
        "keys": [{"name": "suite", "primary": digest, "workflows": "all"}],
    }


def nginx(ports, world):
    folder, upstream, websocket = world.folder, world.upstream.port, world.websocket
    socket_place = "" if not websocket else f"""
    location /socket/ {{ proxy_pass http://127.0.0.1:{websocket}; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}"""
    (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-f; uwsgi_temp_path {folder}/nginx-u; scgi_temp_path {folder}/nginx-s;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{ports['h1']}; listen 127.0.0.1:{ports['h2']} ssl http2; listen 127.0.0.1:{ports['h2c']} http2;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }}{socket_place}
  }}
}}
""")
    command = ["nginx", "-e", f"{folder}/nginx-error.log", "-c", f"{folder}/nginx.conf"]
    return Server("nginx", command, ports, folder)


def haproxy(ports, world):
    folder, upstream, websocket = world.folder, world.upstream.port, world.websocket
    (folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
defaults
  mode http
  timeout connect 3s
  timeout client 30s
  timeout server 30s
  timeout http-request 10s
frontend front
  bind 127.0.0.1:{ports['h1']}
  bind 127.0.0.1:{ports['h2']} ssl crt {folder}/both.pem alpn h2,http/1.1
  bind 127.0.0.1:{ports['h2c']} proto h2
  use_backend socket if {{ path_beg /socket/ }}
  default_backend up
backend up
  http-reuse always
  server up 127.0.0.1:{upstream}
backend socket
  # The echo server insists on its own name; the others send it by themselves.
  http-request set-header Host 127.0.0.1:{websocket or upstream}
  server socket 127.0.0.1:{websocket or upstream}
""")
    return Server("haproxy", ["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"], ports, folder)


def installed(name):
    return name == "keystile" or shutil.which(name) is not None

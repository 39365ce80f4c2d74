#!/usr/bin/env python3
"""Writes every configuration of the benchmark: gen.py [NUMBER OF KEYS, 10000 by default].

Everything goes to $BENCH_WORK/conf (by default keystile-bench below the system's temporary directory) and is the same
at every run, but for the certificate. All proxies know the same keys and do the same work. Keystile's configuration
holds digests: they come from the Python package `blake3`, or else from `$KEYSTILE keys digest`, which is slow.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import zlib

WORK = pathlib.Path(os.environ.get("BENCH_WORK") or pathlib.Path(tempfile.gettempdir(), "keystile-bench"))
CONF = WORK / "conf"
OUT = WORK / "out"

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
UPSTREAM = "127.0.0.1:9100"
UPSTREAM_TLS = "127.0.0.1:9102"  # called localhost, with a certificate of the authority that everybody trusts
UPSTREAM_WRONG = "127.0.0.1:9103"  # with a certificate of nobody's: whoever verifies does not talk to it
SECRET = "upstream-secret"
PROVIDERS_SECRET = "prv_live_9fK2mQ7xWb4TzR8cLhN3vYpD6sJ1"  # of a usual length: what it costs to look for one depends on that
RATE = 100_000  # per key and second: the limiter works, and refuses nobody
LOG_SINK = "127.0.0.1:9310"  # HAProxy cannot write a log file; bench.py listens there and does
CALL = "/prod/workflows/wf-1234/"
TOLD = "/prod/workflows/told-1234/"  # here everybody refuses as Keystile does: with a problem document of RFC 9457
# Connections of the outbound door, /c/NAME/PATH: to whom. g4-g7 may use all but `other`.
CONNECTIONS = {
    "plain": UPSTREAM, "raw": UPSTREAM, "other": UPSTREAM,
    "tls": UPSTREAM_TLS, "tlsraw": UPSTREAM_TLS, "wrong": UPSTREAM_WRONG,
}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for folder in (CONF, OUT, CONF / "www"):
        folder.mkdir(parents=True, exist_ok=True)
    keys = make_keys(count)
    write("keys.txt", "".join(f"{token} {name} {group}\n" for token, name, group in keys))
    digested = digests(keys)
    certificate()
    authority()
    upstream()
    for threads in (1, 2):
        for suffix, logging in (("", None), ("-log", "usual"), ("-record", "record")):
            write(f"nginx{threads}{suffix}.conf", nginx(threads, logging))
            write(f"haproxy{threads}{suffix}.cfg", haproxy(threads, logging))
            write(f"keystile{threads}{suffix}.yaml", keystile(threads, logging, keys, digested))
    write("nginx-keys.map", "".join(f"{token} {name}-{group};\n" for token, name, group in keys))
    write("haproxy-keys.map", "".join(f"{token} {name}-{group}\n" for token, name, group in keys))
    # Caddy's map is a linear scan: ten thousand keys would be hopeless, so it is given a thousand.
    write("Caddyfile", caddy(keys[:1000]))
    load_scripts(keys)
    write("first.key", keys[0][0])
    write("g7.key", keys[7][0])
    write("bad.key", unknown(keys[0][0]))


def write(name, text):
    (CONF / name).write_text(text)


def make_keys(count):
    """(token, name, group): the tokens are well-formed, as Keystile makes them, checksum included."""
    rnd = random.Random(7)
    tokens = (checksummed("kst_" + "".join(rnd.choices(BASE62, k=43))) for _ in range(count))
    return [(token, f"u{i:05}", f"g{i % 8}") for i, token in enumerate(tokens)]


def checksummed(head):
    number, tail = zlib.crc32(head.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        tail = BASE62[digit] + tail
    return head + tail


def unknown(token):
    """A well-formed token that nobody has: refusing it takes the look-up."""
    return checksummed("kst_bad" + token[7:47])


def certificate():
    if (CONF / "both.pem").exists():
        return
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", CONF / "key.pem", "-out", CONF / "cert.pem"],
        check=True, stderr=subprocess.DEVNULL)
    write("both.pem", (CONF / "cert.pem").read_text() + (CONF / "key.pem").read_text())


def authority():
    """A private authority, and the certificate that it gave the upstream: proxies verify it, as they would a provider's."""
    if (CONF / "upstream.pem").exists():
        return

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, stderr=subprocess.DEVNULL, cwd=CONF)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "3650", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "upstream.key", "-out", "upstream.csr")
    write("upstream.ext", "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "upstream.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650",
            "-extfile", "upstream.ext", "-out", "upstream.pem")


def upstream():
    """The fast upstream: 100 bytes at …/run, 10 KiB at …/big and …/chunked; …/echo/run tells what the proxy sent."""
    write("www/big", "z" * 10240)
    # Events as models send them. SSI has nothing to replace, but nginx does not know that, and sends chunks.
    event = 'data: {"id":"chatcmpl-9xK2","choices":[{"index":0,"delta":{"content":"The quick brown"}}]}\n\n'
    write("www/chunked", (event * 128)[:10240])
    seen = "".join(f"{name}=${variable}\\n" for name, variable in [
        ("apikey", "http_x_api_key"), ("identity", "http_x_keystile_identity"),
        ("username", "http_x_keystile_username"), ("authorization", "http_authorization"),
        ("length", "http_content_length"), ("uri", "request_uri"), ("scheme", "scheme"),
        ("protocol", "ssl_protocol"), ("served", "connection_requests")])
    write("upstream.conf", f"""worker_processes 1; daemon off; pid {OUT}/upstream.pid; error_log {OUT}/upstream.err warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; tcp_nodelay on; default_type text/plain;
  large_client_header_buffers 4 32k; client_body_buffer_size 32k;
  server {{
    listen {UPSTREAM} backlog=4096 reuseport;
    listen {UPSTREAM_TLS} ssl backlog=4096 reuseport;
    ssl_certificate {CONF}/upstream.pem; ssl_certificate_key {CONF}/upstream.key; ssl_protocols TLSv1.3;
    open_file_cache max=16;
    location ~ /big$ {{ alias {CONF}/www/big; }}
    location ~ /chunked$ {{ alias {CONF}/www/chunked; ssi on; ssi_types *; }}
    location / {{ return 200 "{'x' * 99}y"; }}
    location /prod/workflows/echo/run {{ return 200 "{seen}"; }}
  }}
  server {{
    listen {UPSTREAM_WRONG} ssl;
    ssl_certificate {CONF}/cert.pem; ssl_certificate_key {CONF}/key.pem;
    location / {{ return 200 "nobody should read this"; }}
  }}
}}
""")


def nginx(workers, logging):
    reuse = " reuseport" if workers > 1 else ""
    log = f"access_log {OUT}/nginx-access.log {logging} buffer=64k flush=1s" if logging else "access_log off"
    kept = "keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 3600s;"
    verified = (f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {CONF}/ca.pem; proxy_ssl_server_name on; "
                "proxy_ssl_name localhost; proxy_ssl_protocols TLSv1.3;")
    inbound = f"""if ($ident = "") {{ return 401 "unauthorized\\n"; }}
      if ($allowed = 0) {{ return 403 "forbidden\\n"; }}
      # the key in the URL goes; after the look-up above, which remembers what it found
      if ($args ~ "^auth-key=[^&]*&?(.*)$") {{ set $args $1; }}
      if ($args ~ "^(.*)&auth-key=[^&]*(.*)$") {{ set $args $1$2; }}
      limit_req zone=k burst={RATE} nodelay;
      proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header Authorization "";
      proxy_set_header X-API-Key {SECRET}; proxy_set_header X-Keystile-Identity $ident;
      proxy_buffer_size 16k; proxy_buffers 8 16k;"""
    pools = {UPSTREAM: "http://up", UPSTREAM_TLS: "https://up_tls", UPSTREAM_WRONG: "https://up_wrong"}
    calls = "".join(f"    location /c/{name}/ {{ proxy_pass {pools[to]}/; }}\n" for name, to in CONNECTIONS.items())
    told = " ".join(f"add_header {name} '{value}' always;" for name, value in refusal("$request_id")[0])
    return f"""worker_processes {workers}; daemon off; pid {OUT}/nginx-proxy.pid; error_log {OUT}/nginx-proxy.err warn;
worker_rlimit_nofile 65536; pcre_jit on;
events {{ worker_connections 8192; }}
http {{
  log_format usual '$time_iso8601 $remote_addr $ident $request_method $uri $status $bytes_sent $request_time';
  log_format record escape=json '{{"time":"$time_iso8601","request_id":"$request_id","listener":"$server_port",'
    '"address":"$remote_addr","protocol":"$server_protocol","method":"$request_method","path":"$uri","key":"$ident",'
    '"status":$status,"bytes_in":$request_length,"bytes_out":$bytes_sent,"duration":$request_time,'
    '"upstream":"$upstream_header_time","end":"$request_completion","user_agent":"$http_user_agent"}}';
  {log}; keepalive_requests 1000000000; keepalive_timeout 3600s; tcp_nodelay on; default_type text/plain;
  map_hash_max_size 65536; map_hash_bucket_size 512; client_body_buffer_size 32k;
  map $http_authorization $tok {{ default $query_key; "~^Key=(?<t>.+)$" $t; }}
  # ?auth-key=: nginx variables cannot hold '-', so it is taken by a regex
  map $args $query_key {{ default ""; "~(?:^|&)auth-key=(?<q>[^&]+)" $q; }}
  map $tok $ident {{ default ""; include {CONF}/nginx-keys.map; }}
  map "$ident$uri" $allowed {{ default 0;
     "~-g[0-3]/(prod|staging)/workflows/[^/]+/(run|big|tls|cancel)$" 1;
     "~-g[4-7]/prod/workflows/[^/]+/(run|big|tls)$" 1; }}
  limit_req_zone $ident zone=k:16m rate={RATE}r/s;
  limit_req_status 429;
  map "$ident$uri" $callable {{ default 0;
     "~-g[0-3]/c/({'|'.join(CONNECTIONS)})/" 1;
     "~-g[4-7]/c/({'|'.join(name for name in CONNECTIONS if name != 'other')})/" 1; }}
  upstream up {{ server {UPSTREAM}; {kept} }}
  upstream up_tls {{ server {UPSTREAM_TLS}; {kept} }}
  upstream up_wrong {{ server {UPSTREAM_WRONG}; {kept} }}
  server {{
    listen 127.0.0.1:9201 backlog=4096{reuse};
    listen 127.0.0.1:9202 ssl http2 backlog=4096{reuse};
    ssl_certificate {CONF}/cert.pem; ssl_certificate_key {CONF}/key.pem; ssl_protocols TLSv1.3;
    http2_max_concurrent_streams 256;
    location / {{
      {inbound}
      proxy_pass http://up;
    }}
    location ~ /tls$ {{
      {inbound}
      {verified}
      proxy_pass https://up_tls;
    }}
    location ^~ {TOLD[:-5]} {{
      default_type application/problem+json; {told}
      if ($ident = "") {{ return 401 '{refusal("$request_id")[1]}'; }}
      return 404 "nothing is here\\n";
    }}
  }}
  server {{
    listen 127.0.0.1:9204 backlog=4096{reuse};
    if ($ident = "") {{ return 401 "unauthorized\\n"; }}
    if ($callable = 0) {{ return 404 "not found\\n"; }}
    limit_req zone=k burst={RATE} nodelay;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $proxy_host;
    proxy_set_header Authorization "Bearer {PROVIDERS_SECRET}";
    proxy_buffer_size 16k; proxy_buffers 8 16k;
    {verified}
{calls}  }}
}}
"""


def refusal(request_id):
    """What Keystile answers to a key that nobody has, for those who have to be told: fields, and body."""
    code, title = "invalid_key", "The key is not valid"
    hint = ("check that the whole token was copied, without white space or quotes, that it belongs to this gateway and that it "
            "was not regenerated")
    fields = [("Cache-Control", "no-store"), ("X-Error", code), ("X-Request-Id", request_id),
              ("WWW-Authenticate", 'Key realm="keystile"'), ("WWW-Authenticate", 'Bearer realm="keystile"')]
    return fields, json.dumps(dict(
        type=f"urn:keystile:error:{code}", title=title, status=401, code=code, detail=title, hint=hint,
        instance=f"urn:uuid:{request_id}", request_id=request_id), separators=(",", ":"))


def haproxy(threads, logging):
    # The ring is HAProxy's buffered log: requests put lines into it, one connection empties it.
    ring = f"""ring access
  format raw
  maxlen 1024
  size 4194304
  timeout connect 5s
  timeout server 60s
  server sink {LOG_SINK}
""" if logging else ""
    target = "log ring@access local0 info" if logging else "no log"
    lines = {
        "usual": "%[date,utime(%Y-%m-%dT%H:%M:%SZ)] %ci %[var(txn.ident)] %HM %HPO %ST %B %Ta",
        "record": '{"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","request_id":"%ID","listener":"%fp","address":"%ci",'
                  '"protocol":"%HV","method":"%HM","path":"%[var(txn.path),json]","key":"%[var(txn.ident),json]",'
                  '"status":%ST,"bytes_in":%U,"bytes_out":%B,"duration":"%Ta","upstream":"%Tr","end":"%ts",'
                  '"user_agent":"%[capture.req.hdr(0),json]"}',
    }
    line = f"log global\n  log-format '{lines[logging]}'" if logging else "no log"
    noted = """  unique-id-format %[uuid]
  capture request header User-Agent len 128
  http-request set-var(txn.path) path
""" if logging == "record" else ""
    told, body = refusal("%[var(txn.id)]")
    fields = " ".join(f"hdr {name} '{value}'" for name, value in told)
    known = f"""  http-request set-var(txn.tok) req.hdr(authorization),word(2,=) if {{ req.hdr(authorization) -m beg Key= }}
  http-request set-var(txn.tok) url_param(auth-key) if !{{ var(txn.tok) -m found }}
  http-request set-var(txn.ident) var(txn.tok),map_str({CONF}/haproxy-keys.map)
  acl known var(txn.ident) -m found
  http-request set-var(txn.id) uuid if !known {{ path_beg {TOLD[:-5]} }}
  http-request return status 401 content-type application/problem+json lf-string '{body}' {fields} if !known {{ var(txn.id) -m found }}
  http-request return status 401 content-type text/plain string "unauthorized" unless known"""
    limited = f"""  http-request track-sc0 var(txn.ident) table st
  http-request return status 429 content-type text/plain string "slow down" if {{ sc0_http_req_rate(st) gt {RATE} }}"""
    verified = f"ssl verify required ca-file {CONF}/ca.pem sni str(localhost) ssl-min-ver TLSv1.3 pool-max-conn 1024"
    return f"""global
  nbthread {threads}
  maxconn 8000
  tune.maxpollevents 200
  {target}
  ssl-default-bind-options ssl-min-ver TLSv1.3
{ring}defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  {line}
  http-reuse always
backend st
  stick-table type string len 40 size 20k expire 60s store http_req_rate(1s)
frontend fe
  bind 127.0.0.1:9301 backlog 4096
  bind 127.0.0.1:9302 ssl crt {CONF}/both.pem alpn h2,http/1.1 backlog 4096
{noted}{known}
  http-request set-var-fmt(txn.ck) "%[var(txn.ident)]%[path]"
  acl ok1 var(txn.ck) -m reg -- -g[0-3]/(prod|staging)/workflows/[^/]+/(run|big|tls|cancel)$
  acl ok2 var(txn.ck) -m reg -- -g[4-7]/prod/workflows/[^/]+/(run|big|tls)$
  http-request return status 403 content-type text/plain string "forbidden" unless ok1 or ok2
{limited}
  http-request del-header authorization
  acl query_key url_param(auth-key) -m found
  http-request replace-uri ^([^?]*)[?]auth-key=[^&]*$ \\1 if query_key
  http-request replace-uri ^([^?]*[?])auth-key=[^&]*&(.*)$ \\1\\2 if query_key
  http-request replace-uri ^([^?]*[?].*)&auth-key=[^&]*(.*)$ \\1\\2 if query_key
  http-request set-header X-API-Key {SECRET}
  http-request set-header X-Keystile-Identity %[var(txn.ident)]
  use_backend up_tls if {{ path_end /tls }}
  default_backend up
frontend calls
  bind 127.0.0.1:9304 backlog 4096
{noted}{known}
  http-request set-var-fmt(txn.ck) "%[var(txn.ident)]%[path]"
  acl ok1 var(txn.ck) -m reg -- -g[0-3]/c/({'|'.join(CONNECTIONS)})/
  acl ok2 var(txn.ck) -m reg -- -g[4-7]/c/({'|'.join(name for name in CONNECTIONS if name != 'other')})/
  http-request return status 404 content-type text/plain string "not found" unless ok1 or ok2
{limited}
  http-request set-var(txn.called) path,field(3,/)
  http-request replace-path ^/c/[^/]+(/.*)$ \\1
  http-request set-header Authorization "Bearer {PROVIDERS_SECRET}"
  http-request set-header Host localhost
  use_backend up_tls if {{ var(txn.called) -m str tls tlsraw }}
  use_backend up_wrong if {{ var(txn.called) -m str wrong }}
  default_backend up
backend up
  server s1 {UPSTREAM} pool-max-conn 1024
backend up_tls
  server s1 {UPSTREAM_TLS} {verified}
backend up_wrong
  server s1 {UPSTREAM_WRONG} {verified}
"""


def keystile(workers, logging, keys, digested):
    for name, secret in (("upstream-secret", SECRET), ("providers-secret", PROVIDERS_SECRET)):
        write(name, secret)
        (CONF / name).chmod(0o600)
    routes = [(environment, action, method)
              for environment in ("prod", "staging")
              for action, method in (("run", "GET"), ("run", "POST"), ("big", "GET"), ("tls", "GET"), ("cancel", "GET"))]
    named = [(f"{environment}-{action}" + ("-post" if method == "POST" else ""), environment, action, method)
             for environment, action, method in routes]
    all_workflows = ", ".join(name for name, *_ in named)
    few_workflows = ", ".join(name for name, environment, action, _ in named
                              if environment == "prod" and action != "cancel")
    all_calls = ", ".join(CONNECTIONS)
    few_calls = ", ".join(name for name in CONNECTIONS if name != "other")
    access = f"file:{OUT}/keystile-access.log" if logging else "off"
    own = ["inject: { header: X-API-Key }", "secret: file:upstream-secret"]
    providers = ['inject: { header: Authorization, value: "Bearer {secret}" }', "secret: file:providers-secret"]
    connections = connection("upstream", UPSTREAM, *own) + connection("upstream-tls", UPSTREAM_TLS, *own)
    for name, to in CONNECTIONS.items():
        connections += connection(name, to, *providers, *["scrub: false"] * name.endswith("raw"))
    workflows = "".join(
        f'  - {{ name: {name}, template: "{method} /{environment}/workflows/{{id}}/{action}", '
        f"upstream: {{ Production: upstream{'-tls' if action == 'tls' else ''} }} }}\n"
        for name, environment, action, method in named)
    records = "".join(
        f"  - {{ name: {name}-{group}, primary: {digest}, "
        f"workflows: [{all_workflows if group < 'g4' else few_workflows}], "
        f"connections: [{all_calls if group < 'g4' else few_calls}], rate_limit: {RATE}/s }}\n"
        for (_, name, group), digest in zip(keys, digested))
    return f"""workers: {workers}
log: {{ format: json, access: "{access}" }}
listeners:
  inbound:
    - address: 127.0.0.1:9801
      # The upstream's own slot is X-API-Key: what callers send there is no credential but is replaced.
      credentials: {{ header: false }}
    - address: 127.0.0.1:9802
      credentials: {{ header: false }}
      tls: {{ certificate: cert.pem, key: key.pem }}
  outbound:
    - address: 127.0.0.1:9804
      credentials: {{ header: false }}
  admin:
    address: 127.0.0.1:9803
environments:
  - {{ name: Production, default: true }}
connections:
{connections}workflows:
{workflows}keys:
{records}"""


def connection(name, to, *more):
    """HTTP/1.1 to everybody, for that is what all the proxies speak to upstreams."""
    lines = [f"name: {name}", "environment: Production", "allow_networks: [127.0.0.0/8]"]
    if to == UPSTREAM:
        lines.append(f"base_url: http://{to}")
    else:
        lines += [f"base_url: https://localhost:{to.partition(':')[2]}", f"addresses: ['{to}']", "http: '1.1'",
                  "tls: { ca: ca.pem }"]
    return "  - " + "\n    ".join([*lines, *more]) + "\n"


def digests(keys):
    try:
        from blake3 import blake3
    except ImportError:
        binary = os.environ.get("KEYSTILE")
        if not binary:
            sys.exit("gen.py needs the Python package blake3 (benches/setup installs it), or KEYSTILE=PATH")
        return [ask_keystile(binary, token) for token, *_ in keys]
    return ["blake3:" + blake3(token.encode()).hexdigest() for token, *_ in keys]


def ask_keystile(binary, token):
    done = subprocess.run([binary, "keys", "digest", "-o", "json"], input=token, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["digest"]


def caddy(keys):
    """Caddy's standard build has no rate limiter, and this map has no groups: it does less than the others."""
    table = "".join(f"    Key={token} {name}-{group}\n" for token, name, group in keys)
    return ("{\n  admin off\n  auto_https off\n}\n(work) {\n  map {header.Authorization} {ident} {\n" + table
            + """    default ""
  }
  @noauth expression `{ident} == ""`
  handle @noauth {
    respond "unauthorized" 401
  }
  @ok path_regexp ^/(prod|staging)/workflows/[^/]+/(run|big)$
  handle @ok {
    reverse_proxy """ + UPSTREAM + """ {
      header_up -Authorization
      header_up X-API-Key """ + SECRET + """
      header_up X-Keystile-Identity {ident}
      transport http {
        keepalive_idle_conns 512
        keepalive_idle_conns_per_host 512
      }
    }
  }
  respond "forbidden" 403
}
http://127.0.0.1:9401 {
  import work
}
""" + f"https://127.0.0.1:9402 {{\n  tls {CONF}/cert.pem {CONF}/key.pem\n  import work\n}}\n")


LUA = """local keys = {%(keys)s}
local requests, i = {}, 0
local headers = {['User-Agent'] = 'bench/1.0', ['Accept'] = 'application/json'%(more)s}
function init(args)
  for n, key in ipairs(keys) do
    headers['Authorization'] = 'Key=' .. key
    requests[n] = wrk.format('%(method)s', '%(path)s', headers%(body)s)
  end
end
function request()
  i = i + 1
  if i > #requests then i = 1 end
  return requests[i]
end
function done(s, l, r)
  local e = s.errors
  io.write(string.format('RESULT reqs=%%d dur_us=%%d p50=%%.1f p99=%%.1f p999=%%.1f errs=%%d status=%%d\\n', s.requests,
    s.duration, l:percentile(50), l:percentile(99), l:percentile(99.9), e.connect + e.read + e.write + e.timeout, e.status))
end
"""


def load_scripts(keys):
    """For wrk: requests with 500 different keys are formatted beforehand, so that one costs a Lua call and no more."""
    known = [token for token, *_ in keys[:1000:2]]

    def script(name, method, path, tokens=known, more="", body=""):
        listed = ",".join(f'"{token}"' for token in tokens)
        write(name, LUA % dict(keys=listed, method=method, path=path, more=more, body=body))

    script("get.lua", "GET", CALL + "run")
    script("gettls.lua", "GET", CALL + "tls")
    for name in CONNECTIONS:
        for action in ("run", "big", "chunked"):
            script(f"call-{name}-{action}.lua", "GET", f"/c/{name}{CALL}{action}")
    script("big.lua", "GET", CALL + "big")
    script("post.lua", "POST", CALL + "run", more=", ['Content-Type'] = 'application/json'", body=", string.rep('b', 1024)")
    script("bad.lua", "GET", CALL + "run", tokens=[unknown(token) for token in known])
    script("told.lua", "GET", TOLD + "run", tokens=[unknown(token) for token in known])
    script("close.lua", "GET", CALL + "run", more=", ['Connection'] = 'close'")


if __name__ == "__main__":
    main()

"""The peers: one nginx, and two of them joined by mutual TLS 1.3, which is what a pair of sidecars does to a call.

Both keep connections to what is behind them open, both verify each other, and they add the fields that a proxy adds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from rounds import Contender
from stage import Stage, free_port

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
ONE = "nginx"
PAIR = "nginx-mtls-pair"
BODY = "0123456789abcdef" * 8  # 128 bytes

PROXY = """
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
"""
# With its buffering off, nginx reads in pieces of one buffer: a page, unless told. 64 KiB make it much faster.
STREAMED = """
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
    client_body_buffer_size 64k;
    client_max_body_size 0;
"""


def backend(stage: Stage) -> int:
    """An nginx that answers everything with 128 bytes; returns its port."""
    port = free_port()
    run(
        stage,
        "backend",
        f"""
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type text/plain;
    location / {{ return 200 "{BODY}"; }}
  }}""",
        measured=False,
    )
    stage.wait_for(port)
    return port


def one(stage: Stage, behind: int, *, streamed: bool = False) -> Contender:
    """One reverse proxy. Streamed: with its buffering of bodies off."""
    port = free_port()
    pid = run(stage, "one", proxy(f"127.0.0.1:{port}", "http", behind, STREAMED if streamed else ""))
    stage.wait_for(port)
    return Contender(ONE, f"http://127.0.0.1:{port}/", (pid,))


def pair(stage: Stage, behind: int, *, streamed: bool = False) -> Contender:
    """The caller's proxy and the callee's, with mutual TLS between them."""
    certificates(stage.folder)
    outer, inner = free_port(), free_port()
    more = STREAMED if streamed else ""
    inbound = f"""
    ssl_certificate {stage.folder}/api.crt;
    ssl_certificate_key {stage.folder}/api.key;
    ssl_client_certificate {stage.folder}/ca.crt;
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    proxy_set_header X-Peer $ssl_client_s_dn;
"""
    outbound = f"""
    proxy_ssl_certificate {stage.folder}/web.crt;
    proxy_ssl_certificate_key {stage.folder}/web.key;
    proxy_ssl_trusted_certificate {stage.folder}/ca.crt;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_verify on;
    proxy_ssl_name api;
    proxy_ssl_server_name on;
"""
    pids = (
        run(stage, "inbound", proxy(f"127.0.0.1:{inner} ssl", "http", behind, inbound + more)),
        run(stage, "outbound", proxy(f"127.0.0.1:{outer}", "https", inner, outbound + more)),
    )
    stage.wait_for(inner)
    stage.wait_for(outer)
    return Contender(PAIR, f"http://127.0.0.1:{outer}/", pids)


def proxy(listen: str, scheme: str, behind: int, more: str) -> str:
    address, *options = listen.split()
    return f"""
  upstream behind {{
    server 127.0.0.1:{behind};
    keepalive 256;
    keepalive_requests 100000000;
  }}
  server {{
    listen {" ".join([address, *options])} backlog=4096;
{PROXY}{more}
    location / {{ proxy_pass {scheme}://behind; }}
  }}"""


def run(stage: Stage, name: str, servers: str, *, measured: bool = True) -> int:
    """Start an nginx with one worker in the foreground; returns its pid."""
    folder = stage.folder / name
    folder.mkdir()
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = folder / "nginx.conf"
    conf.write_text(
        f"""{"user root;" if os.geteuid() == 0 else ""}
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 100000000;
{temporary}{servers}
}}
"""
    )
    return stage.start([NGINX, "-e", str(folder / "error.log"), "-c", str(conf)], measured=measured)


def certificates(folder: Path) -> None:
    """ca, web and api as .crt and .key: ECDSA P-256, two days."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=bench")
    for name in ("web", "api"):
        names = f"subjectAltName=DNS:{name},URI:spiffe://bench/svc/{name}"
        request = ["-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", "-addext", names]
        openssl(folder, "req", *key, *request)
        signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-copy_extensions", "copy"]
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.crt")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)

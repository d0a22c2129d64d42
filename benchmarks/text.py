"""The words of docs/performance.md. Figures come from the results alone."""

from __future__ import annotations

INTRODUCTION = """<!-- Written by benchmarks/report.py from benchmarks/results: change those, not this. -->

# Performance

What a call through minimesh costs, beside what it costs through nginx, measured in one run on one machine.
`make bench` measures again, in some ten minutes, and `python benchmarks/report.py` writes this page.

Every figure names its **hop**, which is what lies between the caller's proxy and the callee's. minimesh's hop is
`memory` here: both proxies are in one process, the call is handed over with its caller's identity, and nothing is
encrypted. The nginx pair is what two sidecars do: two proxies, and mutual TLS 1.3 between them. One nginx is what one
reverse proxy costs without any of that. So the ratio to the pair says what a call costs in each of two designs, not
that Python is faster than C or that encryption is free. On one machine the ratios mean more than the times.

## Promised and measured"""

SECTIONS = {
    "mesh": """## From service to service

`web` calls `api` at the address that the mesh gives it. Everything is on, identity, records and histograms, but the
access log. The answer is 128 bytes. Ratios are to the nginx pair; below 1 is better for CPU, above 1 for the rate.

The mesh keeps what it decided about a head, so requests that repeat are cheaper than those that do not. Both are
here: in the second table each request has a path, query, request id, trace and fields of its own. What real traffic
costs lies between the two.""",
    "gateway": """## Through the gateway

One route to `api`. Ratios are to one nginx, which does the same work with no mesh around it. Lost are socket errors,
timeouts and answers that are errors.""",
    "bodies": """## Large bodies

One connection carries 1 GiB of zeros, each way, and the memory of all processes is watched at its peak. The first
round is the first large body that a process has seen. nginx has its buffering off, and buffers of 64 KiB: with the
one page that it takes by itself it is much slower.""",
    "idle": """## Doing nothing

Each connection had one answer before it fell idle. The bytes are resident memory of the proxy; the kernel's socket
buffers are not counted, for anybody. The shop's CPU is that of the mesh's own process.""",
    "scale": """## Many services and routes

Two meshes run side by side: one of 10 services with 10 routes, one of 1,000 with 5,000 (half exact paths, half
prefixes, 9 regular expressions). The first table calls the last and least specific route with one request again and
again; in the second, requests go over all routes and no two are the same, so that all services and their pools of
connections are in use, and no decision is kept.""",
    "thousand": """## A thousand services

What people wait for in a project of 1,000 services: 100 are programs, each of which may call two others, the others
live at an address; 1,000 routes. Each reload finds another command for one of the services, and ends when that has
been stopped and started again. Commands are timed until they have ended. CPU and memory are those of the mesh's own
process, nobody calling, from 70 seconds after its start on: until then it looks now and then where programs listen
that have no probe.""",
    "start": """## Starting

From the start of the process to the first byte of the gateway's answer, in a project with no services; for commands,
until they have ended. `python -c pass` is the interpreter's own share.""",
    "rest": """## After work

The shop's pages and products are asked for through the gateway, then nobody calls. Resident memory of the mesh's
process, without the services.""",
}

METHOD = """## How it is measured

- What is measured runs on one CPU, the load generator and the services behind share another. nginx has one worker for
  each proxy, as the mesh has one loop.
- Rounds alternate between the contenders, so a machine that drifts drifts for all. Ratios are taken within a round;
  the table shows their median, which therefore differs a little from the ratio of the medians.
- CPU time is user and system time of a contender's whole process tree, from the processes' own clocks. Memory is
  `VmRSS`, peaks are `VmHWM` of `/proc`.
- Load comes from wrk with one thread. Where it or the service behind is the limit, the rate says little and CPU per
  request still counts.
- Each contender is warmed for a second before it counts. All rounds, also the bad ones, stand in
  `benchmarks/results`."""

LIMITS = """## What these figures do not say

- Nothing crosses a network: loopback has no loss and hardly any latency.
- wrk sends the next request when it has the last answer, so p99 here is not what callers with a schedule of their own
  would see on an overloaded proxy.
- A hop of `mtls` is not measured here, as it does not exist yet.
- One loop on one core is also the ceiling: nginx can have a worker on each core, minimesh has one loop."""

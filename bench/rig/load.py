"""Load on a program, and what it cost."""

import http.client
import json
import os
import subprocess
import sys
import time

from .programs import CHAT, KEY, LOAD, MEASURED, ROOT

HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


def post(connection, body, path=CHAT, key=KEY):
    """Status and body of one POST over a kept connection."""
    connection.request("POST", path, body.encode(), HEADERS | {"Authorization": f"Bearer {key}"})
    response = connection.getresponse()
    return response.status, response.read().decode()


def connect(port, timeout=60):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


def raw_request(body, path=CHAT):
    """The bytes of a POST, to be sent at once."""
    data = body.encode()
    lines = [f"POST {path} HTTP/1.1", "Host: bench", *(f"{name}: {value}" for name, value in HEADERS.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def check(port, path, body, expected):
    """Fails unless the target relays the upstream's bytes unchanged."""
    received = post(connect(port), body, path)
    if received != (200, expected):
        sys.exit(f"port {port} {path} does not relay the upstream's response: {received}")


def wrk_started(port, path, body_file, connections, seconds):
    """wrk on the load core."""
    env = dict(os.environ, BENCH_BODY=body_file, BENCH_KEY=KEY)
    script = os.path.join(ROOT, "bench", "rig", "post.lua")
    command = ["taskset", "-c", str(LOAD), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
               "-s", script, f"http://127.0.0.1:{port}{path}"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def wrk_summary(load, what):
    output, _ = load.communicate()
    if load.returncode:
        sys.exit(f"wrk failed on {what}:\n{output}")
    summary = json.loads(output.splitlines()[-1])
    if summary["errors"]:
        sys.exit(f"wrk saw errors on {what}: {summary}")
    if not summary["requests"]:
        sys.exit(f"{what}: no response; the machine is too busy, or --seconds too short")
    return summary


def wrk(port, path, body_file, connections, seconds):
    """Runs wrk; its summary and the CPU seconds it used."""
    before = os.times()
    summary = wrk_summary(wrk_started(port, path, body_file, connections, seconds), f"port {port} {path}")
    after = os.times()
    return summary, after.children_user + after.children_system - before.children_user - before.children_system


def measure(program, others, port, path, body_file, connections, seconds):
    """CPU µs per request, requests/s, latencies in µs, and the CPU that other processes used, in % of a core."""
    cpu, rest, all_before = program.cpu(), sum(it.cpu() for it in others), busy()
    began = time.perf_counter()
    summary, load = wrk(port, path, body_file, connections, seconds)
    used = program.cpu() - cpu
    ours = used + load + sum(it.cpu() for it in others) - rest
    foreign = (busy() - all_before - ours) / (time.perf_counter() - began)
    return {
        "cpu": used * 1e6 / summary["requests"], "rate": summary["requests"] / summary["seconds"],
        "p50": summary["p50"], "p99": summary["p99"], "foreign": max(0, 100 * foreign),
    }


def measure_connected(program, upstream_port, port, body_file, connections, seconds, connecting=2):
    """CPU µs per request and requests/s once all connections are made, which takes part of the first two seconds. The
    upstream counts the requests."""
    load = wrk_started(port, CHAT, body_file, connections, seconds + connecting + 1)
    time.sleep(connecting)
    readings = []
    for pause in (seconds, 0):
        readings.append((time.perf_counter(), program.cpu(), requests_served(upstream_port)))
        time.sleep(pause)
    wrk_summary(load, f"port {port}, {connections} connections")
    took, used, requests = (after - before for before, after in zip(*readings))
    return {"cpu": used * 1e6 / requests, "rate": requests / took}


def requests_served(port):
    """By nginx, as its stub_status says: the third number of the third line."""
    connection = connect(port)
    connection.request("GET", "/status")
    return int(connection.getresponse().read().split(b"\n")[2].split()[2])


def event_latencies(helper, port, path, body, seconds):
    """Median and p99, in µs, of the time from the upstream's write of an event until the client has read it."""
    command = ["taskset", "-c", str(LOAD), helper, "events", KEY, f"127.0.0.1:{port}", path, str(seconds)]
    output = subprocess.run(command, input=body, capture_output=True, text=True, check=True).stdout
    p50, p99 = map(float, output.split())
    return {"p50": p50, "p99": p99}


def busy():
    """CPU seconds of both cores, for all processes."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    with open("/proc/stat") as stat:
        for line in stat:
            name, *fields = line.split()
            if name in (f"cpu{MEASURED}", f"cpu{LOAD}"):
                user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, fields)
                total += user + nice + system + irq + softirq
    return total / ticks

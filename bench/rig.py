"""Parts that the benchmarks in this folder use: an upstream, programs pinned to a core, their CPU time and memory.

The measured program has core 0 to itself; upstream and load share core 1. Everything listens on loopback, on
free ports, and writes into a temporary folder.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MEASURED, LOAD = 0, 1  # cores
KEY = "bench-master-key-0123456789abcdef"
CHAT = "/v1/chat/completions"

TEXT = "A histogram counts observations in buckets, so that quantiles can be estimated from the sums later. " * 2


def chat_body(model, stream=False):
    """A request body of 1.1 KB."""
    turns = [{"role": "system", "content": "You explain how systems are measured, in short and plain sentences."}]
    turns += [{"role": "user", "content": f"{TEXT}{n}"} for n in range(4)]
    return json.dumps({"model": model, "stream": stream, "messages": turns, "temperature": 0.2, "max_tokens": 256})


def completion():
    return json.dumps({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1700000000, "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 150, "completion_tokens": 40, "total_tokens": 190},
    })


def events():
    """34 events: 32 with a word, the finish reason, and `[DONE]`."""
    def chunk(delta, reason=None):
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return "data: " + json.dumps({
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1700000000, "model": "bench",
            "service_tier": "default", "choices": choices,
        }) + "\n\n"
    words = TEXT.split()
    return [chunk({"content": f" {word}"}) for word in words] + [chunk({}, "stop"), "data: [DONE]\n\n"]


def need(*programs):
    os.environ["PATH"] += ":/usr/sbin"
    for program in programs:
        if not shutil.which(program):
            sys.exit(f"{program} is missing; on Debian: apt-get install nginx-light wrk valgrind")
    if os.cpu_count() < 2:
        sys.exit("this needs two cores: one for what is measured, one for upstream and load")


def build(cfg="", target="target"):
    """Builds the release binary and the rig's helper; gives their folder."""
    folder = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "" if not cfg else target)
    env = dict(os.environ, CARGO_TARGET_DIR=folder)
    if cfg:
        env["RUSTFLAGS"] = f"--cfg {cfg}"
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--bin", "aurora"]
    subprocess.run(command + ([] if cfg else ["--example", "rig"]), cwd=ROOT, env=env, check=True)
    return os.path.join(folder, "release")


def example(name):
    """Builds an example in release; gives its path."""
    folder = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--example", name]
    subprocess.run(command, cwd=ROOT, check=True)
    return os.path.join(folder, "release", "examples", name)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Program:
    """A program on a core. Its CPU time is that of all its processes, in seconds."""

    def __init__(self, command, core, log, env=None):
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.pid, self.log = self.process.pid, log

    def processes(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
            return [self.pid, *map(int, children.read().split())]

    def cpu(self):
        # The clock that the kernel keeps for each process, in nanoseconds; see clock_getcpuclockid(3).
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.processes())

    def resident(self):
        """KiB in RAM. Exact, unlike VmRSS, which the kernel updates in steps."""
        with open(f"/proc/{self.pid}/smaps_rollup") as rollup:
            return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:"))

    def fail(self, what):
        self.log.seek(0)
        sys.exit(f"{what}:\n{self.log.read()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Rig(contextlib.ExitStack):
    """The folder, the upstream and other programs; all of them end with the block."""

    def __init__(self):
        super().__init__()
        self.folder = self.enter_context(tempfile.TemporaryDirectory(prefix="aurora-bench-"))
        self.upstream_port, self.drip_port = free_port(), free_port()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def start(self, name, command, core, env=None):
        log = self.enter_context(open(self.path(f"{name}.log"), "w+"))
        program = Program(command, core, log, env)
        self.callback(program.stop)
        return program

    def nginx(self, name, port, server, core, upstreams=""):
        text = f"""
            daemon off; worker_processes 1; pid {self.path(name)}.pid; error_log stderr error;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; tcp_nodelay on; keepalive_timeout 600s; keepalive_requests 1000000000;
                client_body_temp_path {self.path(name)}-body; proxy_temp_path {self.path(name)}-proxy;
                fastcgi_temp_path {self.path(name)}-fastcgi; uwsgi_temp_path {self.path(name)}-uwsgi;
                scgi_temp_path {self.path(name)}-scgi;
                {upstreams}
                server {{ listen 127.0.0.1:{port} backlog=1024; {server} }}
            }}"""
        # nginx opens a log file at start, before it has read the path of its log.
        command = ["nginx", "-e", "stderr", "-p", self.folder, "-c", self.write(f"{name}.conf", text)]
        program = self.start(name, command, core)
        wait_for_port(program, port)
        return program

    def upstream(self, models=()):
        """Responds at once: a completion below /v1, a stream in one write below /stream/v1, a list of models."""
        names = json.dumps({"data": [{"id": name} for name in models]})
        server = f"""
            location /v1/ {{ default_type application/json; {returns(completion())} }}
            location = /v1/models {{ default_type application/json; {returns(names)} }}
            location /stream/ {{ default_type text/event-stream; {returns("".join(events()))} }}"""
        return self.nginx("upstream", self.upstream_port, server, LOAD)

    def drip(self, binaries):
        """Responds with the same stream, one write per event."""
        body = self.write("events.txt", "".join(events()))
        helper = os.path.join(binaries, "examples", "rig")
        program = self.start("drip", [helper, "drip", str(self.drip_port), body], LOAD)
        wait_for_port(program, self.drip_port)
        return program

    def floor(self):
        """nginx as a plain reverse proxy on the measured core."""
        port = free_port()
        pass_on = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;"
        server = f"""
            location / {{ {pass_on} proxy_pass http://upstream; }}
            location /drip/ {{ {pass_on} proxy_pass http://drip/; }}"""
        kept = "keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; keepalive_time 1d;"
        upstreams = f"""
            upstream upstream {{ server 127.0.0.1:{self.upstream_port}; {kept} }}
            upstream drip {{ server 127.0.0.1:{self.drip_port}; {kept} }}"""
        return self.nginx("floor", port, server, MEASURED, upstreams), port

    def configuration(self, models=True, more=""):
        """Three providers with a model each: chat, stream and drip."""
        def provider(name, base):
            listed = f"models: [{name}-model], " if models else ""
            return f"  {name}: {{type: openai_compatible, api_key: sk-bench, {listed}base_url: '{base}'}}\n"
        base = f"http://127.0.0.1:{self.upstream_port}"
        text = more + "providers:\n" + provider("chat", f"{base}/v1")
        if models:
            text += provider("stream", f"{base}/stream/v1")
            text += provider("drip", f"http://127.0.0.1:{self.drip_port}/v1")
        return self.write(f"config-{time.monotonic_ns()}.yaml", text)

    def aurora(self, binaries, metrics=True, workers=1, config=None, under=()):
        """A running instance and its port; `under` is a program to run it in."""
        port = free_port()
        env = {
            "PATH": os.environ["PATH"], "AURORA_MASTER_KEY": KEY, "AURORA_HOST": "127.0.0.1", "PORT": str(port),
            "AURORA_WORKERS": str(workers), "METRICS_ENABLED": "true" if metrics else "false",
            "METRICS_MAX_MODELS": "1000", "AURORA_CONFIG_PATH": config or self.configuration(),
        }
        name = f"aurora-{port}"
        return self.start(name, [*under, os.path.join(binaries, "aurora"), "serve"], MEASURED, env), port


def returns(text, size=3000):
    """The nginx directives that return a text; in parts, because nginx limits the length of a parameter."""
    parts = [text[at:at + size] for at in range(0, len(text), size)]
    stored = "".join(f"set $part{n} '{part}'; " for n, part in enumerate(parts))
    return stored + 'return 200 "' + "".join(f"${{part{n}}}" for n in range(len(parts))) + '";'


def wait_for_port(program, port, timeout=30):
    until = time.perf_counter() + timeout
    while time.perf_counter() < until:
        if program.process.poll() is not None:
            program.fail("a program ended early")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    program.fail(f"nothing listens on port {port}")


HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


def post(connection, body, path=CHAT):
    """Status and body of one POST over a kept connection."""
    connection.request("POST", path, body, HEADERS)
    response = connection.getresponse()
    return response.status, response.read().decode()


def connect(port, timeout=60):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


def check(port, path, body, expected):
    """Fails unless the target relays the upstream's bytes unchanged."""
    received = post(connect(port), body, path)
    if received != (200, expected):
        sys.exit(f"port {port} {path} does not relay the upstream's response: {received}")


def wrk(port, path, body_file, connections, seconds):
    """Runs wrk on the load core; its summary and the CPU seconds it used."""
    env = dict(os.environ, BENCH_BODY=body_file, BENCH_KEY=KEY)
    script = os.path.join(ROOT, "bench", "post.lua")
    command = ["taskset", "-c", str(LOAD), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
               "-s", script, f"http://127.0.0.1:{port}{path}"]
    before = os.times()
    output = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    summary = json.loads(output.splitlines()[-1])
    if summary["errors"]:
        sys.exit(f"wrk saw errors on port {port} {path}: {summary}")
    return summary, used


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


def median(values):
    return statistics.median(values)


def table(head, rows):
    """Markdown, for bench/RESULTS.md."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)

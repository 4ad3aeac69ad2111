"""The upstreams, nginx as a plain proxy, and Aurora: started on a core, with their CPU time and memory."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from .bodies import completion, events

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORES = sorted(os.sched_getaffinity(0))
MEASURED, LOAD = CORES[0], CORES[-1]
KEY = "bench-master-key-0123456789abcdef"
CHAT = "/v1/chat/completions"

# Providers, each with a model `NAME-model`: the base path at the upstream that nginx is, or at the one of examples/rig.rs.
NGINX = {"chat": "/v1", "stream": "/stream/v1"}
HELPER = {
    "read": "/after/0/v1",      # reads the body before it responds, which nginx does not
    "late": "/after/10/v1",     # responds after 10 ms
    "held": "/after/8000/v1",   # reads the body after 8 s
    "drip": "/every/0/v1",      # an event per write
    "paced": "/every/2/v1",     # an event every 2 ms, with its time
    "open": "/every/20000/v1",  # an event every 20 s
}


def path_of(provider):
    """The path of a chat at the upstream, and at nginx as a proxy."""
    return (NGINX | HELPER)[provider] + "/chat/completions"


def need(*programs, cores=2):
    os.environ["PATH"] += ":/usr/sbin"
    for program in programs:
        if not shutil.which(program):
            sys.exit(f"{program} is missing; on Debian: apt-get install nginx-light wrk valgrind")
    if len(CORES) < cores:
        sys.exit("this needs two cores: one for what is measured, one for upstream and load")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def cargo(*arguments, folder=None, flags=None):
    """Builds, and gives the target folder."""
    folder = folder or os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    env = dict(os.environ, CARGO_TARGET_DIR=folder)
    if flags:
        env["RUSTFLAGS"] = flags
    subprocess.run(["cargo", "build", "--quiet", "--locked", *arguments], cwd=ROOT, env=env, check=True)
    return folder


def build(profile="release", cfg=None, target=None):
    """Builds the binary; gives its path. With a `cfg` into a target folder of its own."""
    folder = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), target) if target else None
    flags = f"--cfg {cfg}" if cfg else None
    built = cargo("--profile", profile, "--bin", "aurora", folder=folder, flags=flags)
    return os.path.join(built, profile, "aurora")


def example(name, profile="release"):
    """Builds an example; gives its path."""
    return os.path.join(cargo("--profile", profile, "--example", name), profile, "examples", name)


def helper():
    """Builds examples/rig.rs; gives its path."""
    return example("rig", "trial")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Program:
    """A program on some cores. Its CPU time is that of all its processes, in seconds."""

    def __init__(self, command, cores, log, env=None):
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cores), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.pid, self.log = self.process.pid, log

    def processes(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
            return [self.pid, *map(int, children.read().split())]

    def cpu(self):
        # The clock that the kernel keeps for each process, in nanoseconds; see clock_getcpuclockid(3).
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.processes())

    def threads(self):
        """CPU seconds of each thread, by id."""
        used = {}
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/schedstat") as stat:
                used[thread] = int(stat.read().split()[0]) / 1e9
        return used

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
    """The folder, the upstreams and other programs; all of them end with the block."""

    def __init__(self):
        super().__init__()
        self.folder = self.enter_context(tempfile.TemporaryDirectory(prefix="aurora-bench-"))
        self.nginx_port, self.helper_port = free_port(), free_port()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, name, command, cores, env=None):
        log = self.enter_context(open(self.path(f"{name}.log"), "w+"))
        program = Program(command, cores, log, env)
        self.callback(program.stop)
        return program

    def nginx(self, name, port, server, core, upstreams=""):
        text = f"""
            daemon off; worker_processes 1; pid {self.path(name)}.pid; error_log stderr error;
            worker_rlimit_nofile {resource.getrlimit(resource.RLIMIT_NOFILE)[0]};
            events {{ worker_connections 16384; }}
            http {{
                access_log off; tcp_nodelay on; keepalive_timeout 600s; keepalive_requests 1000000000;
                client_body_buffer_size 4m; client_max_body_size 64m;
                client_body_temp_path {self.path(name)}-body; proxy_temp_path {self.path(name)}-proxy;
                fastcgi_temp_path {self.path(name)}-fastcgi; uwsgi_temp_path {self.path(name)}-uwsgi;
                scgi_temp_path {self.path(name)}-scgi;
                {upstreams}
                server {{ listen 127.0.0.1:{port} backlog=8192; {server} }}
            }}"""
        # nginx opens a log file at start, before it has read the path of its log.
        command = ["nginx", "-e", "stderr", "-p", self.folder, "-c", self.write(f"{name}.conf", text)]
        program = self.start(name, command, core)
        wait_for_port(program, port)
        return program

    def upstream(self, models=()):
        """Responds at once: a completion below /v1, a stream in one write below /stream/v1, a list of models."""
        names = '{"data":[' + ",".join(f'{{"id":"{name}"}}' for name in models) + "]}"
        server = f"""
            location /v1/ {{ default_type application/json; {returns(completion())} }}
            location = /status {{ stub_status; }}
            location = /v1/models {{ default_type application/json; {returns(names)} }}
            location /stream/ {{ default_type text/event-stream; {returns("".join(events()))} }}"""
        return self.nginx("upstream", self.nginx_port, server, LOAD)

    def helper(self, program):
        """The upstream that reads bodies, waits, and writes streams event by event."""
        completed, streamed = self.write("completion.json", completion()), self.write("events.txt", "".join(events()))
        running = self.start("helper", [program, "upstream", str(self.helper_port), completed, streamed], LOAD)
        wait_for_port(running, self.helper_port)
        return running

    def floor(self):
        """nginx as a plain reverse proxy on the measured core."""
        port = free_port()
        pass_on = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;"
        server = f"""
            location / {{ {pass_on} proxy_pass http://upstream; }}
            location ~ ^/(after|every)/ {{ {pass_on} proxy_pass http://helper; }}"""
        kept = "keepalive 4096; keepalive_requests 1000000000; keepalive_timeout 600s; keepalive_time 1d;"
        upstreams = f"""
            upstream upstream {{ server 127.0.0.1:{self.nginx_port}; {kept} }}
            upstream helper {{ server 127.0.0.1:{self.helper_port}; {kept} }}"""
        return self.nginx("floor", port, server, MEASURED, upstreams), port

    def configuration(self, discover=False, more=""):
        """The providers with a model each; or `chat` with the models that are discovered."""
        bases = {name: (self.nginx_port, base) for name, base in NGINX.items()}
        bases |= {name: (self.helper_port, base) for name, base in HELPER.items()}
        text = more + "providers:\n"
        for name, (port, base) in bases.items():
            listed = "" if discover and name == "chat" else f"models: [{name}-model], "
            text += f"  {name}: {{type: openai_compatible, api_key: sk-bench, {listed}base_url: 'http://127.0.0.1:{port}{base}'}}\n"
        return self.write(f"config-{time.monotonic_ns()}.yaml", text)

    def aurora(self, binary, metrics=True, workers=1, config=None, under=(), cores=MEASURED, models=1000, more=None):
        """A running instance and its port; `under` is a program to run it in, `more` are environment variables."""
        port = free_port()
        env = {
            "PATH": os.environ["PATH"], "AURORA_MASTER_KEY": KEY, "AURORA_HOST": "127.0.0.1", "PORT": str(port),
            "AURORA_WORKERS": str(workers), "METRICS_ENABLED": "true" if metrics else "false",
            "METRICS_MAX_MODELS": str(models), "AURORA_CONFIG_PATH": config or self.configuration(),
            **(more or {}),
        }
        return self.start(f"aurora-{port}", [*under, binary, "serve"], cores, env), port


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

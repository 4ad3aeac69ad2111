"""Sends requests to real servers, directly and through Aurora, and compares the responses byte for byte with ids and
times masked; then does the same with OpenAI's SDK for Node. Prints tables; exits with 1 on any difference.

Arguments: the folder in which scripts/compat installed the dependencies, the Aurora binary.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import calls

HERE = pathlib.Path(__file__).parent
AURORA_KEY = "a-key-of-the-compatibility-run"
PROVIDER_KEY = "sk-a-key-that-only-aurora-and-the-server-know"
# Seconds.
START_WITHIN = 180
# Characters of an outcome in the table.
SHOWN = 60

# Differences between equal responses: generated ids, and times.
MASKS = [
    (re.compile(rb"\b(chatcmpl|cmpl|resp|msg|call|req)[-_][\w=-]+"), rb"\1-ID"),
    (re.compile(rb'"(created|created_at)": ?\d+'), rb'"\1": TIME'),
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(name, command, folder, **environment):
    """A server with its output in a file; stopped at the end of the block."""
    log = folder / f"{name}.log"
    with open(log, "w") as output:
        variables = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
        child = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
    try:
        yield child, log
    finally:
        child.terminate()
        child.wait()


def wait_until(server, look):
    """Polls until there is a result; exits with the log if the server has ended."""
    child, log = server
    until = time.monotonic() + START_WITHIN
    while time.monotonic() < until and child.poll() is None:
        if found := look():
            return found
        time.sleep(0.1)
    sys.exit(f"{child.args[0]} did not start; the end of {log}:\n{log.read_text()[-3000:]}")


class Origin:
    """Address and key for requests."""

    def __init__(self, port, key):
        self.port, self.key = port, key

    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def send(self, method, path, body=None):
        """Status, content type and body of one request on its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, headers)
        response = connection.getresponse()
        try:
            return response.status, response.getheader("content-type"), response.read()
        finally:
            connection.close()

    def serves(self, path):
        try:
            return self.send("GET", path)[0] == 200
        except OSError:
            return False


@contextlib.contextmanager
def llama(tools, folder):
    model = folder / "tiny.gguf"
    python = str(tools / "llama/bin/python")
    subprocess.run([python, HERE / "tiny_model.py", model], check=True)
    port = free_port()
    common = {"model": str(model), "n_ctx": 1024, "seed": 1, "verbose": False}
    models = [
        {**common, "model_alias": "tiny"},
        {**common, "model_alias": "tiny-tools", "chat_format": "chatml-function-calling"},
        {**common, "model_alias": "tiny-embed", "embedding": True},
    ]
    config = folder / "llama.json"
    # By default a new request interrupts the one in progress.
    settings = {"host": "127.0.0.1", "port": port, "api_key": PROVIDER_KEY, "interrupt_requests": False}
    config.write_text(json.dumps({**settings, "models": models}))
    with running("llama", [python, "-m", "llama_cpp.server", "--config_file", str(config)], folder) as server:
        origin = Origin(port, PROVIDER_KEY)
        wait_until(server, lambda: origin.serves("/v1/models"))
        yield origin


@contextlib.contextmanager
def litellm(tools, folder):
    port = free_port()
    command = [str(tools / "litellm/bin/litellm"), "--config", str(HERE / "litellm.yaml")]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    # The price list that came with the package, instead of one from the network.
    variables = {"LITELLM_MASTER_KEY": PROVIDER_KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running("litellm", command, folder, **variables) as server:
        origin = Origin(port, PROVIDER_KEY)
        wait_until(server, lambda: origin.serves("/health/liveliness"))
        yield origin


@contextlib.contextmanager
def aurora(binary, folder, upstreams):
    provider = {"type": "openai_compatible", "api_key": PROVIDER_KEY}
    config = {
        "server": {"master_key": AURORA_KEY},
        "metrics": {"enabled": True},
        "resilience": {"retry": {"max_retries": 0}, "circuit_breaker": {"failure_threshold": 0}},
        "providers": {
            name: {**provider, "base_url": origin.url(), "models": models}
            for name, (origin, models) in upstreams.items()
        },
    }
    # JSON is YAML.
    (folder / "config.yaml").write_text(json.dumps(config))
    command = [str(binary), "serve", "--host", "127.0.0.1", "--port", "0"]
    with running("aurora", command, folder, LOG_FORMAT="json") as server:
        listening = re.compile(r'"msg":"listening".*?"address":"127\.0\.0\.1:(\d+)"')
        found = wait_until(server, lambda: listening.search(server[1].read_text()))
        yield Origin(int(found[1]), AURORA_KEY)


def masked(body):
    for pattern, replacement in MASKS:
        body = pattern.sub(replacement, body)
    return body


def compare(server, direct, through, table):
    """Rows of (server, request, status, bytes, result)."""
    rows = []
    for name, path, body in table:
        if body is None:
            expected, got = direct.send("GET", f"/v1{path}"), through.send("GET", f"/p/{server}/v1{path}")
        else:
            plain = {**body, "model": body["model"].removeprefix(f"{server}/")}
            expected, got = direct.send("POST", f"/v1{path}", plain), through.send("POST", f"/v1{path}", body)
        equal = (*expected[:2], masked(expected[2])) == (*got[:2], masked(got[2]))
        if not equal:
            print(f"{server}, {name}:\n  directly    {expected}\n  via Aurora  {got}\n", file=sys.stderr)
        rows.append((server, name, expected[0], len(expected[2]), "equal" if equal else "DIFFERENT"))
    return rows


def models(table):
    return sorted({body["model"].rsplit("/")[-1] for _, _, body in table if body})


def node_says(tools, server, origin):
    """Results of OpenAI's SDK for Node with a server: outcome by feature."""
    command = ["node", str(tools / "node/node_sdk.mjs"), server, origin.url()]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], "KEY": origin.key}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    lines = masked(done.stdout.encode()).decode().splitlines()
    return dict(line.split(" | ", 1) for line in lines)


def compare_node(tools, server, direct, through):
    expected, got = node_says(tools, server, direct), node_says(tools, server, through)
    rows = []
    for name, outcome in expected.items():
        equal = got.get(name) == outcome
        if not equal:
            print(f"Node, {server}, {name}:\n  directly    {outcome}\n  via Aurora  {got.get(name)}\n", file=sys.stderr)
        shown = outcome if len(outcome) <= SHOWN else f"{outcome[:SHOWN]} …"
        rows.append((server, name, f"`{shown}`", "equal" if equal else "DIFFERENT"))
    return rows


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def version(python, package):
    script = f"import importlib.metadata as m; print(m.version('{package}'))"
    return subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout.strip()


def node_version(tools):
    return json.loads((tools / "node/node_modules/openai/package.json").read_text())["version"]


def counted(through, family, **labels):
    """Sum of a family's series with these labels."""
    total = 0
    for line in through.send("GET", "/metrics")[2].decode().splitlines():
        wanted = all(f'{name}="{value}"' in line for name, value in labels.items())
        if line.startswith(family + "{") and wanted:
            total += int(line.rsplit(" ", 1)[1])
    return total


def main(tools, binary):
    folder = tools / "run"
    folder.mkdir(exist_ok=True)
    sets = {"llama": calls.LLAMA, "litellm": calls.LITELLM}
    started = time.monotonic()
    with llama(tools, folder) as tiny, litellm(tools, folder) as mock:
        origins = {"llama": tiny, "litellm": mock}
        upstreams = {name: (origins[name], models(sets[name])) for name in sets}
        with aurora(binary, folder, upstreams) as through:
            rows = [row for name in sets for row in compare(name, origins[name], through, sets[name])]
            sent = counted(through, "aurora_requests_total")
            node = [row for name in sets for row in compare_node(tools, name, origins[name], through)]
    python = {name: tools / name / "bin/python" for name in sets}
    aurora_version = subprocess.run([binary, "-V"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    print(f"{aurora_version}; llama-cpp-python {version(python['llama'], 'llama-cpp-python')}, "
          f"litellm {version(python['litellm'], 'litellm')}, openai for Node {node_version(tools)}\n")
    print("## The same requests, directly and through Aurora\n")
    print(table(["server", "request", "status", "bytes", "through Aurora"], rows))
    print("\n## OpenAI's SDK for Node, directly and through Aurora\n")
    print(table(["server", "feature", "outcome", "through Aurora"], node))
    different = [row for row in rows + node if row[-1] != "equal"]
    print(f"\n{len(rows)} requests, {sum(row[3] for row in rows)} bytes of responses, {len(node)} features of the SDK for Node: "
          f"{len(different)} different. Aurora counted {sent} of the {len(rows)} requests. "
          f"{time.monotonic() - started:.0f} s.")
    sys.exit(bool(different) or sent != len(rows))


main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())

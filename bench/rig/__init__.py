"""Parts that the benchmarks in this folder use: bodies, programs pinned to a core, load on them, and reports.

The measured program has one core to itself; upstream and load share another. Everything listens on loopback, on
free ports, and writes into a temporary folder.
"""

from .bodies import chat_body, completion, events
from .load import KEY, HEADERS, busy, check, connect, event_latencies, measure, measure_connected, post, raw_request
from .programs import CHAT, LOAD, MEASURED, ROOT, Rig, build, example, helper, need, path_of, wait_for_port
from .report import Musts, median, spread, table
from .upstream import Upstream, message

"""What Python's prometheus_client reads in the exposition on stdin, as JSON: [[family, type, [[sample, labels, value]]]].

The argument is the format, text or openmetrics.
"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

read = {"text": parser, "openmetrics": openmetrics_parser}[sys.argv[1]].text_string_to_metric_families
page = sys.stdin.buffer.read().decode("utf-8")
json.dump(
    [
        [family.name, family.type, [[sample.name, sample.labels, repr(sample.value)] for sample in family.samples]]
        for family in read(page)
    ],
    sys.stdout,
)

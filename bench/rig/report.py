"""Tables in Markdown, for bench/RESULTS.md, and the musts that a script holds its figures against."""

import statistics
import sys


def median(values):
    return statistics.median(values)


def spread(values, form=".2f"):
    """The median, with the lowest and the highest of several."""
    text = format(median(values), form)
    if len(values) > 1:
        text += f" ({min(values):{form}}–{max(values):{form}})"
    return text


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


class Musts:
    """Limits and what was measured against them. `end` prints them and exits with 1 if one is missed."""

    def __init__(self):
        self.rows, self.missed = [], 0

    def at_most(self, what, value, limit, form=".2f"):
        self._judge(what, value, f"≤ {limit:{form}}", value <= limit, form)

    def at_least(self, what, value, limit, form=".2f"):
        self._judge(what, value, f"≥ {limit:{form}}", value >= limit, form)

    def _judge(self, what, value, limit, met, form):
        self.missed += not met
        self.rows.append([what, f"{value:{form}}", limit, "met" if met else "**missed**"])

    def end(self):
        if self.rows:
            table(["must", "measured", "limit", ""], self.rows)
        if self.missed:
            sys.exit(f"{self.missed} of {len(self.rows)} musts are missed")

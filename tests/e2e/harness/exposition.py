# SPDX-License-Identifier: Apache-2.0
"""Reads Prometheus' text format 0.0.4, and takes nothing that is not exactly as it says."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?|\+Inf|NaN)")
ESCAPES = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}


def unescaped(text):
    return re.sub(r"\\.", lambda m: ESCAPES[m[0]], text)


class Scrape:
    """What one scrape says. scrape("name", label="value") is a sample's value, 0 if there is none."""

    def __init__(self, text):
        self.text = text
        self.types = {}
        self.helps = {}
        self.samples = {}
        self.order = []
        assert text.endswith("\n")
        for line in text[:-1].split("\n"):
            self._line(line)
        self._histograms()

    def _line(self, line):
        about = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.*)", line)
        if about and about[1] == "HELP":
            assert about[2] not in self.helps, f"twice: {line}"
            self.helps[about[2]] = about[3]
            self.order.append(about[2])
        elif about:
            assert about[2] == self.order[-1] and about[2] not in self.types, f"not after its HELP: {line}"
            assert about[3] in ("counter", "gauge", "histogram"), line
            self.types[about[2]] = about[3]
        else:
            self._sample(line)

    def _sample(self, line):
        found = SAMPLE.fullmatch(line)
        assert found, f"no sample: {line!r}"
        family = self.order[-1]
        suffixes = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
        assert found[1] in [family + s for s in suffixes], f"not of {family}: {line}"
        labels = re.findall(LABEL, found[2] or "")
        assert len({name for name, _ in labels}) == len(labels), line
        key = (found[1], frozenset((name, unescaped(value)) for name, value in labels))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(found[found.lastindex].replace("+Inf", "inf"))

    def _histograms(self):
        """Buckets rise, and the last one is the count."""
        series = {}
        for (name, labels), value in self.samples.items():
            if name.endswith("_bucket") and self.types.get(name[:-7]) == "histogram":
                bound = dict(labels)["le"]
                rest = frozenset(label for label in labels if label[0] != "le")
                series.setdefault((name[:-7], rest), []).append((float(bound.replace("+Inf", "inf")), value))
        for (name, labels), buckets in series.items():
            assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets), name
            assert buckets[-1] == (float("inf"), self.samples[name + "_count", labels]), name
            assert (name + "_sum", labels) in self.samples, name

    def __call__(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())), 0)

    def all(self, name):
        """{labels as a dict's items, sorted: value} of a metric's samples."""
        return {tuple(sorted(labels)): value for (n, labels), value in self.samples.items() if n == name}

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts build/bench.json into docs/performance.md (between its marks) and docs/performance/*.svg.

    python3 tests/bench/report.py [FILE]
"""
import json
import pathlib
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOC = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
PROFILES = ROOT / "build" / "profiles.json"
BEGIN, END = "<!-- results: tests/bench/report.py writes what follows -->", "<!-- end of results -->"


def mean(values):
    return sum(values) / len(values)


def number(x):
    """Three digits that say something, thousands apart."""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


# --- beside each value: what it was made of -------------------------------------------------------

def average(rounds, name):
    return number(mean([r[name] for r in rounds]))


def detail_ingest(raw):
    rounds = raw["rounds"]
    return (f"{average(rounds, 'accepted_per_s')} SETs/s; pgbench {number(mean(raw['pgbench_tps']))} "
            f"commits/s; hub {average(rounds, 'hub_cpu_us_per_set')} us, PostgreSQL "
            f"{average(rounds, 'postgres_cpu_us_per_set')} us a SET")


def detail_push(raw):
    return (f"{average(raw['rounds'], 'pushed_per_s')} pushes/s; openssl "
            f"{number(mean(raw['signs_per_s_all_cores']))} signatures/s on all cores")


def detail_cpu(raw):
    return f"{number(raw['hub_cpu_us_per_set'])} us a SET; one signature {number(raw['sign_cpu_us'])} us"


def detail_rows(raw):
    rows = ", ".join(f"{table} {n:,}" for table, n in sorted(raw["rows"].items()))
    toast = sum(raw["toast"].values())
    return f"{raw['events']} events to {raw['streams']:,} streams: {rows}; TOAST {toast:,}"


def detail_latency(raw):
    return (f"{raw['alg']}: p90 {number(raw['p90_ms'])}, longest {number(raw['max_ms'])} ms of "
            f"{number(raw['pushes'])} pushes; the request alone p50 {number(raw['request_p50_ms'])}, "
            f"p99 {number(raw['request_p99_ms'])} ms")


def detail_es256(raw):
    return (f"{number(raw['pushed_per_s'])} pushes/s; one signature {number(raw['sign_cpu_us'])} us, "
            f"one POST by libcurl alone {number(raw['curl_cpu_us'])} us")


def detail_waiter(raw):
    return (f"{number(raw['rss_kib_waiting'] / 1024)} MiB with {raw['waiting']:,} waiting, "
            f"{number(raw['rss_kib_without'] / 1024)} MiB without")


def detail_clients(raw):
    return (f"{number(mean(raw['seconds']))} s; openssl "
            f"{number(mean(raw['signs_per_s_all_cores']))} signatures/s on all cores")


def detail_scale(raw):
    few, many = raw["events"]
    return (f"{number(raw['best_us']['few'])} us at {few:,}, {number(raw['best_us']['many'])} us at "
            f"{many:,}, of hub and PostgreSQL, ten pushes included")


def detail_failover(raw):
    slowest = ", ".join(number(max(r)) for r in raw["seconds"])
    return f"slowest stream of each round: {slowest} s"


DETAILS = {
    "ingest_vs_pgbench": detail_ingest,
    "push_rs256_vs_signing": detail_push,
    "rs256_cpu_ratio": detail_cpu,
    "es256_cpu_us": detail_es256,
    "es256_cpu_ratio": detail_cpu,
    "slow_receiver": lambda raw: f"of 1,000 offered, over {raw['connections']} connections",
    "db_rows_per_event": detail_rows,
    "latency_p50_ms": detail_latency,
    "latency_rs256_p50_ms": detail_latency,
    "latency_set_p50_ms": detail_latency,
    "fanout_10k_s": lambda raw: "rounds: " + ", ".join(number(s) for s in raw["seconds"]) + " s",
    "fanout_1k_clients_s": detail_clients,
    "waiter_kib": detail_waiter,
    "scale_events": detail_scale,
    "failover_s": detail_failover,
}


def table(bench):
    yield "| figure | value | goal | | beside it |"
    yield "| --- | --- | --- | --- | --- |"
    for f in bench["figures"]:
        if f["value"] is None:
            yield f"| `{f['name']}` | not measured | {f['goal']} | **no** | |"
            continue
        verdict = {True: "met", False: "**missed**", None: ""}[f["met"]]
        beside = DETAILS.get(f["name"], lambda raw: "")(f["raw"])
        value = f"{number(f['value'])} {f['unit']}"
        yield f"| `{f['name']}` | {value} | {f['goal']} | {verdict} | {beside} |"


# What a profile's libraries are, in the order of the columns.
PARTS = {"the kernel": ("kernel.kallsyms",), "libcrypto, libssl": ("libcrypto", "libssl"),
         "libcurl": ("libcurl",), "libc": ("libc",), "libevent": ("libevent",),
         "libjansson, libpq": ("libjansson", "libpq"), "the hub's own code": ("ssfhub",)}


def profile_table():
    """Shares of the hub's processor time, if they were looked at (bench.py --profiles)."""
    if not PROFILES.exists():
        return
    found = json.loads(PROFILES.read_text())
    yield ""
    yield (f"What the hub's processor time is spent in, of 100 (`perf`, 999 samples a second, revision "
           f"`{found['revision']}`):")
    yield ""
    yield "| while measuring | " + " | ".join(PARTS) + " |"
    yield "| --- |" + " ---: |" * len(PARTS)
    for name, shares in found["shares"].items():
        cells = [sum(share for dso, share in shares.items()
                     if any(dso == p or dso.startswith(p + "_") for p in prefixes))
                 for prefixes in PARTS.values()]
        yield f"| `{name}` | " + " | ".join(f"{100 * c:.0f}" for c in cells) + " |"


def results(bench):
    m = bench["machine"]
    quick = ", `--quick`" if bench["quick"] else ""
    openssl = " ".join(m["openssl"].split()[:2])
    yield (f"Run of {bench['at'][:10]}, revision `{bench['revision']}`{quick}: {m['cpus']} cores of "
           f"{m['cpu_model']}, {m['memory_mib'] // 1024} GiB, Linux {m['kernel']}, {openssl}, "
           f"PostgreSQL {m['postgres'].split()[2]}.")
    yield ("Its own limits in that run, in signatures a second on one core and on all: RS256 "
           f"{number(m['rs256_signs_per_s'])} and {number(m['rs256_signs_per_s_all_cores'])}, ES256 "
           f"{number(m['es256_signs_per_s'])} and {number(m['es256_signs_per_s_all_cores'])}; "
           f"pgbench {number(m['pgbench_tps'])} commits/s.")
    yield ""
    yield from table(bench)
    yield from profile_table()
    for name, what in PLOT_TEXTS.items():
        if (PLOTS / f"{name}.svg").exists():
            yield ""
            yield f"![{what}](performance/{name}.svg)"


# --- plots ----------------------------------------------------------------------------------------

PLOT_TEXTS = {
    "goals": "each figure against its goal",
    "push": "RS256 pushes a second beside what openssl signs, round by round",
    "latency": "milliseconds from a request to the receiver's 202",
    "scale": "processor time an event with a small and a large log",
}
COLORS = {"good": "#2b7a4b", "bad": "#b3402e", "one": "#3b6ea5", "two": "#c08a2d", "line": "#666"}
ROW, LEFT, WIDTH, RIGHT = 24, 230, 420, 190


def text(x, y, words, anchor="start", size=12):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">'
            f"{escape(words)}</text>")


def svg(title, rows, rule=None):
    """Horizontal bars. rows: (label, [(share of the width, color)], what is at its end). rule: a line
    at (share of the width, what it says)."""
    height = 40 + ROW * len(rows) + (24 if rule else 0)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
           'font-family="sans-serif">', '<rect width="100%" height="100%" fill="white"/>',
           text(10, 20, title, size=14)]
    for i, (label, parts, says) in enumerate(rows):
        y, x = 34 + ROW * i, LEFT
        out.append(text(LEFT - 8, y + 15, label, "end"))
        for share, color in parts:
            width = max(1, min(share, 1) * WIDTH)
            out.append(f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 8}" '
                       f'fill="{color}"/>')
            x += width
        out.append(text(x + 6, y + 15, says))
    if rule:
        x, bottom = LEFT + rule[0] * WIDTH, 34 + ROW * len(rows)
        out.append(f'<line x1="{x:.1f}" y1="30" x2="{x:.1f}" y2="{bottom}" stroke="{COLORS["line"]}" '
                   'stroke-dasharray="4 3"/>')
        out.append(text(x, bottom + 16, rule[1], "middle"))
    return "\n".join([*out, "</svg>"]) + "\n"


def plot_goals(figures):
    """How many times better than its goal; the goal is in the middle, twice as good at the end."""
    rows = []
    for f in figures.values():
        if f["value"] is None or not f["goal"]:
            continue
        sign, limit = f["goal"].split()
        times = f["value"] / float(limit) if sign == ">=" else float(limit) / max(f["value"], 1e-9)
        rows.append((f["name"], [(times / 2, COLORS["good" if f["met"] else "bad"])],
                     f"{number(f['value'])} {f['unit']} ({f['goal']})"))
    return rows and svg("Each figure against its goal (longer is better)", rows, (0.5, "goal"))


def plot_push(figures):
    f = figures.get("push_rs256_vs_signing")
    if not f or f["value"] is None:
        return None
    pairs = list(zip(f["raw"]["rounds"], f["raw"]["signs_per_s_all_cores"]))
    most = max(max(r["pushed_per_s"], limit) for r, limit in pairs)
    rows = []
    for i, (r, limit) in enumerate(pairs, 1):
        for label, rate, color in ((f"round {i}: pushed", r["pushed_per_s"], "one"),
                                   ("openssl signs", limit, "two")):
            rows.append((label, [(rate / most, COLORS[color])], f"{number(rate)}/s"))
    return svg("RS256: SETs pushed a second, and what the cores can sign", rows)


def plot_latency(figures):
    kinds = {"latency": "webhook, ES256", "latency_rs256": "webhook, RS256",
             "latency_set": "SET, ES256"}
    found = []
    for name, words in kinds.items():
        f = figures.get(f"{name}_p50_ms")
        if f and f["value"] is not None:
            found += [(f"{words} {p}", f["raw"][f"{p}_ms"]) for p in ("p50", "p90", "p99")]
    if not found:
        return None
    most = max(ms for _, ms in found)
    return svg("From a request to the receiver's 202, 200 a second to ten streams", [
        (label, [(ms / most, COLORS["one"])], f"{number(ms)} ms") for label, ms in found])


def plot_scale(figures):
    f = figures.get("scale_events")
    if not f or f["value"] is None:
        return None
    found = {n: min(r, key=sum) for n, r in f["raw"]["cpu_us_hub_and_postgres"].items()}
    most = max(map(sum, found.values()))
    rows = []
    for n, count in zip(("few", "many"), f["raw"]["events"]):
        hub, postgres = found[n]
        rows.append((f"{count:,} stored events",
                     [(hub / most, COLORS["one"]), (postgres / most, COLORS["two"])],
                     f"hub {number(hub)} + PostgreSQL {number(postgres)} us"))
    return svg("Processor time an event, ten pushes included", rows)


def main():
    source = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "bench.json"
    bench = json.loads(source.read_text())
    figures = {f["name"]: f for f in bench["figures"]}
    PLOTS.mkdir(exist_ok=True)
    for name in PLOT_TEXTS:
        drawn = globals()[f"plot_{name}"](figures)
        path = PLOTS / f"{name}.svg"
        if drawn:
            path.write_text(drawn)
        else:
            path.unlink(missing_ok=True)
    before, _, rest = DOC.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOC.write_text(before + BEGIN + "\n" + "\n".join(results(bench)) + "\n" + END + after)


if __name__ == "__main__":
    main()

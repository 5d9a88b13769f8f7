#!/usr/bin/env python3
"""The report's claim, measured: its three stages in one Spark session, and in a fresh JVM each.

  claim.py measure --work DIR --rows DIR [--only SCALE/HOURS/CONFIG ...] [--rounds N] [--estimate]

The pipeline of graphs/hourly on the flights of 8 March 2013, from 12:00 UTC on. Configurations:

  session   all stages in one session; what the jobs cache stays cached (the report's "before")
  released  the same, and behind each stage the caches are cleared and the heap collected
  fresh     under stagegraph, a JVM a stage, the same heap, nothing else
  sized     fresh, with the heap that the stage needs instead of the same for all
  quick     fresh, with the start-up recipe of spark_submit.sh
  both      sized and quick
  batch     fresh, twelve hours in one job of each stage

Scales: "seconds" are the hours as they are, "caches" have 5,000 times their flights, so that what a
session caches fills its heap in the course of twelve runs, "minutes" an hour with 40,000 times its
flights. HOURS is 1, or 12 hourly runs in a row: the session lives on, stagegraph is called for each.

A measurement is a row of rows.csv, its runs are rows of runs.csv; of the first repetition memory.csv
has the memory by time. Called again, it does what isn't there yet, so it may be interrupted at any
time. Repetitions go around: each configuration once in an order drawn by lot, then each again.

Memory is the proportional set size (PSS) of all processes below this one, summed, from
/proc/PID/smaps_rollup every quarter of a second; collections are from the JVMs' own logs. Only the
standard library is needed, but for the jobs: Spark as setup.sh makes it, in PATH.
"""
import argparse
import collections
import csv
import ctypes
import datetime
import glob
import hashlib
import json
import os
import platform
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOURLY = os.path.join(HERE, "..", "..", "..", "graphs", "hourly")
FIRST = datetime.datetime(2013, 3, 8, 12)
LARGE = {"caches": (5000, 12), "minutes": (40000, 1)}  # so many times the flights, of so many hours
INTERVAL = 0.25
HEAP = "2g"
SIZED = {  # by what the last collections of "fresh" left; Spark takes no less than 450 MiB
    "seconds": {"bronze": "512m", "silver": "512m", "gold": "512m"},
    "caches": {"bronze": "768m", "silver": "768m", "gold": "1g"},
    "minutes": {"bronze": "1g", "silver": "1g", "gold": "768m"},
}
REPETITIONS = 5
LONG_REPETITIONS = 3  # where a run takes minutes
# Seconds that they take on a quiet machine with two cores.
PLAN = {
    ("seconds", 1): {"session": 24, "released": 25, "fresh": 30, "sized": 30, "quick": 15, "both": 15},
    ("seconds", 12): {"session": 100, "fresh": 350, "sized": 350, "batch": 40},
    ("caches", 12): {"session": 200, "released": 200, "fresh": 700},
    ("minutes", 1): {"session": 110, "fresh": 110, "sized": 110},
}
ROWS = (
    "scale hours config rep started wall_s bronze_s silver_s gold_s cpu_s peak_mib mean_mib gib_s rss_peak_mib end_mib jvms "
    "pauses pause_s pause_max_ms full_pauses heap_after_last_mib heap_after_max_mib heap_max_mib "
    "live_mib lag_max_s data load_begin load_end others_cores").split()
RUNS = (
    "scale hours config rep run wall_s peak_mib mean_mib end_mib pauses pause_s pause_max_ms "
    "heap_after_last_mib").split()
MEMORY = "scale hours config rep second mib".split()
PAUSE = re.compile(
    r"\[(\d+)ms\].* GC\(\d+\) Pause (\w+).* (\d+)M->(\d+)M\((\d+)M\) ([0-9.]+)ms")
ENDED = re.compile(r"\[(Bronze|Silver|Gold)\] SUCCESS \(([0-9.]+)s\)|mark (\w+) ([0-9.]+)$")
STAMP = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] ")


def say(text):
    print(datetime.datetime.utcnow().strftime("%H:%M:%S ") + text, flush=True)


# ---- what is there already, and what is to be done


def read(path):
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def append(path, columns, rows):
    """All rows in one write, so an interrupt leaves none of them or all."""
    new = not os.path.exists(path)
    lines = [",".join(columns)] if new else []
    lines += [",".join(str(row[column]) for column in columns) for row in rows]
    with open(path, "a") as file:
        file.write("\n".join(lines) + "\n")


def todo(rows, only, rounds):
    """(scale, hours, config, rep), a repetition of all after the other."""
    done = {(r["scale"], int(r["hours"]), r["config"], int(r["rep"])) for r in rows}
    todo = []
    for rep in range(1, rounds + 1):
        turn = [
            (scale, hours, config, rep)
            for (scale, hours), configs in PLAN.items() for config, seconds in configs.items()
            if rep <= (LONG_REPETITIONS if seconds > 60 else REPETITIONS)
            and (not only or "%s/%d/%s" % (scale, hours, config) in only)
        ]
        random.Random(rep).shuffle(turn)
        todo += [one for one in turn if one not in done]
    return todo


# ---- the graph's directory


def label(hour):
    return (FIRST + datetime.timedelta(hours=hour)).strftime("%Y-%m-%dT%H")


def path_of(hour):
    return (FIRST + datetime.timedelta(hours=hour)).strftime("dt=%Y-%m-%d/hr=%H")


def prepare(work, scale):
    """The graph, its jobs and what has landed, below work/SCALE; nothing that was made of it."""
    top = os.path.join(work, scale)
    landing = top + "/warehouse/landing"
    if not os.path.exists(top + "/prepared"):
        shutil.rmtree(top, ignore_errors=True)
        os.makedirs(top)
        subprocess.run(
            [sys.executable, HOURLY + "/jobs/landing/land.py", "--archive",
             os.environ["FLIGHTS_ARCHIVE"], "--root", top + "/warehouse", "--from",
             "2013-03-08T12:00:00Z", "--until", "2013-03-09T00:00:00Z"],
            check=True, stdout=subprocess.DEVNULL)
        times, hours = LARGE.get(scale, (1, 0))
        for hour in range(hours):
            enlarge("%s/%s/flights.csv" % (landing, path_of(hour)), times)
        open(top + "/prepared", "w").close()
    for name in ["jobs", "scripts", ".stagegraph", "gc"]:
        shutil.rmtree("%s/%s" % (top, name), ignore_errors=True)
    for name in ["bronze", "silver", "gold"]:
        shutil.rmtree("%s/warehouse/%s" % (top, name), ignore_errors=True)
    for name in ["jobs", "scripts"]:
        shutil.copytree("%s/%s" % (HOURLY, name), "%s/%s" % (top, name))
    os.mkdir(top + "/gc")
    with open(HOURLY + "/flights.ini") as file:
        graph = re.sub(r"(?m)^start .*", "start = 2013-03-08T12:00Z", file.read())
    with open(top + "/flights.ini", "w") as file:
        file.write(graph)
    return top


def enlarge(path, times):
    """Each flight so many times, each time with another number."""
    with open(path) as file:
        header, *rows = file.read().splitlines()
    rows = [row.split(",") for row in rows]
    number = header.split(",").index("flight")
    with open(path, "w") as file:
        file.write(header + "\n")
        for k in range(times):
            for row in rows:
                other = row[:number] + [str(int(row[number]) + 10000 * k)] + row[number + 1:]
                file.write(",".join(other) + "\n")


# ---- the processes


class Tree:
    """Samples the memory of all processes below this one."""

    def __init__(self):
        self.samples = []  # time, PSS, RSS in MiB
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.wait(INTERVAL):
            pss, rss, seen = 0, 0, {}
            for pid, parent in below(os.getpid()):
                try:
                    text = sizes_of(pid)
                    if text.split(None, 1)[0] == seen.get(parent):
                        if same_memory(pid, parent):
                            continue
                        text = sizes_of(pid)  # it may have executed a program meanwhile
                    seen[pid] = text.split(None, 1)[0]
                    sizes = dict(re.findall(r"(?m)^(Rss|Pss): *(\d+)", text))
                    pss, rss = pss + int(sizes["Pss"]), rss + int(sizes["Rss"])
                except (OSError, KeyError, IndexError):
                    pass  # it has ended
            self.samples.append((time.time(), pss / 1024, rss / 1024))

    def stop(self):
        self.over.set()
        self.thread.join()


def sizes_of(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return file.read()


def same_memory(one, other):
    """A process that was just started with vfork runs in its parent's memory until it executes."""
    number = {"x86_64": 312, "aarch64": 272}.get(platform.machine())
    return number and ctypes.CDLL(None).syscall(number, one, other, 1, 0, 0) == 0  # kcmp, KCMP_VM


def below(top):
    """The processes below one, each behind its parent: (pid, parent)."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
                children[parent].append(int(name))
            except OSError:
                pass
    found, waiting = [], [top]
    while waiting:
        parent = waiting.pop()
        found += [(pid, parent) for pid in children[parent]]
        waiting += children[parent]
    return found


def busy():
    """CPU seconds of the whole machine."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def used(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def call(command, top, quick, lags, stages):
    """Runs one command to its end. Notes how late its jobs' lines arrive, and adds up what the stages
    took by themselves: as stagegraph or session.py says."""
    env = dict(os.environ, TZ="UTC", STAGEGRAPH_GRAPH="flights.ini")
    env["SPARK_SUBMIT_OPTS"] = "-Xlog:gc*:file=%s/gc/%%p.log:tm,level,tags" % top
    if not quick:
        env["SPARK_QUICK_START"] = "no"
    process = subprocess.Popen(
        command, cwd=top, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if stamp := STAMP.match(line):
                at = datetime.datetime.strptime(stamp[1], "%Y-%m-%d %H:%M:%S")
                lags.append(time.time() - at.replace(tzinfo=datetime.timezone.utc).timestamp())
            if ended := ENDED.match(line):
                name, seconds = ended[1] or ended[3], ended[2] or ended[4]
                stages[name.lower() + "_s"] += float(seconds)
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status:
        sys.exit("claim.py: %s ended with %d:\n%s" % (" ".join(command), status, "".join(said)))


# ---- a measurement


def heaps(scale, config):
    sized = config in ("sized", "both")
    return {s: SIZED[scale][s] if sized else HEAP for s in ("bronze", "silver", "gold")}


def inputs(top, hours):
    """Files with what stagegraph would say of the inputs, for the session."""
    root = top + "/warehouse"
    names = []
    for hour in range(hours):
        names.append("%s/inputs-%d" % (top, hour))
        with open(names[-1], "w") as file:
            for need in ("landing", "bronze"):
                file.write("%s\t%s\t%s/%s/%s\n" % (need, label(hour), root, need, path_of(hour)))
            for had in range(hour + 1):
                file.write("silver\t%s\t%s/silver/%s\n" % (label(had), root, path_of(had)))
            file.write("|dims\t\t%s/dims\n" % root)
    return names


def session(top, scale, hours, config):
    """The one command, and a function that returns the begins and ends of its runs."""
    runs = []
    for hour, given in enumerate(inputs(top, hours)):
        at = ["--start", label(hour) + ":00:00Z", "--end", label(hour + 1) + ":00:00Z"]
        day = ["--start-date", label(hour)[:10], "--end-date", label(hour)[:10]]
        stages = [
            ("bronze", ["--mode", "upsert", *at]),
            ("silver", ["--mode", "incremental", "--skip-validation", *at]),
            ("gold", ["--mode", "all", *day]),
        ]
        runs.append([
            {"name": s, "script": "%s/jobs/%s/run_%s_pipeline.py" % (top, s, s), "inputs": given,
             "args": [*args, "--out", "%s/warehouse/%s" % (top, s)]} for s, args in stages])
    with open(top + "/runs.json", "w") as file:
        json.dump(runs, file)
    command = [
        "bash", "scripts/spark_submit.sh", "--driver-memory", HEAP, HERE + "/session.py", "--",
        "--runs", "runs.json", "--marks", "marks"]
    if config == "released":
        command.append("--release")
    if os.path.exists(top + "/marks"):
        os.remove(top + "/marks")

    def marks():
        with open(top + "/marks") as file:
            times = [float(line.split()[0]) for line in file]
        return list(zip(times[::2], times[1::2]))

    return command, marks


def stagegraph(scale, hours, config):
    """A command for each run."""
    program = os.environ["STAGEGRAPH_BIN"]
    sets = []
    for stage, heap in heaps(scale, config).items():
        sets += ["--set", "%s.options=--driver-memory %s" % (stage, heap)]
    if config == "batch":
        sets += [w for s in ("bronze", "silver") for w in ("--set", "%s.batch=%d" % (s, hours))]
        return [[
            program, "--now", "2013-03-09T00:10:00Z", "run", "--from", label(0) + ":00Z", "--to",
            label(hours) + ":00Z", "--skip-validation", *sets]]
    return [
        [program, "--now", label(hour + 1) + ":10:00Z", "hourly", *sets] for hour in range(hours)]


def pauses(top):
    """(time, kind, heap after, of, ms) of all JVMs, in order of time, and how many JVMs."""
    found, logs = [], glob.glob(top + "/gc/*.log")
    for name in logs:
        with open(name) as file:
            for line in file:
                if got := PAUSE.match(line):
                    at, kind, _, after, size, ms = got.groups()
                    found.append((int(at) / 1000, kind, int(after), int(size), float(ms)))
    return sorted(found), len(logs)


def data(top):
    """The bytes that were made, as one short number."""
    total = hashlib.sha256()
    for name in sorted(glob.glob(top + "/warehouse/[bsg]*/**/*.orc", recursive=True)):
        with open(name, "rb") as file:
            total.update(os.path.dirname(name)[len(top):].encode() + file.read())
    return total.hexdigest()[:12]


def span(samples, collections, begin, end):
    """What one run took, or all: between two times."""
    inside = [s for s in samples if begin <= s[0] <= end]
    held = [s[1] for s in inside] or [0]
    steps = [b[0] - a[0] for a, b in zip(inside, inside[1:])] or [1]  # a busy machine is late
    mean = sum(mib * step for mib, step in zip(held, steps)) / sum(steps)
    stops = [p for p in collections if begin <= p[0] <= end]
    return {
        "wall_s": round(end - begin, 1), "peak_mib": round(max(held)),
        "mean_mib": round(mean), "end_mib": round(held[-1]),
        "pauses": len(stops), "pause_s": round(sum(p[4] for p in stops) / 1000, 3),
        "pause_max_ms": round(max([p[4] for p in stops], default=0), 1),
        "heap_after_last_mib": stops[-1][2] if stops else "",
    }


def measure(work, rows, scale, hours, config, rep):
    top = prepare(work, scale)
    alone = config in ("session", "released")
    commands, marks = stagegraph(scale, hours, config), None
    if alone:
        command, marks = session(top, scale, hours, config)
        commands = [command]
    lags, runs, stages = [], [], collections.Counter()
    load, cpu, own, all_of_it = os.getloadavg()[0], used(resource.RUSAGE_CHILDREN), used(
        resource.RUSAGE_SELF), busy()
    started = time.time()
    tree = Tree()
    try:
        for command in commands:
            begin = time.time()
            call(command, top, config in ("quick", "both"), lags, stages)
            runs.append((begin, time.time()))
    finally:
        tree.stop()
    wall = time.time() - started
    cpu, own = used(resource.RUSAGE_CHILDREN) - cpu, used(resource.RUSAGE_SELF) - own
    others = (busy() - all_of_it - cpu - own) / wall
    if alone:
        runs = marks()
        runs[0] = (started, runs[0][1])  # the session's start is the first run's
    stops, jvms = pauses(top)
    end = runs[-1][1]
    live = [p[2] for p in stops if alone and p[0] > end and p[1] == "Full"]
    within = [p for p in stops if p[0] <= end]
    row = span(tree.samples, stops, started, end)
    row.update({**{stage: round(seconds, 1) for stage, seconds in stages.items()},
        "wall_s": round(wall, 1), "cpu_s": round(cpu, 1),
        "gib_s": round(row["mean_mib"] * wall / 1024, 2),
        "rss_peak_mib": round(max(s[2] for s in tree.samples)), "jvms": jvms,
        "end_mib": row["end_mib"] if alone else 0,
        "full_pauses": sum(p[1] == "Full" for p in within),
        "heap_after_max_mib": max(p[2] for p in within), "heap_max_mib": max(p[3] for p in within),
        "live_mib": live[-1] if live else "", "lag_max_s": round(max(lags), 2), "data": data(top),
        "load_begin": round(load, 1), "load_end": round(os.getloadavg()[0], 1),
        "others_cores": round(others, 2),
        "started": datetime.datetime.utcfromtimestamp(started).strftime("%Y-%m-%dT%H:%M:%SZ"),
    })
    key = {"scale": scale, "hours": hours, "config": config, "rep": rep}
    row.update(key)
    if hours > 1 and config != "batch":
        append(rows + "/runs.csv", RUNS, [
            {**span(tree.samples, stops, *run), **key, "run": i} for i, run in enumerate(runs, 1)])
    if rep == 1:
        by_second = {int(s[0] - started): round(s[1]) for s in tree.samples if s[0] <= end}
        append(rows + "/memory.csv", MEMORY, [
            {**key, "second": second, "mib": mib} for second, mib in by_second.items()])
    append(rows + "/rows.csv", ROWS, [row])  # the last: with it the measurement is there
    say("%s/%d/%s %d: %.0f s, %.0f s of CPU, peak %d MiB, mean %d, %d pauses, load %.1f" % (
        scale, hours, config, rep, wall, cpu, row["peak_mib"], row["mean_mib"], row["pauses"], load))


def main():
    parser = argparse.ArgumentParser(description="measure the report's claim")
    parser.add_argument("--work", required=True)
    parser.add_argument("--rows", required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--rounds", type=int, default=REPETITIONS)
    parser.add_argument("--estimate", action="store_true", help="say what is to be done, and end")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    os.makedirs(options.rows, exist_ok=True)
    work = os.path.abspath(options.work)
    left = todo(read(options.rows + "/rows.csv"), options.only, options.rounds)
    seconds = sum(PLAN[scale, hours][config] for scale, hours, config, _ in left)
    say("%d measurements to do, some %d minutes on a quiet machine" % (len(left), seconds // 60 + 1))
    if options.estimate:
        return
    # Orphans of a job come to this process, so that they are seen, and counted.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for one in left:
        measure(work, options.rows, *one)


if __name__ == "__main__":
    main()

"""Third-party clients, each told the same against every server, and what they print read back."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compat"))
import machine  # noqa: E402
import servers  # noqa: E402

RDKAFKA = "4.10.0+2.12.1"
TIMEOUT = 600
JOINED_WITHIN = 4


class Failed(Exception):
    """A client that did not end well, or whose words are not understood."""


def _run(words, timeout=TIMEOUT):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    text = done.stdout + done.stderr
    if done.returncode != 0:
        raise Failed(f"{' '.join(words[:4])}… ended with {done.returncode}: {text[-1500:]}")
    return text


def _ended_with_peak(process):
    """Waits for the end of a process; its status, what it used, and the largest resident size in bytes that it had.

    Not `ru_maxrss`: that begins with the size of this process, which it was forked from."""
    peak = 0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        try:
            peak = max(peak, machine.Process(process.pid).peak())
        except (KeyError, OSError):
            pass  # It has just ended, and its memory is gone.
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(ended[1]), ended[2], peak


def _run_measured(words, timeout=TIMEOUT):
    """The same, with the largest resident size of the client in MiB and its CPU seconds."""
    with tempfile.TemporaryFile(mode="w+") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, text=True)
        timer = threading.Timer(timeout, process.kill)
        timer.start()
        process.returncode, usage, peak = _ended_with_peak(process)
        timer.cancel()
        out.seek(0)
        text = out.read()
    if process.returncode != 0:
        raise Failed(f"{' '.join(words[:4])}… ended with {process.returncode}: {text[-1500:]}")
    return text, peak / (1 << 20), usage.ru_utime + usage.ru_stime


def _find(pattern, text):
    found = re.findall(pattern, text, re.MULTILINE)
    if not found:
        raise Failed(f"{pattern!r} is not in: {text[-1500:]}")
    return found[-1]


def rdkafka():
    """The path of librdkafka's own load tool, built once from the sources that the crate `rdkafka-sys` carries."""
    base = os.environ.get("CALLBOARD_PEERS") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "callboard-peers")
    home = pathlib.Path(base) / f"librdkafka-{RDKAFKA}"
    tool = home / "librdkafka" / "examples" / "rdkafka_performance"
    if tool.exists():
        return str(tool)
    fetch = home / "fetch"
    (fetch / "src").mkdir(parents=True, exist_ok=True)
    (fetch / "Cargo.toml").write_text('[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n'
                                      f'rdkafka-sys = {{ version = "={RDKAFKA}", default-features = false }}\n[workspace]\n')
    (fetch / "src" / "lib.rs").write_text("")
    log = open(home / "build.log", "w")
    def step(words, where):
        subprocess.run(words, cwd=where, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=1200)
    step(["cargo", "vendor", "-q", str(home / "vendor")], fetch)
    shutil.rmtree(home / "librdkafka", ignore_errors=True)
    shutil.copytree(home / "vendor" / "rdkafka-sys" / "librdkafka", home / "librdkafka")
    shutil.rmtree(home / "vendor")
    step(["./configure", "--disable-syslog", "--disable-sasl", "--disable-curl"], home / "librdkafka")
    step(["make", f"-j{os.cpu_count()}", "libs"], home / "librdkafka")
    step(["make", "-C", "examples", "rdkafka_performance"], home / "librdkafka")
    return str(tool)


def rdkafka_produce(port, topic, records, size, settings=()):
    """librdkafka with its own defaults (1 MB batches, linger 5 ms), acks=all. MB/s."""
    words = [rdkafka(), "-P", "-b", f"127.0.0.1:{port}", "-t", topic, "-s", str(size), "-c", str(records), "-a", "-1", "-q",
             "-X", "linger.ms=5"]
    for setting in settings:
        words += ["-X", setting]
    text = _run(words)
    delivered, failed, millis = _find(r"(\d+) delivered \(offset \d+, (\d+) failed\) in (\d+)ms", text)
    if int(failed) or int(delivered) != records:
        raise Failed(f"{delivered} of {records} delivered, {failed} failed")
    return records * size / 1e6 / (int(millis) / 1000)


def _groups(port, topic, records, group, members):
    """librdkafka in as many groups of its own as there are members, from the beginning."""
    words = [rdkafka(), "-b", f"127.0.0.1:{port}", "-t", topic, "-c", str(records), "-q", "-X", "auto.offset.reset=earliest"]
    return [subprocess.Popen([*words, "-G", f"{group}-{n}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for n in range(members)]


def _consumed(running, topic, records, size):
    """MB/s, all together, once everyone has read everything."""
    rates = []
    try:
        for process in running:
            try:
                text = process.communicate(timeout=TIMEOUT)[0]
            except subprocess.TimeoutExpired:
                raise Failed(f"a consumer of {topic} did not end") from None
            got, millis = _find(r"(\d+) messages \(\d+ bytes\) consumed in (\d+)ms", text)
            if int(got) < records:
                raise Failed(f"{got} of {records} consumed")
            rates.append(int(got) * size / 1e6 / (int(millis) / 1000))
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return sum(rates)


def rdkafka_consume(port, topic, records, size, group, members=1):
    """Reads what is there. MB/s, all together."""
    return _consumed(_groups(port, topic, records, group, members), topic, records, size)


def rdkafka_follow(port, topic, records, size, group, members):
    """Reads what is being produced, all of it. MB/s, all together."""
    running = _groups(port, topic, records, group, members)
    try:
        # A new group has its partitions after about three seconds: its members wait for each other.
        time.sleep(JOINED_WITHIN)
        rdkafka_produce(port, topic, records, size)
    except BaseException:
        for process in running:
            process.kill()
            process.wait()
        raise
    return _consumed(running, topic, records, size)


def _java(main, *arguments):
    return _run(servers.java(servers.jars(), main, *arguments))


def java_produce(port, topic, records, size, throughput=-1, settings=()):
    """Java's ProducerPerformance with its defaults (16 KiB batches), acks=all. MB/s and latencies in milliseconds."""
    text = _java("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(records),
                 "--record-size", str(size), "--throughput", str(throughput), "--producer-props",
                 f"bootstrap.servers=127.0.0.1:{port}", "acks=all", *settings)
    rate, mean, p50, p99 = _find(
        rf"{records} records sent, ([\d.]+) records/sec .*?, ([\d.]+) ms avg latency, .*?, (\d+) ms 50th, .*? (\d+) ms 99th",
        text)
    return float(rate) * size / 1e6, {"mean": float(mean), "p50": float(p50), "p99": float(p99)}


def java_consume(port, topic, records, size):
    """Java's ConsumerPerformance. MB/s of the time in which it fetched."""
    text = _java("org.apache.kafka.tools.ConsumerPerformance", "--topic", topic, "--num-records", str(records),
                 "--bootstrap-server", f"127.0.0.1:{port}")
    columns = _find(r"(\d+), ([\d.]+), (-?\d+), (\d+), [\d.]+, [\d.]+\s*$", text)
    return int(columns[0]) * size / 1e6 / (int(columns[3]) / 1000)


def end_to_end(port, topic, records):
    """Java's EndToEndLatency: one record at a time, produced with acks=all and consumed. Milliseconds."""
    text = _java("org.apache.kafka.tools.EndToEndLatency", "--bootstrap-server", f"127.0.0.1:{port}", "--topic", topic,
                 "--num-records", str(records), "--producer-acks", "all", "--record-size", "1024")
    mean = float(_find(r"Avg latency: ([\d.]+) ms", text))
    p50, p99 = _find(r"50th = (\d+), 99th = (\d+)", text)
    return {"mean": mean, "p50": float(p50), "p99": float(p99)}


def of_client(ours, direction, port, topic, records, size, group, bench, settings=()):
    """Our own client (`client-bench`) or librdkafka, told the same. MB/s, and what the client itself took."""
    place, told = f"127.0.0.1:{port}", [word for setting in settings for word in ("-X", setting)]
    if ours:
        words = [bench, direction, "--bootstrap", place, "--topic", topic, "--records", str(records), *told]
        if direction == "consume":
            words += ["-X", f"group.id={group}", "-X", "auto.offset.reset=earliest"]
        text, peak, cpu = _run_measured(words)
        rate = float(_find(r"mb_per_second=([\d.]+)", text))
    elif direction == "produce":
        text, peak, cpu = _run_measured([rdkafka(), "-P", "-b", place, "-t", topic, "-s", str(size), "-c", str(records), "-a",
                                         "-1", "-q", "-X", "linger.ms=5", *told])
        delivered, millis = _find(r"(\d+) delivered \(offset \d+, 0 failed\) in (\d+)ms", text)
        rate = int(delivered) * size / 1e6 / (int(millis) / 1000)
    else:
        text, peak, cpu = _run_measured([rdkafka(), "-b", place, "-t", topic, "-c", str(records), "-q", "-X",
                                         "auto.offset.reset=earliest", "-G", group])
        got, millis = _find(r"(\d+) messages \(\d+ bytes\) consumed in (\d+)ms", text)
        rate = int(got) * size / 1e6 / (int(millis) / 1000)
    return {"MB/s": rate, "client MiB": peak, "client cpu s/GB": cpu / (records * size / 1e9)}


def crowd(tool, server, words):
    """Our loader of many connections (`callboard-connections`); its figures by name."""
    text = _run([tool, "--server", f"127.0.0.1:{server.port}", "--pid", str(server.process.pid), *map(str, words)])
    return json.loads(_find(r"^\{.*\}$", text))

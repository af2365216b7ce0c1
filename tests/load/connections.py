"""Loads of our own loader, `callboard-connections`: many connections to either server, and latencies at half load."""

import re
import time
import urllib.request

import clients
import machine
import topics
from row import ASYNC, DEFAULTS, KAFKA, KAFKA_SYNCED, SYNCED, TOOLS, Bar, Limit, Load, fresh

TOOL = "callboard-connections"
# File handles of a server that is asked for more connections than it has.
HANDLES = 1024
# What a server is told to hold at most in the loads that want more of it. Of Callboard: requests in flight, memtables, and
# the newest batches. Of Kafka: requests in flight, beside its heap.
BUDGETS = {
    "callboard": {"CALLBOARD__KAFKA__IN_FLIGHT_MAX_BYTES": "64MiB", "CALLBOARD__KAFKA__SOCKET_REQUEST_MAX_BYTES": "32MiB",
                  "CALLBOARD__STORAGE__MEMTABLES_TOTAL_BYTES": "48MiB", "CALLBOARD__STORAGE__MEMTABLE_BYTES": "16MiB",
                  "CALLBOARD__STORAGE__TAIL_CACHE_BYTES": "32MiB"},
    "kafka": {"queued.max.request.bytes": str(64 << 20), "socket.request.max.bytes": str(32 << 20)},
}
BUDGETS_MIB = 64 + 48 + 32
# The cache of storage (32 MiB) and the program itself, before anybody has asked for anything.
ITSELF_MIB = 64
FILLED_RECORDS = 300_000
# Of memory in use before a load that writes. More would itself be written to disk meanwhile.
WARM_BYTES = 2 << 30


def _crowd(server, load, topic, partitions, *words):
    return clients.crowd(TOOLS[TOOL], server, [load, "--topic", topic, "--partitions", partitions, *words])


def _on_fresh(server, variant, load, partitions, *words, warm=WARM_BYTES):
    topic = fresh(server, partitions, variant.configs)
    machine.settle()
    with machine.Warm(server.folder, warm):
        figures = _crowd(server, load, topic, partitions, *words)
    topics.delete(server.port, topic)
    return figures


def half(partitions, *words):
    """`scale` shortens the parts."""
    def run(server, variant, scale):
        return _on_fresh(server, variant, "half-load", partitions, "--seconds", 10 * scale, *words)
    return run


def producing(busy, partitions):
    def run(server, variant, scale):
        return _on_fresh(server, variant, "produce", partitions, "--connections", busy, "--seconds", 2 + 13 * scale, "--quiet",
                         1 + 4 * scale)
    return run


# What earlier loads left in memory and give back meanwhile is more than a thousand connections take: servers of their own
# where that is looked at.


def producing_among_idle(idle, busy, partitions):
    def run(server, variant, scale):
        with server.another() as other:
            # A JVM that has just started is slow.
            _on_fresh(other, variant, "produce", partitions, "--connections", 100, "--seconds", 2 + 8 * scale, "--quiet", 0)
            return _on_fresh(other, variant, "produce", partitions, "--idle", idle, "--connections", busy, "--seconds",
                             2 + 13 * scale, "--quiet", 1 + 4 * scale)
    return run


def waiting(consumers):
    def run(server, variant, scale):
        with server.another() as other:
            return _on_fresh(other, variant, "tail", 1, "--connections", consumers, "--rounds", max(int(20 * scale), 5),
                             "--quiet", 1 + 4 * scale, warm=0)
    return run


def _told_bounds(figures, server):
    """What a load took beside what the server was told: its budgets, and what it is without any load."""
    figures["peak/allowed"] = figures["peak MiB"] / (BUDGETS_MIB + ITSELF_MIB)
    if server.process.poll() is not None:
        raise clients.Failed(f"{server.name} has ended: {server.log.read_text(errors='replace')[-500:]}")
    return figures


def slow(readers, bytes_per_second, pipelined):
    """On a server of its own with small budgets."""
    def run(server, variant, scale):
        with server.another(settings=BUDGETS[server.name]) as other:
            filled, topic = fresh(other, 10, ()), fresh(other, 10, variant.configs)
            clients.rdkafka_produce(other.port, filled, FILLED_RECORDS, 1024)
            machine.settle()
            figures = _crowd(other, "slow-readers", topic, 10, "--filled", filled, "--filled-partitions", 10, "--readers", readers,
                             "--bytes-per-second", bytes_per_second, "--pipelined", pipelined, "--seconds", 3 + 5 * scale)
            return _told_bounds(figures, other)
    return run


def greedy(connections, request_mib):
    """On a server of its own with small budgets."""
    def run(server, variant, scale):
        with server.another(settings=BUDGETS[server.name]) as other:
            topic = fresh(other, 20, variant.configs)
            return _told_bounds(_crowd(other, "greedy", topic, 20, "--connections", connections, "--request-mib", request_mib,
                                       "--hold", 3), other)
    return run


def _refused(log):
    """Refusals in the server's own count; none where it does not count any."""
    admin = re.search(r"admin=(\S+)", log)
    if not admin:
        return None
    with urllib.request.urlopen(f"http://{admin[1]}/metrics", timeout=10) as answer:
        counts = re.findall(r"^callboard_connections_refused_total\{[^}]*\} (\S+)$", answer.read().decode(), re.MULTILINE)
    return sum(map(float, counts))


def handles(connections, produced_mib):
    """On a server of its own with few file handles."""
    def run(server, variant, scale):
        with server.another(handles=HANDLES) as other:
            # So many partitions that a producer makes the server open files.
            topic = fresh(other, 10, variant.configs)
            before = len(other.log.read_text(errors="replace").splitlines())
            figures = _crowd(other, "handles", topic, 10, "--connections", connections, "--produce-mib", produced_mib)
            time.sleep(1)
            log = other.log.read_text(errors="replace")
            figures["log lines"] = len(log.splitlines()) - before
            figures["alive"] = int(other.process.poll() is None)
            counted = _refused(log) if figures["alive"] else None
            if counted is not None:
                figures["counted"] = counted
            return figures
    return run


def _best(*figures):
    return tuple(Bar(figure, SYNCED, KAFKA, 1.0, higher) for figure, higher in figures)


SMALL_MEMORY = Bar("peak MiB", SYNCED, KAFKA, 0.2, False)
FAIR = (Limit("jain", SYNCED, 0.9, True), Limit("slowest/fastest", SYNCED, 0.5, True))
BUSY_BARS = (*_best(("requests/s", True), ("p99 ms", False)), Bar("requests/s", ASYNC, KAFKA, 1.5), *FAIR, SMALL_MEMORY)
TAIL_BARS = (*_best(("p99 ms", False), ("all awake ms", False)), Limit("KiB/waiting", SYNCED, 4.0), SMALL_MEMORY)
UNNOTICED = (Limit("beside/alone", SYNCED, 0.7, True), Limit("peak/allowed", SYNCED, 1.1), *FAIR)
HALF_BARS = _best(("p99 ms", False),)

ALONE = "100 B, unbatched, acks=all"
BATCHED = "1 KiB, 15 KiB batches, acks=all"
BIG = "1 KiB, 10 KiB batches, acks=all; 50 MiB fetches"


def _load(name, what, table, sent, variants, run, bars, quick=False):
    return Load(name, what, table, sent, variants, run, bars, quick, TOOL)


LATENCY = (
    _load("half-load", "10 connections at half of the server's own peak", "Latency", BATCHED, DEFAULTS, half(10), HALF_BARS, True),
    _load("half-load-modes", "10 connections at half of the server's own peak", "Latency", BATCHED, (ASYNC, KAFKA_SYNCED),
          half(10), ()),
    _load("half-load-unbatched", "100 connections at half of the server's own peak", "Latency", ALONE, (SYNCED, KAFKA, ASYNC),
          half(10, "--connections", 100, "--in-flight", 1, "--batch", 1, "--record-bytes", 100), HALF_BARS),
)

CROWDS = (
    _load("connections-busy", "1,000 busy connections, 100 partitions", "Connections", ALONE, (SYNCED, KAFKA, ASYNC),
          producing(1000, 100), BUSY_BARS),
    _load("connections-idle", "5,000 idle and 1,000 busy connections, 100 partitions", "Connections", ALONE, DEFAULTS,
          producing_among_idle(5000, 1000, 100), (*_best(("requests/s", True), ("p99 ms", False)), *FAIR, SMALL_MEMORY)),
    _load("connections-tail-1000", "1,000 consumers woken by each record", "Waiting consumers", ALONE, DEFAULTS, waiting(1000),
          TAIL_BARS),
    _load("connections-tail-5000", "5,000 consumers woken by each record", "Waiting consumers", ALONE, DEFAULTS, waiting(5000),
          TAIL_BARS),
    _load("connections-slow-readers", "50 producers beside 200 readers of 10 KB/s", "Too much", BIG, DEFAULTS,
          slow(200, 10_000, 1), UNNOTICED),
    _load("connections-never-readers", "50 producers beside 200 who ask 20 times and read nothing", "Too much", BIG, DEFAULTS,
          slow(200, 0, 20), UNNOTICED),
    _load("connections-handles", "2,000 connections to a server with 1,024 file handles, beside a producer", "Too much",
          "512 KiB, unbatched, acks=all", DEFAULTS, handles(2000, 700),
          (Limit("alive", SYNCED, 1.0, True), Limit("produce failed", SYNCED, 0.0), Limit("recovered", SYNCED, 1.0, True),
           Limit("lost later", SYNCED, 0.0), Limit("log lines", SYNCED, 10.0), Limit("counted", SYNCED, 1.0, True),
           Limit("idle cpu %", SYNCED, 5.0))),
    _load("connections-memory", "200 requests of 10 MiB held back but for a byte, where 64 MiB may be in flight", "Too much",
          "900 KiB, unbatched, acks=all", DEFAULTS, greedy(200, 10),
          (Limit("failed", SYNCED, 0.0), Limit("peak/allowed", SYNCED, 1.1))),
)

"""The loads: what is done, against which servers, and what each has to reach."""

import dataclasses
import itertools
import time

import clients
import machine
import topics

SIZE = 1024
RUN = f"{time.time_ns() // 1_000_000 % 100_000_000:08d}"
_names = itertools.count()


@dataclasses.dataclass(frozen=True)
class Variant:
    """A server, and the sync mode of the topics on it."""

    server: str
    mode: str
    configs: tuple = ()

    @property
    def name(self):
        return f"{self.server}, {self.mode}"


# Callboard's default and Kafka's default; then both the other way round.
SYNCED = Variant("callboard", "synced before acknowledged")
ASYNC = Variant("callboard", "flush.mode=async", (("flush.mode", "async"),))
KAFKA = Variant("kafka", "unsynced, its default")
KAFKA_SYNCED = Variant("kafka", "flush.messages=1", (("flush.messages", "1"),))
ALL = (SYNCED, KAFKA, ASYNC, KAFKA_SYNCED)
DEFAULTS = (SYNCED, KAFKA)


@dataclasses.dataclass(frozen=True)
class Bar:
    """What one variant has to be of another: `higher` figures are better at the first, or lower ones."""

    figure: str
    ours: Variant
    theirs: Variant
    ratio: float
    higher: bool = True


@dataclasses.dataclass(frozen=True)
class Load:
    """One row of the table."""

    name: str
    what: str
    variants: tuple
    run: object
    bars: tuple
    quick: bool = True


def fresh(server, partitions, configs):
    """A topic that nobody has written to."""
    name = f"load-{RUN}-{next(_names)}"
    topics.create(server.port, name, partitions, dict(configs))
    time.sleep(0.5)
    return name


def _use(figures, use, megabytes):
    figures["cpu s/GB"] = use.cpu / (megabytes / 1000)
    figures["peak MiB"] = use.peak / (1 << 20)
    return figures


def producing(client, partitions, records):
    """Produces into a fresh topic; throughput, CPU per GB, bytes written per byte, the largest resident size."""
    def run(server, variant, scale):
        count = max(int(records * scale), 1000)
        topic = fresh(server, partitions, variant.configs)
        machine.settle()
        with machine.Use(server.process.pid) as use:
            rate = client(server.port, topic, count)
            # What is still dirty was written for these records, too.
            machine.settle()
        topics.delete(server.port, topic)
        megabytes = count * SIZE / 1e6
        figures = {"MB/s": rate, "written/byte": use.written / (megabytes * 1e6)}
        return _use(figures, use, megabytes)
    return run


def rdkafka(port, topic, count):
    return clients.rdkafka_produce(port, topic, count, SIZE)


def java(port, topic, count):
    return clients.java_produce(port, topic, count, SIZE)[0]


class Filled:
    """Topics that were filled once per server and scale, for those who read them."""

    def __init__(self):
        self.topics = {}

    def of(self, server, partitions, count):
        key = (server.name, partitions, count)
        if key not in self.topics:
            self.topics[key] = fresh(server, partitions, ())
            clients.rdkafka_produce(server.port, self.topics[key], count, SIZE)
            machine.settle()
        return self.topics[key]


FILLED = Filled()


def consuming(client, partitions, records, readers=1, cold=False):
    """Reads a filled topic from its beginning; `cold` right after a restart, from the disk."""
    def run(server, variant, scale):
        count = max(int(records * scale), 1000)
        topic = FILLED.of(server, partitions, count)
        if cold:
            server.restart()
            machine.drop_caches()
        with machine.Use(server.process.pid) as use:
            rate = client(server.port, topic, count, readers)
        megabytes = count * SIZE * readers / 1e6
        return _use({"MB/s": rate}, use, megabytes)
    return run


def rdkafka_group(port, topic, count, readers):
    return clients.rdkafka_consume(port, topic, count, SIZE, f"g-{RUN}-{next(_names)}", readers)


def java_consumer(port, topic, count, _):
    return clients.java_consume(port, topic, count, SIZE)


# Our own client beside librdkafka, against either server: what differs is the client.
BENCH = {"path": None}
CLIENTS = tuple(Variant(server, client) for server in ("callboard", "kafka") for client in ("callboard-client", "librdkafka"))


def client(direction, partitions, records):
    def run(server, variant, scale):
        count = max(int(records * scale), 1000)
        topic = FILLED.of(server, partitions, count) if direction == "consume" else fresh(server, partitions, ())
        machine.settle()
        group = f"c-{RUN}-{next(_names)}"
        figures = clients.of_client(variant.mode, direction, server.port, topic, count, SIZE, group, BENCH["path"])
        if direction == "produce":
            topics.delete(server.port, topic)
        return figures
    return run


CLIENT_BARS = tuple(Bar(figure, ours, theirs, 1.0, figure == "MB/s")
                    for ours, theirs in ((CLIENTS[0], CLIENTS[1]), (CLIENTS[2], CLIENTS[3]))
                    for figure in ("MB/s", "client MiB"))


def end_to_end(records):
    def run(server, variant, scale):
        topic = fresh(server, 1, variant.configs)
        figures = clients.end_to_end(server.port, topic, max(int(records * scale), 500))
        topics.delete(server.port, topic)
        return {f"{name} ms": value for name, value in figures.items()}
    return run


def starting(kill):
    """Ends the server and starts it on what it has; how long until it answers."""
    def run(server, variant, scale):
        server.restart(kill)
        time.sleep(2)
        return {"ready s": server.ready_s, "idle MiB": machine.Process(server.process.pid).resident() / (1 << 20)}
    return run


def _produce_bars(synced):
    return (Bar("MB/s", SYNCED, KAFKA, 1.0), Bar("MB/s", SYNCED, KAFKA_SYNCED, synced), Bar("MB/s", ASYNC, KAFKA, 1.5),
            Bar("cpu s/GB", SYNCED, KAFKA, 0.6, False), Bar("peak MiB", SYNCED, KAFKA, 0.2, False))


CONSUME_BARS = (Bar("MB/s", SYNCED, KAFKA, 1.0), Bar("cpu s/GB", SYNCED, KAFKA, 0.6, False),
                Bar("peak MiB", SYNCED, KAFKA, 0.2, False))

LOADS = (
    Load("start", "restarted in order; resident while idle", DEFAULTS, starting(kill=False),
         (Bar("ready s", SYNCED, KAFKA, 0.1, False), Bar("idle MiB", SYNCED, KAFKA, 0.1, False))),
    Load("produce-rdkafka-1", "librdkafka, 1 MB batches, 1 partition", ALL, producing(rdkafka, 1, 1_000_000), _produce_bars(1.5)),
    Load("produce-rdkafka-100", "librdkafka, 1 MB batches, 100 partitions", ALL, producing(rdkafka, 100, 1_000_000),
         _produce_bars(1.5)),
    Load("produce-java-1", "Java producer, 16 KiB batches, 1 partition", ALL, producing(java, 1, 400_000), _produce_bars(5.0)),
    Load("produce-java-100", "Java producer, 16 KiB batches, 100 partitions", ALL, producing(java, 100, 400_000),
         _produce_bars(5.0)),
    Load("produce-rdkafka-10000", "librdkafka, 10,000 partitions", DEFAULTS, producing(rdkafka, 10_000, 200_000),
         (Bar("MB/s", SYNCED, KAFKA, 10.0),), quick=False),
    Load("consume-rdkafka-1", "librdkafka in a group, 1 partition", DEFAULTS, consuming(rdkafka_group, 1, 1_000_000), CONSUME_BARS),
    Load("consume-rdkafka-100", "librdkafka in a group, 100 partitions", DEFAULTS, consuming(rdkafka_group, 100, 1_000_000),
         CONSUME_BARS),
    Load("consume-rdkafka-10x", "ten groups of librdkafka, 1 partition", DEFAULTS,
         consuming(rdkafka_group, 1, 400_000, readers=10), CONSUME_BARS, quick=False),
    Load("consume-java-1", "Java consumer, 1 partition", DEFAULTS, consuming(java_consumer, 1, 1_000_000), CONSUME_BARS),
    Load("consume-cold-1", "librdkafka after a restart, from disk, 1 partition", DEFAULTS,
         consuming(rdkafka_group, 1, 1_000_000, cold=True), CONSUME_BARS, quick=False),
    Load("consume-cold-100", "librdkafka after a restart, from disk, 100 partitions", DEFAULTS,
         consuming(rdkafka_group, 100, 1_000_000, cold=True), CONSUME_BARS, quick=False),
    Load("end-to-end", "EndToEndLatency, one record at a time, acks=all", DEFAULTS, end_to_end(5_000),
         (Bar("p99 ms", SYNCED, KAFKA, 1.0, False),)),
    Load("start-killed", "started after kill -9", DEFAULTS, starting(kill=True),
         (Bar("ready s", SYNCED, KAFKA, 0.1, False),), quick=False),
    Load("client-produce-1", "our client beside librdkafka, produce, 1 partition", CLIENTS, client("produce", 1, 500_000),
         CLIENT_BARS, quick=False),
    Load("client-produce-100", "our client beside librdkafka, produce, 100 partitions", CLIENTS,
         client("produce", 100, 500_000), CLIENT_BARS, quick=False),
    Load("client-consume-1", "our client beside librdkafka, in a group, 1 partition", CLIENTS,
         client("consume", 1, 1_000_000), CLIENT_BARS, quick=False),
    Load("client-consume-100", "our client beside librdkafka, in a group, 100 partitions", CLIENTS,
         client("consume", 100, 1_000_000), CLIENT_BARS, quick=False),
)

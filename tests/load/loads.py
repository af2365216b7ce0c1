"""The loads of other people's clients, and all loads together."""

import itertools
import time

import clients
import connections
import machine
import topics
from clients import servers
from row import ALL, ASYNC, DEFAULTS, KAFKA, KAFKA_SYNCED, SINK, SIZE, SYNCED, TOOLS, Bar, Computed, Limit, Load, Variant, fresh, unique

# Of what is only read or written to warm a server.
WARM_RECORDS = 200_000
# Of memory, by byte that is produced: its page in the server's cache, and what a client has beside.
WARM_TIMES = 2
# One Java producer keeps five batches of 16 KiB in flight to one partition, whatever the server does.
JAVA_WINDOW = 5 * 16 * 1024


def _use(figures, use, megabytes):
    figures["cpu s/GB"] = use.cpu / (megabytes / 1000)
    figures["peak MiB"] = use.peak / (1 << 20)
    return figures


def producing(client, partitions, records, disk=False):
    """Produces into a fresh topic; throughput, CPU per GB, bytes written per byte, the largest resident size; with `disk`
    how long a sync takes just now."""
    def run(server, variant, scale):
        count = max(int(records * scale), 1000)
        topic = fresh(server, partitions, variant.configs)
        machine.settle()
        syncs = {"fdatasync ms": machine.fdatasync_ms(server.folder)} if disk else {}
        with machine.Use(server.process.pid, server.folder) as use:
            with machine.Warm(server.folder, WARM_TIMES * count * SIZE):
                rate = client(server.port, topic, count)
            # What is still dirty was written for these records, too.
            machine.settle()
        topics.delete(server.port, topic)
        megabytes = count * SIZE / 1e6
        figures = {"MB/s": rate, "written/byte": use.written / (megabytes * 1e6), **syncs}
        return _use(figures, use, megabytes)
    return run


def rdkafka(port, topic, count):
    return clients.rdkafka_produce(port, topic, count, SIZE)


def rdkafka_spread(port, topic, count):
    """Every record to a partition of its own choice, where librdkafka else stays with one for a while."""
    return clients.rdkafka_produce(port, topic, count, SIZE, ("sticky.partitioning.linger.ms=0",))


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
    """Reads a filled topic from its beginning: from the page cache, or `cold`, right after a restart, from the disk."""
    def run(server, variant, scale):
        count = max(int(records * scale), 1000)
        topic = FILLED.of(server, partitions, count)
        if cold:
            server.restart()
            # A JVM that has just started is slow: both read something else first.
            warm = FILLED.of(server, 1, WARM_RECORDS)
            for _ in range(2):
                clients.rdkafka_consume(server.port, warm, WARM_RECORDS, SIZE, f"w-{unique()}")
            machine.drop_caches()
        else:
            # A system under load may have dropped what was written minutes ago: who reads it now puts it back.
            clients.rdkafka_consume(server.port, topic, count, SIZE, f"w-{unique()}")
        with machine.Use(server.process.pid) as use:
            rate = client(server.port, topic, count, readers)
        megabytes = count * SIZE * readers / 1e6
        return _use({"MB/s": rate}, use, megabytes)
    return run


def rdkafka_group(port, topic, count, readers):
    return clients.rdkafka_consume(port, topic, count, SIZE, f"g-{unique()}", readers)


def following(records, readers):
    """Groups that read at the end of the log what librdkafka produces meanwhile, after they have all joined."""
    def run(server, variant, scale):
        count = max(int(records * scale), 1000)
        topic = fresh(server, 1, variant.configs)
        with machine.Warm(server.folder, WARM_TIMES * count * SIZE), machine.Use(server.process.pid) as use:
            rate = clients.rdkafka_follow(server.port, topic, count, SIZE, f"g-{unique()}", readers)
        topics.delete(server.port, topic)
        return _use({"MB/s": rate}, use, count * SIZE * readers / 1e6)
    return run


def java_consumer(port, topic, count, _):
    return clients.java_consume(port, topic, count, SIZE)


# Our own client beside librdkafka, against each server: what differs is the client.
CLIENTS = OURS, THEIRS = "callboard-client", "librdkafka"
PROMISES = IDEMPOTENT, PLAIN = "idempotent", "not idempotent"


def _clients(server, said):
    """Both clients told the same, by what is said of the producer."""
    return tuple(Variant(server, f"{client}{', ' * bool(said)}{said}") for client in CLIENTS)


def _pairs(direction):
    """Who has to keep up with whom. Of producers those that promise the same, and the defaults of both: ours is idempotent,
    librdkafka's is not."""
    if direction == "consume":
        yield from (_clients(server, "") for server in ("callboard", "kafka"))
        return
    for server in ("callboard", "kafka", "sink"):
        (idempotent, careful), (plain, default) = _clients(server, IDEMPOTENT), _clients(server, PLAIN)
        yield from ((idempotent, careful), (plain, default), (idempotent, default))


class Written:
    """Topics that the clients of one round write to, one after the other. What a server pays for the first batches of a
    partition is paid before, by a run that does not count: here the client is measured, and Kafka's first look into a
    partition's empty indexes may cost more than a run (the system reads ahead in them)."""

    def __init__(self):
        self.topics = {}

    def of(self, server, partitions, count, takers):
        """A topic for so many takers; then another one."""
        key = (server.name, partitions)
        topic, left = self.topics.get(key, (None, 0))
        if left == 0:
            if topic:
                topics.delete(server.port, topic)
            topic, left = fresh(server, partitions, ()), takers
            rdkafka(server.port, topic, count)
        self.topics[key] = (topic, left - 1)
        return topic


WRITTEN = Written()


def client(direction, partitions, records):
    def run(server, variant, scale):
        count = max(int(records * scale), 1000)
        group, bench = f"c-{unique()}", TOOLS["client-bench"]
        who, _, said = variant.mode.partition(", ")
        if direction == "consume":
            topic = FILLED.of(server, partitions, count)
            return clients.of_client(who == OURS, direction, server.port, topic, count, SIZE, group, bench)
        topic = WRITTEN.of(server, partitions, count, takers=len(CLIENTS) * len(PROMISES))
        machine.settle()
        settings = [f"enable.idempotence={'true' if said == IDEMPOTENT else 'false'}"]
        with machine.Warm(server.folder, WARM_TIMES * count * SIZE), machine.Use(server.process.pid) as use:
            figures = clients.of_client(who == OURS, direction, server.port, topic, count, SIZE, group, bench, settings)
        return {**figures, "cpu s/GB": use.cpu / (count * SIZE / 1e9)}
    return run


def end_to_end(records):
    def run(server, variant, scale):
        topic = fresh(server, 1, variant.configs)
        machine.settle()
        syncs = machine.fdatasync_ms(server.folder)
        figures = clients.end_to_end(server.port, topic, max(int(records * scale), 500))
        topics.delete(server.port, topic)
        return {**{f"{name} ms": value for name, value in figures.items()}, "fdatasync ms": syncs}
    return run


def starting(kill):
    """Ends the server and starts it on what it has; how long until it answers."""
    def run(server, variant, scale):
        server.restart(kill)
        time.sleep(2)
        return {"ready s": server.ready_s, "idle MiB": machine.Process(server.process.pid).resident() / (1 << 20)}
    return run


def starting_with(partitions, records):
    """A server of its own, kill -9 with so many partitions that have records, and how long until it answers again."""
    def run(server, variant, scale):
        with server.another() as other:
            topic = fresh(other, partitions, variant.configs)
            rdkafka_spread(other.port, topic, max(int(records * scale), 1000))
            machine.settle()
            try:
                other.restart(kill=True)
            except servers.Unavailable:
                if server.name != "kafka":
                    raise
                # It was not ready by then, and counts as if it had been.
                return {"ready s": servers.START_WITHIN}
            time.sleep(2)
            return {"ready s": other.ready_s, "idle MiB": machine.Process(other.process.pid).resident() / (1 << 20)}
    return run


def rdkafka_small(port, topic, count):
    """Batches as small as Java's producer makes them, without a second JVM that wants the cores."""
    return clients.rdkafka_produce(port, topic, count, SIZE, ("batch.size=16384",))


def warm(server, seconds):
    """What most loads do, again and again until this time has passed, and once at least; nothing of it counts. A JVM
    compiles what it does often: a cold one is several times slower, and a ratio to it says little. Requests count there, not
    bytes, so most of them are small."""
    until = time.monotonic() + seconds
    filled = FILLED.of(server, 1, WARM_RECORDS)

    def produced(partitions, client, count):
        topic = fresh(server, partitions, ())
        rate = client(server.port, topic, count)
        topics.delete(server.port, topic)
        return rate

    steps = {"small-1": lambda: produced(1, rdkafka_small, 100_000), "small-100": lambda: produced(100, rdkafka_small, 100_000),
             "large-100": lambda: produced(100, rdkafka, 100_000),
             "consume": lambda: clients.rdkafka_consume(server.port, filled, WARM_RECORDS, SIZE, f"w-{unique()}")}
    rates = {name: [] for name in steps}
    for name in itertools.cycle(steps):
        if rates[name] and time.monotonic() > until:
            return rates
        rates[name].append(steps[name]())


def end_to_end_mean(median):
    """Kafka's mean, which waits for no disk, and what a sync before the acknowledgement has to cost at most."""
    mean, syncs = median(KAFKA, "mean ms"), median(SYNCED, "fdatasync ms")
    return None if mean is None or syncs is None else mean + 1.2 * syncs


def java_alone(median):
    """Kafka's rate, or nine tenths of what the client's own window permits where that is less: it is sent once per sync."""
    rate, syncs = median(KAFKA, "MB/s"), median(SYNCED, "fdatasync ms")
    return None if rate is None or not syncs else min(rate, 0.9 * JAVA_WINDOW / 1e6 / (syncs / 1e3))


def _produce_bars(synced, alone=Bar("MB/s", SYNCED, KAFKA, 1.0)):
    return (alone, Bar("MB/s", SYNCED, KAFKA_SYNCED, synced), Bar("MB/s", ASYNC, KAFKA, 1.5),
            Bar("cpu s/GB", SYNCED, KAFKA, 0.6, False), Bar("peak MiB", SYNCED, KAFKA, 0.2, False),
            Limit("written/byte", SYNCED, 2.1))


CONSUME_BARS = (Bar("MB/s", SYNCED, KAFKA, 1.0), Bar("cpu s/GB", SYNCED, KAFKA, 0.6, False),
                Bar("peak MiB", SYNCED, KAFKA, 0.2, False))

START_BARS = (Bar("ready s", SYNCED, KAFKA, 0.1, False), Bar("idle MiB", SYNCED, KAFKA, 0.1, False))
PRODUCE, CONSUME, LATENCY, START, CLIENT = ("Produce", "Consume", "Latency", "Start", "Our client")
LARGE, SMALL, READ = ("1 KiB, 1 MB batches, acks=all", "1 KiB, 16 KiB batches, acks=all", "1 KiB, in 1 MB batches")


def _consume(name, what, run, quick=True, restarts=False):
    return Load(name, what, CONSUME, READ, DEFAULTS, run, CONSUME_BARS, quick, restarts=restarts)


def _client(direction, partitions, records):
    name = f"client-{direction}-{partitions}"
    what = f"our client beside librdkafka, {direction}, {partitions} partition{'s' * (partitions > 1)}"
    pairs = tuple(_pairs(direction))
    variants = tuple(dict.fromkeys(variant for pair in pairs for variant in pair))
    bars = tuple(Bar(figure, ours, theirs, 1.0, figure == "MB/s") for ours, theirs in pairs for figure in ("MB/s", "client MiB"))
    return Load(name, what, CLIENT, LARGE if direction == "produce" else READ, variants, client(direction, partitions, records),
                bars, quick=False, tool="client-bench")


LOADS = (
    Load("start", "restarted in order; resident while idle", START, "", DEFAULTS, starting(kill=False), START_BARS,
         restarts=True),
    Load("produce-rdkafka-1", "librdkafka, 1 partition", PRODUCE, LARGE, (*ALL, SINK), producing(rdkafka, 1, 1_000_000),
         _produce_bars(1.5)),
    Load("produce-rdkafka-100", "librdkafka, 100 partitions", PRODUCE, LARGE, (*ALL, SINK), producing(rdkafka, 100, 1_000_000),
         _produce_bars(1.5)),
    Load("produce-java-1", "Java producer, 1 partition", PRODUCE, SMALL, (*ALL, SINK), producing(java, 1, 400_000, disk=True),
         _produce_bars(5.0, Computed("MB/s", SYNCED, "Kafka unsynced, or 0.9 x 80 KiB per fdatasync", java_alone, True))),
    Load("produce-java-100", "Java producer, 100 partitions", PRODUCE, SMALL, (*ALL, SINK), producing(java, 100, 400_000),
         _produce_bars(5.0)),
    Load("produce-rdkafka-10000", "librdkafka, spread over 10,000 partitions", PRODUCE, LARGE, (SYNCED, KAFKA, ASYNC),
         producing(rdkafka_spread, 10_000, 200_000),
         (Bar("MB/s", SYNCED, KAFKA, 10.0), Bar("MB/s", ASYNC, KAFKA, 1.5), Bar("peak MiB", SYNCED, KAFKA, 0.2, False)),
         quick=False),
    _consume("consume-rdkafka-1", "librdkafka in a group, 1 partition", consuming(rdkafka_group, 1, 1_000_000)),
    _consume("consume-rdkafka-100", "librdkafka in a group, 100 partitions", consuming(rdkafka_group, 100, 1_000_000)),
    _consume("consume-rdkafka-10x", "ten groups of librdkafka, 1 partition",
             consuming(rdkafka_group, 1, 400_000, readers=10), quick=False),
    _consume("consume-java-1", "Java consumer, 1 partition", consuming(java_consumer, 1, 1_000_000)),
    _consume("consume-tail-1", "librdkafka at the tail, beside a producer", following(400_000, 1), quick=False),
    _consume("consume-tail-10x", "ten groups of librdkafka at the tail, beside a producer", following(400_000, 10), quick=False),
    _consume("consume-cold-1", "librdkafka after a restart, from disk, 1 partition",
             consuming(rdkafka_group, 1, 1_000_000, cold=True), quick=False, restarts=True),
    _consume("consume-cold-100", "librdkafka after a restart, from disk, 100 partitions",
             consuming(rdkafka_group, 100, 1_000_000, cold=True), quick=False, restarts=True),
    _consume("consume-cold-10x", "ten groups of librdkafka after a restart, from disk, 1 partition",
             consuming(rdkafka_group, 1, 400_000, readers=10, cold=True), quick=False, restarts=True),
    Load("end-to-end", "EndToEndLatency, one record at a time", LATENCY, "1 KiB, unbatched, acks=all", DEFAULTS,
         end_to_end(5_000), (Computed("mean ms", SYNCED, "Kafka unsynced + 1.2 x fdatasync", end_to_end_mean),
                             Bar("p99 ms", SYNCED, KAFKA, 1.0, False))),
    *connections.LATENCY,
    *connections.CROWDS,
    Load("start-killed", "started after kill -9", START, "", DEFAULTS, starting(kill=True),
         (Bar("ready s", SYNCED, KAFKA, 0.1, False),), quick=False, restarts=True),
    Load("start-killed-10000", "started after kill -9 with 10,000 partitions", START, LARGE, DEFAULTS,
         starting_with(10_000, 50_000), (Bar("ready s", SYNCED, KAFKA, 0.1, False),), quick=False),
    _client("produce", 1, 500_000),
    _client("produce", 100, 500_000),
    _client("consume", 1, 1_000_000),
    _client("consume", 100, 1_000_000),
)

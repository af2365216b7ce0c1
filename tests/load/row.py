"""One row of the table: a load, the servers and sync modes that take it, and what it has to reach."""

import dataclasses
import itertools
import time

import topics

SIZE = 1024
RUN = f"{time.time_ns() // 1_000_000 % 100_000_000:08d}"
_names = itertools.count()
# Tools of our own that loads need, by binary; `run` says where they are.
TOOLS = {}


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
# What the client can at most.
SINK = Variant("sink", "keeps nothing")
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
class Limit:
    """What a figure of one variant has to be, whatever others do. The worst of all rounds counts."""

    figure: str
    ours: Variant
    value: float
    higher: bool = False


@dataclasses.dataclass(frozen=True)
class Computed:
    """What the median of a figure has to be, where that follows from other medians of the same run.

    `wanted` is asked with a function that gives the median of a variant's figure, or None."""

    figure: str
    ours: Variant
    said: str
    wanted: object
    higher: bool = False


@dataclasses.dataclass(frozen=True)
class Load:
    """One row of the table."""

    name: str
    what: str
    # Which of the tables it is in, and what is sent: records, batches, acks.
    table: str
    sent: str
    variants: tuple
    run: object
    bars: tuple
    quick: bool = True
    tool: str = None
    # It restarts the servers that all loads share, and so comes after those that want them warm.
    restarts: bool = False


def unique():
    """A number that no topic and no group of this run has yet."""
    return f"{RUN}-{next(_names)}"


def fresh(server, partitions, configs):
    """A topic that nobody has written to."""
    name = f"load-{unique()}"
    topics.create(server.port, name, partitions, dict(configs))
    time.sleep(0.5)
    return name

"""Consumers of one group as kcat processes, and what they are given."""

import collections
import json
import signal
import subprocess
import threading
import time

# How long a consumer may take to end, in seconds.
END_WITHIN = 30
# Bytes that a consumer is read by at once, and the pause after: slow enough that others can come and go meanwhile. A
# consumer that is not read at all does not take part in a rebalance either.
CHUNK = 64 * 1024
PAUSE = 0.03

class Consumer:
    """One kcat that is a member of a group; notes every record that it is given."""

    def __init__(self, address, group, topic, seen, slowly=True):
        command = ["kcat", "-G", group, "-q", "-u", "-J", "-b", address, "-X", "auto.offset.reset=earliest",
                   "-X", "auto.commit.interval.ms=500", "-X", "heartbeat.interval.ms=500", "-X", "check.crcs=true",
                   "-X", "session.timeout.ms=10000", "-X", "reconnect.backoff.max.ms=500", topic]
        self.seen = seen
        self.slowly = slowly
        self.count = 0
        self.partitions = set()
        self.complaints = collections.deque(maxlen=20)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.take, self.listen)]
        for thread in self.threads:
            thread.start()

    def take(self):
        rest = b""
        while chunk := self.process.stdout.read1(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                record = json.loads(line)
                self.seen.note(record)
                self.partitions.add(record["partition"])
            self.count += len(lines)
            if self.slowly and not self.seen.hurry.is_set():
                time.sleep(PAUSE)

    def listen(self):
        for line in self.process.stderr:
            self.complaints.append(line.decode(errors="replace").rstrip())

    def leave(self):
        """Ends it in order: it commits and leaves the group. Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=END_WITHIN)
        for thread in self.threads:
            thread.join(timeout=END_WITHIN)
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()


class Seen:
    """What the consumers of a group were given: (partition, offset) -> how often, and the record."""

    def __init__(self):
        self.lock = threading.Lock()
        self.times = collections.Counter()
        self.records = collections.defaultdict(dict)
        # Set when nobody comes or goes any more.
        self.hurry = threading.Event()

    def note(self, record):
        with self.lock:
            partition, offset = record["partition"], record["offset"]
            self.times[partition, offset] += 1
            self.records[partition][offset] = (offset, record["ts"], record["key"], record["payload"])

    def distinct(self):
        with self.lock:
            return len(self.times)

    def given(self):
        with self.lock:
            return sum(self.times.values())

    def in_order(self):
        """Every record once: partition -> [(offset, timestamp, key, value)]."""
        with self.lock:
            return {partition: [records[at] for at in sorted(records)] for partition, records in self.records.items()}

    def wait(self, count, within):
        """Waits until so many different records are seen; whether that came to be."""
        until = time.monotonic() + within
        while self.distinct() < count:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

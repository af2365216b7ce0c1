"""Consumers of one group as kcat processes, and the three requests that kcat cannot send."""

import collections
import json
import signal
import socket
import struct
import subprocess
import threading
import time

# How long a coordinator may be away, and a consumer may take to end, in seconds.
COORDINATOR_WITHIN = 30
END_WITHIN = 30
# Bytes that a consumer is read by at once, and the pause after: slow enough that others can come and go meanwhile. A
# consumer that is not read at all does not take part in a rebalance either.
CHUNK = 64 * 1024
PAUSE = 0.03

# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: to be asked again.
AGAIN = {14, 15, 16}


class Refused(Exception):
    """The node answers with an error."""


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


# ---------------------------------------------------------------------------------------------- requests


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


class Answer:
    """Bytes of an answer, read from the front."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values

    def text(self):
        length = self.take("h")
        self.at += max(length, 0)
        return self.data[self.at - length:self.at].decode() if length >= 0 else None


def call(address, api, version, body):
    """One request of an old, plain version, and its answer."""
    host, port = address.rsplit(":", 1)
    request = struct.pack(">hhi", api, version, 1) + text("flights") + body
    with socket.create_connection((host, int(port)), timeout=COORDINATOR_WITHIN) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            (length,) = struct.unpack(">i", stream.read(4))
            return Answer(stream.read(length)[4:])


def insist(ask):
    """Asks until the coordinator serves."""
    until = time.monotonic() + COORDINATOR_WITHIN
    while True:
        code, result = ask()
        if code not in AGAIN:
            break
        if time.monotonic() > until:
            raise Refused(f"the coordinator does not serve: code {code}")
        time.sleep(0.1)
    if code != 0:
        raise Refused(f"the coordinator answers with code {code}")
    return result


def committed(address, group, topic):
    """The committed offsets of a group: partition -> offset (OffsetFetch 2, of all there is)."""
    def ask():
        answer = call(address, 9, 2, text(group) + struct.pack(">i", -1))
        offsets = {}
        for _ in range(answer.take("i")):
            name = answer.text()
            for _ in range(answer.take("i")):
                partition, offset = answer.take("iq")
                answer.text()
                code = answer.take("h")
                if name == topic and code == 0:
                    offsets[partition] = offset
        return answer.take("h"), offsets
    return insist(ask)


def commit(address, group, topic, offsets):
    """Sets the offsets of a group without members (OffsetCommit 2), as a tool that resets a group does."""
    def ask():
        insist(lambda: (call(address, 10, 0, text(group)).take("h"), None))
        body = text(group) + struct.pack(">i", -1) + text("") + struct.pack(">q", -1)
        body += struct.pack(">i", 1) + text(topic) + struct.pack(">i", len(offsets))
        for partition, offset in sorted(offsets.items()):
            body += struct.pack(">iq", partition, offset) + text("")
        answer = call(address, 8, 2, body)
        codes = set()
        for _ in range(answer.take("i")):
            answer.text()
            for _ in range(answer.take("i")):
                codes.add(answer.take("ih")[1])
        return max(codes, default=0), None
    insist(ask)

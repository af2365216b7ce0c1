"""The few requests that kcat cannot send, in old and plain versions of Kafka's protocol."""

import socket
import struct
import time

# How long an answer may take, and a coordinator may be away, in seconds.
ANSWER_WITHIN = 30

# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: to be asked again.
AGAIN = {14, 15, 16}


class Refused(Exception):
    """The node answers with an error."""


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
    with socket.create_connection((host, int(port)), timeout=ANSWER_WITHIN) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            (length,) = struct.unpack(">i", stream.read(4))
            return Answer(stream.read(length)[4:])


def insist(ask):
    """Asks until the coordinator serves."""
    until = time.monotonic() + ANSWER_WITHIN
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


def create_topic(address, topic, partitions, configs):
    """A topic with configs of its own (CreateTopics 2)."""
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">ihii", partitions, 1, 0, len(configs))
    for name, value in configs.items():
        body += text(name) + text(value)
    answer = call(address, 19, 2, body + struct.pack(">i?", ANSWER_WITHIN * 1000, False))
    answer.take("ii")
    answer.text()
    code, message = answer.take("h"), answer.text()
    if code != 0:
        raise Refused(f"topic {topic} is refused with code {code}: {message}")

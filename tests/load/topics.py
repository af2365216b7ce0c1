"""Creating and deleting topics over the wire: a JVM for each would take longer than many a load."""

import socket
import struct
import time

CREATE_TOPICS, DELETE_TOPICS, CREATE_PARTITIONS, METADATA = 19, 20, 37, 3
# Kafka refuses a request that makes more (`Excessively large number of partitions per request`, a policy violation).
AT_ONCE = 5_000


def _text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def _ask(port, key, version, body, seconds=120):
    with socket.create_connection(("127.0.0.1", port), seconds) as stream:
        frame = struct.pack(">hhi", key, version, 1) + _text("load") + body
        stream.sendall(struct.pack(">i", len(frame)) + frame)
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            more = stream.recv(1 << 20)
            if not more:
                raise ConnectionError("closed before the answer")
            data += more
    return data[8:]


def create(port, name, partitions, configs):
    """Creates a topic with one replica and waits until all of its partitions are led."""
    begun = min(partitions, AT_ONCE)
    body = struct.pack(">i", 1) + _text(name) + struct.pack(">ihi", begun, 1, 0) + struct.pack(">i", len(configs))
    for key, value in configs.items():
        body += _text(key) + _text(value)
    answer = _ask(port, CREATE_TOPICS, 4, body + struct.pack(">ib", 120_000, 0))
    error = struct.unpack_from(">h", answer, 8 + 2 + len(name))[0]
    if error:
        raise RuntimeError(f"topic {name} is refused: error {error}")
    for count in range(begun, partitions, AT_ONCE):
        _grow(port, name, min(count + AT_ONCE, partitions))
    until = time.monotonic() + 120
    while not _led(port, name, partitions):
        if time.monotonic() > until:
            raise RuntimeError(f"topic {name} has not all of its leaders after two minutes")
        time.sleep(0.05)


def _grow(port, name, partitions):
    """Gives a topic more partitions, once it is known where the first ones are."""
    body = struct.pack(">i", 1) + _text(name) + struct.pack(">iiib", partitions, -1, 120_000, 0)
    answer = _ask(port, CREATE_PARTITIONS, 0, body)
    error = struct.unpack_from(">h", answer, 8 + 2 + len(name))[0]
    if error:
        raise RuntimeError(f"topic {name} gets no {partitions} partitions: error {error}")


def _led(port, name, partitions):
    answer = _ask(port, METADATA, 1, struct.pack(">i", 1) + _text(name))
    at = 4
    for _ in range(struct.unpack_from(">i", answer, 0)[0]):
        at += 4
        at += 2 + struct.unpack_from(">h", answer, at)[0] + 4
        rack = struct.unpack_from(">h", answer, at)[0]
        at += 2 + max(rack, 0)
    at += 4 + 4  # the controller, and the count of topics
    error, length = struct.unpack_from(">hh", answer, at)
    at += 4 + length + 1
    if error or struct.unpack_from(">i", answer, at)[0] != partitions:
        return False
    at += 4
    for _ in range(partitions):
        error, _, leader = struct.unpack_from(">hii", answer, at)
        if error or leader < 0:
            return False
        at += 10
        for _ in range(2):
            at += 4 + 4 * struct.unpack_from(">i", answer, at)[0]
    return True


def delete(port, name):
    """Deletes a topic; the disk comes back in the server's own time."""
    _ask(port, DELETE_TOPICS, 1, struct.pack(">i", 1) + _text(name) + struct.pack(">i", 60_000))

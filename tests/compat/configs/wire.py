"""The four requests that configs are made with, spoken without any client library: what goes out is what is written here.

Versions are the newest ones without compact encodings: CreateTopics 4, DescribeConfigs 3, AlterConfigs 1,
IncrementalAlterConfigs 0.
"""

import socket
import struct

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
ANSWER_WITHIN = 30


def string(text):
    if text is None:
        return struct.pack(">h", -1)
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Answer:
    """Reads an answer from its first byte to its last."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        (value,) = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def string(self):
        length = self.number("h")
        if length < 0:
            return None
        text = self.data[self.at:self.at + length].decode()
        self.at += length
        return text

    def array(self, item):
        return [item() for _ in range(self.number("i"))]


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), ANSWER_WITHIN)
        self.socket.settimeout(ANSWER_WITHIN)
        self.sent = 0

    def close(self):
        self.socket.close()

    def _read(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise ConnectionError("the connection was closed in the middle of an answer")
            data += piece
        return data

    def ask(self, api, version, body):
        self.sent += 1
        frame = struct.pack(">hhi", api, version, self.sent) + string("configs") + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        (length,) = struct.unpack(">i", self._read(4))
        answer = Answer(self._read(length))
        assert answer.number("i") == self.sent, "an answer to another request"
        return answer

    def create_topic(self, name, configs, validate_only=False, partitions=1):
        entries = [string(key) + string(value) for key, value in configs]
        topic = string(name) + struct.pack(">ih", partitions, 1) + array([]) + array(entries)
        answer = self.ask(19, 4, array([topic]) + struct.pack(">i?", 20000, validate_only))
        answer.number("i")
        ((_, code, message),) = answer.array(lambda: (answer.string(), answer.number("h"), answer.string()))
        return code, message

    def delete_topic(self, name):
        answer = self.ask(20, 3, array([string(name)]) + struct.pack(">i", 20000))
        answer.number("i")
        ((_, code),) = answer.array(lambda: (answer.string(), answer.number("h")))
        return code

    def alter(self, kind, name, ops, validate_only=False):
        """`ops`: (config, operation, value)."""
        entries = [string(key) + struct.pack(">b", op) + string(value) for key, op, value in ops]
        body = array([struct.pack(">b", kind) + string(name) + array(entries)]) + struct.pack(">?", validate_only)
        return self._altered(self.ask(44, 0, body))

    def replace(self, kind, name, configs, validate_only=False):
        entries = [string(key) + string(value) for key, value in configs]
        body = array([struct.pack(">b", kind) + string(name) + array(entries)]) + struct.pack(">?", validate_only)
        return self._altered(self.ask(33, 1, body))

    @staticmethod
    def _altered(answer):
        answer.number("i")
        row = lambda: (answer.number("h"), answer.string(), answer.number("b"), answer.string())
        ((code, message, _, _),) = answer.array(row)
        return code, message

    def describe(self, kind, name, keys=None):
        """The error code and message, and by config name: value, read-only, source, sensitive, synonyms, type."""
        asked = struct.pack(">i", -1) if keys is None else array([string(key) for key in keys])
        body = array([struct.pack(">b", kind) + string(name) + asked]) + struct.pack(">??", True, True)
        answer = self.ask(32, 3, body)
        answer.number("i")

        def synonym():
            return answer.string(), answer.string(), answer.number("b")

        def entry():
            key, value = answer.string(), answer.string()
            read_only, source, sensitive = answer.number("?"), answer.number("b"), answer.number("?")
            synonyms, of = answer.array(synonym), answer.number("b")
            documentation = answer.string()
            return key, {"value": value, "read_only": read_only, "source": source, "sensitive": sensitive,
                         "synonyms": synonyms, "type": of, "documented": bool(documentation)}

        def resource():
            code, message = answer.number("h"), answer.string()
            answer.number("b"), answer.string()
            return code, message, dict(answer.array(entry))

        ((code, message, entries),) = answer.array(resource)
        return code, message, entries

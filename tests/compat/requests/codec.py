"""Kafka's messages by its own schemas: dictionaries to bytes and back, for every API and version that the schemas know.

The schemas are those that the kafka-python package ships (Apache License 2.0).
"""

import json
import pathlib
import re
import socket
import struct
import uuid

INTS = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float64": "d"}


def within(version, versions):
    """Whether a version is in a schema's range: "none", "3", "3+" or "0-2"."""
    if versions in (None, "none"):
        return False
    low, _, high = versions.partition("-")
    if versions.endswith("+"):
        return version >= int(versions[:-1])
    return int(low) <= version <= int(high or low)


def lowered(node):
    """A field's name as this file's users write it: with a small first letter."""
    if "versions" in node and "type" in node and "name" in node:
        node["name"] = node["name"][0].lower() + node["name"][1:]
    return node


class Schemas:
    def __init__(self, folder):
        self.messages = {}
        self.keys = {}
        for path in pathlib.Path(folder).glob("*.json"):
            text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.M)
            schema = json.loads(text, object_hook=lowered)
            self.messages[schema["name"]] = schema
            if schema["type"] == "request":
                self.keys[schema["name"].removesuffix("Request")] = schema["apiKey"]

    def encode(self, api, version, value):
        schema = self.messages[api + "Request"]
        out = bytearray()
        Message(schema, version).write(out, schema["fields"], value)
        return bytes(out)

    def decode(self, api, version, data):
        schema = self.messages[api + "Response"]
        reader = Reader(data)
        value = Message(schema, version).read(reader, schema["fields"])
        if reader.at != len(data):
            raise ValueError(f"{len(data) - reader.at} bytes are left")
        return value

    def flexible(self, api, version):
        return within(version, self.messages[api + "Request"].get("flexibleVersions"))


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise ValueError(f"{count} bytes at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, letter):
        return struct.unpack(">" + letter, self.take(struct.calcsize(letter)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7


def put_varint(out, value):
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def item_of(field):
    """The array may be null, its items may not."""
    return {**field, "nullableVersions": None}


class Message:
    def __init__(self, schema, version):
        self.version = version
        self.flexible = within(version, schema.get("flexibleVersions"))
        self.structs = {s["name"]: s["fields"] for s in schema.get("commonStructs", [])}

    def present(self, fields):
        here = [f for f in fields if within(self.version, f["versions"])]
        tagged = lambda f: within(self.version, f.get("taggedVersions"))
        return [f for f in here if not tagged(f)], [f for f in here if tagged(f)]

    def fields_of(self, kind, field):
        return field.get("fields") or self.structs[kind]

    def default(self, field):
        kind, given = field["type"], field.get("default")
        if given == "null":
            return None
        if kind.startswith("[]"):
            return []
        if kind in INTS:
            return float(given or 0) if kind == "float64" else int(str(given or 0), 0)
        if kind == "bool":
            return str(given).lower() == "true"
        if kind == "uuid":
            return str(uuid.UUID(int=0))
        if kind == "string":
            return given or ""
        if kind in ("bytes", "records"):
            return b""
        plain, tagged = self.present(self.fields_of(kind, field))
        return {f["name"]: self.default(f) for f in plain + tagged}

    def write(self, out, fields, value):
        plain, tagged = self.present(fields)
        unknown = set(value) - {f["name"] for f in plain + tagged}
        if unknown:
            raise ValueError(f"version {self.version} has no {sorted(unknown)}")
        for field in plain:
            self.put(out, field["type"], field, value.get(field["name"], self.default(field)))
        if self.flexible:
            given = [(f["tag"], f) for f in tagged if f["name"] in value]
            put_varint(out, len(given))
            for tag, field in sorted(given, key=lambda pair: pair[0]):
                piece = bytearray()
                self.put(piece, field["type"], field, value[field["name"]])
                put_varint(out, tag)
                put_varint(out, len(piece))
                out += piece

    def length(self, out, count, letter):
        if self.flexible:
            put_varint(out, count + 1)
        else:
            out += struct.pack(">" + letter, count)

    def put(self, out, kind, field, value):
        if kind.startswith("[]"):
            self.length(out, -1 if value is None else len(value), "i")
            for item in value or []:
                self.put(out, kind[2:], item_of(field), item)
        elif kind in INTS:
            out += struct.pack(">" + INTS[kind], value)
        elif kind == "bool":
            out.append(int(value))
        elif kind == "uuid":
            out += uuid.UUID(value).bytes
        elif kind in ("string", "bytes", "records"):
            data = value.encode() if isinstance(value, str) else value
            self.length(out, -1 if data is None else len(data), "h" if kind == "string" else "i")
            out += data or b""
        elif within(self.version, field.get("nullableVersions")):
            out += struct.pack(">b", -1 if value is None else 1)
            if value is not None:
                self.write(out, self.fields_of(kind, field), value)
        else:
            self.write(out, self.fields_of(kind, field), value)

    def read(self, reader, fields):
        plain, tagged = self.present(fields)
        value = {f["name"]: self.get(reader, f["type"], f) for f in plain}
        if self.flexible:
            by_tag = {f["tag"]: f for f in tagged}
            for _ in range(reader.varint()):
                tag, size = reader.varint(), reader.varint()
                piece = Reader(reader.take(size))
                if tag in by_tag:
                    value[by_tag[tag]["name"]] = self.get(piece, by_tag[tag]["type"], by_tag[tag])
                else:
                    value[f"tag {tag}"] = piece.data.hex()
        return value

    def count(self, reader, letter):
        return reader.varint() - 1 if self.flexible else reader.unpack(letter)

    def get(self, reader, kind, field):
        if kind.startswith("[]"):
            count = self.count(reader, "i")
            return None if count < 0 else [self.get(reader, kind[2:], item_of(field)) for _ in range(count)]
        if kind in INTS:
            return reader.unpack(INTS[kind])
        if kind == "bool":
            return bool(reader.take(1)[0])
        if kind == "uuid":
            return str(uuid.UUID(bytes=bytes(reader.take(16))))
        if kind in ("string", "bytes", "records"):
            count = self.count(reader, "h" if kind == "string" else "i")
            data = None if count < 0 else bytes(reader.take(count))
            return data.decode() if kind == "string" and data is not None else data
        if within(self.version, field.get("nullableVersions")) and reader.unpack("b") < 0:
            return None
        return self.read(reader, self.fields_of(kind, field))


class Broker:
    """One connection."""

    def __init__(self, schemas, address, within_seconds=15):
        host, port = address.rsplit(":", 1)
        self.schemas, self.number = schemas, 0
        self.socket = socket.create_connection((host, int(port)), within_seconds)

    def close(self):
        self.socket.close()

    def ask(self, api, version, value):
        """The answer as a dictionary; "closed" if the broker closes the connection instead."""
        self.number += 1
        flexible = self.schemas.flexible(api, version)
        name = b"compare"
        head = struct.pack(">hhih", self.schemas.keys[api], version, self.number, len(name)) + name
        body = head + (b"\0" if flexible else b"") + self.schemas.encode(api, version, value)
        self.socket.sendall(struct.pack(">i", len(body)) + body)
        try:
            answer = self.receive(struct.unpack(">i", self.receive(4))[0])
        except EOFError:
            return "closed"
        reader = Reader(answer)
        if reader.unpack("i") != self.number:
            raise ValueError("an answer to another request")
        if flexible and api != "ApiVersions":
            reader.take(1)
        return self.schemas.decode(api, version, answer[reader.at:])

    def receive(self, count):
        data = b""
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise EOFError
            data += piece
        return data

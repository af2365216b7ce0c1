"""How a scenario in Python tells its tests. Every client goes through the same list, as far as it has the calls.

    create-topics          with partitions and configs; one that exists, and an impossible one, are refused
    produce-CODEC          keys, headers and values, there and back: none, gzip, snappy, lz4, zstd
    group-rebalance        three members share six partitions; one leaves, one joins; every record at least once, and
                           the committed offsets are the ends
    group-cooperative      the same, moving only what has to move
    group-static           a member that comes back within its session keeps its partitions, without a rebalance
    seek-offset, seek-timestamp
    admin-topics           list and describe, more partitions, delete
    admin-configs          describe with all defaults, alter, alter back
    admin-groups           list, describe with its members, delete; a group with members is not deleted
    admin-delete-records   the log starts later; earlier offsets are gone
    admin-offsets          offsets of a group are read, and altered while it is empty
"""

import fnmatch
import os
import time
import traceback

BOOTSTRAP = os.environ["BOOTSTRAP"]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
RUN = f"{os.getpid()}-{int(time.time())}"
TESTS = []


class Wrong(Exception):
    pass


def same(found, expected, what):
    if found != expected:
        raise Wrong(f"{what}: {str(found)[:300]} instead of {str(expected)[:300]}")


def require(holds, what):
    if not holds:
        raise Wrong(what)


def test(name):
    """Registers a test under a name."""
    def keep(body):
        TESTS.append((name, body))
        return body
    return keep


def wanted():
    left_out = os.environ.get("SKIP", "").split()
    only = os.environ.get("ONLY", "").split()
    for name, body in TESTS:
        if any(fnmatch.fnmatchcase(name, glob) for glob in left_out):
            continue
        if not only or any(fnmatch.fnmatchcase(name, glob) for glob in only):
            yield name, body


def told(name, problem):
    if problem is None:
        print(f"pass {name}", flush=True)
        return
    # The reason for the result, the whole of it for the log.
    print("".join(traceback.format_exception(problem)), flush=True)
    kind = "" if isinstance(problem, Wrong) else f"{type(problem).__name__}: "
    print(f"fail {name}: " + " ".join(f"{kind}{problem}".split())[:600], flush=True)


def records(count, tag, first=0):
    """(key, value, headers) that can be told apart."""
    return [(f"key-{n % 50}", f"{tag} value {n} " + "xyz" * 20, [("trace", str(n).encode()), ("empty", b""), ("trace", b"2")])
            for n in range(first, first + count)]

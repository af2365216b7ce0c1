"""librdkafka's own test-suite, from the sources inside the npm package of Confluent's JavaScript client.

Only tests that talk to a broker count: those of librdkafka's own mock broker say nothing about us. Quick mode, and
without those that cut connections inside the client. Each number runs in a process of its own, so that one that aborts
does not end the others. A few want a broker that creates no topics by itself: they are a suite of their own.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import tarfile

import servers
import suite

PACKAGE, VERSION = "@confluentinc/kafka-javascript", "1.10.1"
SHA256 = "ada7d703bb1d3237e2292bfabf438d663b6160c9f1ac2a2406b5dc4257c81b66"
# Which behaviour the tests expect of a broker.
BROKER = servers.VERSION
ONE_TEST_WITHIN = 240
IN_PARTS = "0081_admin"


def built(run):
    """The folder with the tests, built."""
    place = suite.cache(f"librdkafka-{PACKAGE.rpartition('/')[2]}-{VERSION}")
    tests = place / "librdkafka" / "tests"
    if not (place / ".complete").exists():
        for program, package in (("npm", "npm"), ("gcc", "gcc"), ("g++", "g++"), ("make", "make")):
            run.needs(program, package)
        suite.say(f"librdkafka: fetching {PACKAGE} {VERSION} with npm, building its librdkafka and the tests: minutes")
        run.must(["npm", "pack", "--silent", "--pack-destination", place, f"{PACKAGE}@{VERSION}"], 300, "npm pack", cwd=place)
        archive = next(place.glob("*.tgz"))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != SHA256:
            raise suite.Broken(f"{archive.name} has SHA-256 {digest}, expected {SHA256}")
        shutil.rmtree(place / "librdkafka", ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
        shutil.move(place / "package" / "deps" / "librdkafka", place / "librdkafka")
        shutil.rmtree(place / "package")
        archive.unlink()
        top = place / "librdkafka"
        run.must(["./configure", "--disable-sasl", "--disable-curl", "--disable-syslog"], 300, "configure", cwd=top)
        run.must(["make", f"-j{os.cpu_count()}", "libs"], 1200, "make libs", cwd=top)
        run.must(["make", "-C", "tests", f"-j{os.cpu_count()}", "build"], 1200, "make tests", cwd=top)
        (place / ".complete").touch()
    return tests


def tools(home):
    """What a few tests want of an installed Kafka: its scripts for topics, on the jars."""
    bin_folder = home / "bin"
    bin_folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which("java"):
        raise suite.Broken("java is not installed (Debian: apt-get install default-jre-headless)")
    words = servers.java(servers.jars(), "org.apache.kafka.tools.TopicCommand", heap="128M")
    script = bin_folder / "kafka-topics.sh"
    script.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + ' "$@"\n')
    script.chmod(0o755)
    return home


def table(tests, scenario):
    """The tests of the runner that need a broker of this kind: name to number."""
    source = (tests / "test.c").read_text()
    found = {}
    for entry in re.split(r"\b_TEST\(", source[source.index("struct test tests[]"):])[1:]:
        name, flags, more = re.match(r"(\w+),\s*([\w |]+)(.*)", entry, re.S).groups()
        kinds = re.search(r'\.scenario = "([\w,]+)"', more)
        if not re.search("LOCAL|SOCKEM|MANUAL", flags) and scenario in (kinds[1] if kinds else "default").split(","):
            found[name] = name.split("_")[0]
    if len(found) < (60 if scenario == "default" else 3):
        raise suite.Broken(f"only {len(found)} tests found in test.c")
    return found


def parts(tests):
    """The parts of the one test that has many: each admin call. One after the other, so that each counts for itself."""
    source = (tests / f"{IN_PARTS.replace('_', '-')}.c").read_text()
    found = re.findall(r"^static (?:void|int)\s+(do_test_\w+)\(", source, re.M)
    return [name for name in dict.fromkeys(found) if name != "do_test_apis"]


def body(run, scenario):
    tests = built(run)
    config = (tests.parent / "src" / "rdkafka.h").read_text()
    numbers = re.search(r"#define RD_KAFKA_VERSION\s+0x(..)(..)(..)", config).groups()
    run.version("librdkafka " + ".".join(str(int(number, 16)) for number in numbers))
    wanted = {name: number for name, number in table(tests, scenario).items() if run.wanted(name)}
    where = pathlib.Path(run.log_path.with_suffix(".d"))
    where.mkdir()
    try:
        (where / "test.conf").write_text(f"bootstrap.servers={run.bootstrap}\n")
        environment = {"LD_LIBRARY_PATH": f"{tests.parent / 'src'}:{tests.parent / 'src-cpp'}", "CI": "true",
                       "RDKAFKA_TEST_CONF": str(where / "test.conf"), "BROKERS": run.bootstrap,
                       "KAFKA_PATH": str(tools(suite.cache("librdkafka-kafka-path")))}
        def tested(number, **more):
            for report in where.glob("test_report*.json"):
                report.unlink()
            words = [tests / "test-runner", "-p1", "-Q", "-E", "-L", "-r", "-V", BROKER, "-s", scenario]
            return run.command(words, ONE_TEST_WITHIN, cwd=where, env={**environment, "TESTS": number, **more})

        for number in sorted(set(wanted.values())):
            names = [name for name in wanted if wanted[name] == number]
            if names == [IN_PARTS]:
                continue
            code, out = tested(number)
            judge(run, names, code, out, where)
        for part in parts(tests) if IN_PARTS in wanted else []:
            name = f"{IN_PARTS}/{part}"
            if run.wanted(name):
                code, out = tested(IN_PARTS.split("_")[0], SUBTESTS=f"{part}:")
                judge(run, [IN_PARTS], code, out, where, name)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def judge(run, names, code, out, where, as_name=None):
    """What the report says of each test of a number, or what was told before the process ended too early."""
    out = re.sub(r"\x1b\[\d*m", "", out)
    reports = list(where.glob("test_report*.json"))
    told = json.loads(reports[0].read_text())["tests"] if reports else {}
    for name in names:
        state = told.get(name, {}).get("state")
        if f"Test {name} PASSED" in out:
            state = "PASSED"
        if state == "SKIPPED" and f"Test {name}" not in out:
            continue
        if as_name and ": PASS (" not in out and state == "PASSED":
            state = "SKIPPED"
        if state == "PASSED":
            run.result(as_name or name, None)
        elif state == "SKIPPED":
            run.result(as_name or name, "skipped itself: " + "; ".join(re.findall(r"SKIP\w*.*", out))[-300:])
        else:
            why = re.findall(r"(?:Test failed at|TEST FAILURE|failed: |FAILED|Assert).*(?:\n.*)?", out)
            ended = f"not done within {ONE_TEST_WITHIN} s; " if code is None else ""
            run.result(as_name or name, ended + " ".join(why[:4]) or f"exit code {code}: {out[-300:]}")

"""The two servers that suites run against: a fresh Callboard and a fresh Apache Kafka, each on ports of its own."""

import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import time

VERSION = os.environ.get("KAFKA_VERSION", "4.3.1")
LOG4J = "2.25.1"
START_WITHIN = 90
STOP_WITHIN = 20
# What librdkafka's suite wants of a broker; the other suites name their own number or do not care.
PARTITIONS = 4

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>callboard</groupId><artifactId>peer-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-streams</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>{LOG4J}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{LOG4J}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-1.2-api</artifactId><version>{LOG4J}</version></dependency>
  </dependencies>
</project>
"""
LOGGING = """status = error
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
"""


class Unavailable(Exception):
    """A server that cannot be had or does not start."""


def jars():
    """Kafka's jars with those of Kafka Streams, fetched once and checked by mvn against the repository's sums."""
    base = os.environ.get("CALLBOARD_PEERS") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "callboard-peers")
    home = pathlib.Path(base) / f"kafka-{VERSION}"
    if not ((home / ".complete").exists() and list((home / "libs").glob("kafka-streams-*.jar"))):
        for program, package in (("java", "default-jdk-headless"), ("mvn", "maven")):
            if not shutil.which(program):
                raise Unavailable(f"{program} is not installed (Debian: apt-get install {package})")
        print(f"fetching Apache Kafka {VERSION} with mvn", flush=True)
        home.mkdir(parents=True, exist_ok=True)
        (home / "pom.xml").write_text(POM)
        (home / "log4j2.properties").write_text(LOGGING)
        subprocess.run(["mvn", "-q", "-B", "-C", "-f", str(home / "pom.xml"), "dependency:copy-dependencies",
                        f"-DoutputDirectory={home / 'libs'}"], check=True, stdin=subprocess.DEVNULL, timeout=900)
        (home / ".complete").touch()
    return home


def java(home, main, *arguments, heap="512M"):
    return ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}",
            "-cp", f"{home / 'libs'}/*", main, *arguments]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def answers(port):
    """Whether a Metadata request is answered with a broker."""
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as stream:
            stream.settimeout(1)
            body = struct.pack(">hhih1si", 3, 1, 7, 1, b"p", 0)
            stream.sendall(struct.pack(">i", len(body)) + body)
            answer = b""
            while len(answer) < 12:
                more = stream.recv(4096)
                if not more:
                    return False
                answer += more
            return struct.unpack(">i", answer[8:12])[0] > 0
    except OSError:
        return False


def start(words, environment, log):
    """Starts a process whose words go to a log. A node for tests is no context of its user's."""
    everything = {**os.environ, "CALLBOARD_CONTEXTS": "", **environment}
    with open(log, "ab") as out:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=everything)


class Server:
    """A running server; ends with the `with` block that it is in."""

    def __init__(self, name, folder, node=1, partitions=PARTITIONS, auto_create=True, plain=False):
        """`plain`: with as few settings as possible, for a suite that looks at them."""
        self.name = name
        self.node = node
        self.partitions = partitions
        self.auto_create = str(auto_create).lower()
        self.plain = plain
        self.folder = folder
        self.log = folder / f"{name}.log"
        self.process = None
        self.port = None

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        words, environment = self.prepare()
        self.process = start(words, environment, self.log)
        until = time.monotonic() + START_WITHIN
        while time.monotonic() < until and self.process.poll() is None:
            if answers(self.port):
                return self
            time.sleep(0.1)
        said = self.log.read_text(errors="replace")[-1500:]
        self.__exit__()
        raise Unavailable(f"{self.name} did not start: {said}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"


class Callboard(Server):
    def __init__(self, binary, folder, **settings):
        super().__init__("callboard", folder, **settings)
        self.binary = binary

    def prepare(self):
        (self.port,) = free_ports(1)
        words = [self.binary, "dev", "--data", str(self.folder / "data"), "--kafka-port", str(self.port),
                 "--admin-port", "0"]
        if self.plain:
            return words, {"CALLBOARD__NODE__ID": str(self.node)}
        return words, {"CALLBOARD__KAFKA__NUM_PARTITIONS": str(self.partitions), "CALLBOARD__NODE__ID": str(self.node),
                       "CALLBOARD__KAFKA__AUTO_CREATE_TOPICS_ENABLE": self.auto_create,
                       "CALLBOARD__GROUPS__INITIAL_REBALANCE_DELAY": "0ms",
                       "CALLBOARD__GROUPS__MIN_SESSION_TIMEOUT": "1s"}


class Kafka(Server):
    def __init__(self, folder, **settings):
        super().__init__("kafka", folder, **settings)

    def prepare(self):
        home = jars()
        self.port, controller = free_ports(2)
        settings = self.folder / "kafka.properties"
        settings.write_text(f"""process.roles=broker,controller
node.id={self.node}
controller.quorum.voters={self.node}@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={self.folder / "data"}
num.partitions={self.partitions}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
""" + ("" if self.plain else f"""auto.create.topics.enable={self.auto_create}
group.min.session.timeout.ms=1000
"""))
        # Without eligible leader replicas, which put a min.insync.replicas of their own into every answer.
        subprocess.run(java(home, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(settings),
                            "--feature", "eligible.leader.replicas.version=0"),
                       check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        return java(home, "kafka.Kafka", str(settings), heap="1G"), {}

"""The two servers under load, with the settings that their own operators would give them."""

import itertools
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compat"))
import servers  # noqa: E402

# The flags of Kafka's own start script.
FLAGS = ["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
         "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
POLL = 0.002
_others = itertools.count()


class Timed:
    """A server whose start is timed: from its process to the first answer that names a broker."""

    ready_s = None
    # Settings beside the defaults, in the server's own words, and the most file handles that it may have.
    extra = {}
    handles = None

    def restart(self, kill=False):
        """Ends the process, in order or by kill -9, and starts it on the same data and port."""
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(60)
        self.launch()

    def launch(self):
        words, environment = self.words
        if self.handles:
            words = ["sh", "-c", f'ulimit -n {self.handles} && exec "$0" "$@"', *words]
        begun = time.monotonic()
        self.process = servers.start(words, environment, self.log)
        while not servers.answers(self.port):
            if self.process.poll() is not None or time.monotonic() - begun > servers.START_WITHIN:
                # A server that never came up is not left behind.
                self.process.kill()
                self.process.wait()
                raise servers.Unavailable(f"{self.name}: {self.log.read_text(errors='replace')[-1500:]}")
            time.sleep(POLL)
        self.ready_s = time.monotonic() - begun

    def another(self, settings=None, handles=None):
        """One of the same kind on a folder of its own, for loads that would spoil this one."""
        other = self.like(self.folder.parent / f"{self.name}-{next(_others)}")
        other.extra, other.handles = settings or {}, handles
        return other


class Callboard(Timed, servers.Callboard):
    """`callboard dev` on a folder; every default."""

    def like(self, folder):
        return Callboard(self.binary, folder)

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.port,) = servers.free_ports(1)
        self.words = ([self.binary, "dev", "--data", str(self.folder / "data"), "--kafka-port", str(self.port),
                       "--admin-port", "0"], {"CALLBOARD__GROUPS__INITIAL_REBALANCE_DELAY": "0ms", **self.extra})
        self.launch()
        return self


class Kafka(Timed, servers.Kafka):
    """A real Kafka, combined mode, its own defaults and flags."""

    def like(self, folder):
        return Kafka(folder)

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        words, environment = self.prepare()
        with open(self.folder / "kafka.properties", "a") as settings:
            settings.writelines(f"{name}={value}\n" for name, value in self.extra.items())
        home, main = servers.jars(), words.index("-cp")
        logging = [word for word in words if word.startswith("-Dlog4j2")]
        self.words = (["java", *FLAGS, *logging, "-cp", f"{home / 'libs'}/*", *words[main + 2:]], environment)
        self.launch()
        return self


class Sink(servers.Server):
    """A server that keeps nothing (`callboard-sink`): what a client reaches with it no server can make it do."""

    def __init__(self, binary, folder):
        super().__init__("sink", folder)
        self.binary = binary

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = servers.start([self.binary], {}, self.log)
        until = time.monotonic() + servers.START_WITHIN
        while not (told := self.log.read_text()).endswith("\n"):
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                self.process.wait()
                raise servers.Unavailable(f"{self.name}: {told}")
            time.sleep(POLL)
        self.port = int(told)
        return self

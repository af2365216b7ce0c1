"""The two servers under load, with the settings that their own operators would give them."""

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


class Timed:
    """A server whose start is timed: from its process to the first answer that names a broker."""

    ready_s = None

    def restart(self, kill=False):
        """Ends the process, in order or by kill -9, and starts it on the same data and port."""
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(60)
        self.launch()

    def launch(self):
        words, environment = self.words
        begun = time.monotonic()
        self.process = servers.start(words, environment, self.log)
        while not servers.answers(self.port):
            if self.process.poll() is not None or time.monotonic() - begun > servers.START_WITHIN:
                raise servers.Unavailable(f"{self.name}: {self.log.read_text(errors='replace')[-1500:]}")
            time.sleep(POLL)
        self.ready_s = time.monotonic() - begun


class Callboard(Timed, servers.Callboard):
    """`callboard dev` on a folder; every default."""

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.port,) = servers.free_ports(1)
        self.words = ([self.binary, "dev", "--data", str(self.folder / "data"), "--kafka-port", str(self.port),
                       "--admin-port", "0"], {"CALLBOARD__GROUPS__INITIAL_REBALANCE_DELAY": "0ms"})
        self.launch()
        return self


class Kafka(Timed, servers.Kafka):
    """A real Kafka, combined mode, its own defaults and flags."""

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        words, environment = self.prepare()
        home, main = servers.jars(), words.index("-cp")
        logging = [word for word in words if word.startswith("-Dlog4j2")]
        self.words = (["java", *FLAGS, *logging, "-cp", f"{home / 'libs'}/*", *words[main + 2:]], environment)
        self.launch()
        return self

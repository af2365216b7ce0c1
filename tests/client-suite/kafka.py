"""A fresh Apache Kafka for the stories: prints its address once it answers, runs until it is told to stop.

    python3 kafka.py FOLDER
"""

import pathlib
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compat"))
import servers  # noqa: E402  (the path must be set first)

stop = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: stop.set())
with servers.Kafka(pathlib.Path(sys.argv[1]) / "kafka") as kafka:
    print(f"Kafka   {kafka.bootstrap}", flush=True)
    stop.wait()

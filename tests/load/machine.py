"""What this machine says: the disk's speed, and what a process used of it."""

import os
import pathlib
import statistics
import tempfile
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def fdatasync_ms(folder, writes=200, size=4096):
    """The median time of one small append made durable, in milliseconds: what every synced acknowledgement waits for."""
    path = pathlib.Path(folder) / "fdatasync"
    took = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(writes):
            file.write(b"x" * size)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    path.unlink()
    return statistics.median(took)


def write_mb_s(folder, mib=256):
    """What the disk takes in one stream, synced at the end, in MB/s."""
    path = pathlib.Path(folder) / "stream"
    block = os.urandom(1 << 20)
    begun = time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        for _ in range(mib):
            file.write(block)
        os.fdatasync(file.fileno())
    took = time.perf_counter() - begun
    path.unlink()
    return mib * (1 << 20) / 1e6 / took


class Warm:
    """Memory for what runs in a `with` block: as it takes some, as much is given back that was in use until then.

    A virtual machine may hand what is free to its host within seconds, and the first touch of such a page costs several times
    what is measured: whoever happens to come first, or in the wrong second, would be two or three times slower."""

    AHEAD = 64 << 20
    EVERY = 0.004

    def __init__(self, folder, size):
        self.folder, self.left = folder, size

    def __enter__(self):
        # As a server would: what is given back comes in the same pieces.
        self.file, path = tempfile.mkstemp(dir=self.folder)
        os.unlink(path)
        block = bytes(1 << 20)
        try:
            for _ in range(self.left // len(block)):
                os.write(self.file, block)
        except OSError:
            os.close(self.file)
            raise
        self.free, self.over = _free(), threading.Event()
        self.giving = threading.Thread(target=self._give)
        self.giving.start()
        return self

    def _give(self):
        while self.left > 0 and not self.over.wait(self.EVERY):
            wanted = self.free + self.AHEAD - _free()
            if wanted > 0:
                self.left = max(self.left - wanted, 0)
                os.ftruncate(self.file, self.left)

    def __exit__(self, *_):
        self.over.set()
        self.giving.join()
        os.close(self.file)


def _free():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemFree"))


SECTOR = 512


def device_written(folder):
    """Bytes that the device of a folder has taken since it was there; `None` where there is none to ask.

    A process's own account is no measure of small writes over old data: Linux enters a large folio as a whole when a part of
    it is changed, and writes only that part."""
    device = os.stat(folder).st_dev
    try:
        fields = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
    except OSError:
        return None
    return int(fields[6]) * SECTOR


def settle():
    """Everything dirty goes to disk, so that nobody pays for what came before."""
    os.sync()


def drop_caches():
    """Forgets what files are cached; false where that is not allowed."""
    settle()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return True
    except OSError:
        return False


class Process:
    """What one process uses, read from /proc."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")

    def cpu_seconds(self):
        # The name in brackets may hold spaces.
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _status(self, name):
        for line in (self.folder / "status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise KeyError(name)

    def resident(self):
        return self._status("VmRSS")

    def peak(self):
        """The largest resident size since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self):
        (self.folder / "clear_refs").write_text("5")

    def written_bytes(self):
        for line in (self.folder / "io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        raise KeyError("write_bytes")


class Use:
    """CPU, bytes written and the largest resident size of a process during a `with` block. What is written is what the
    device under its folder takes, if one is named and there is one; nobody else writes there meanwhile."""

    def __init__(self, pid, folder=None):
        self.process, self.folder = Process(pid), folder

    def _written(self):
        written = device_written(self.folder) if self.folder else None
        return self.process.written_bytes() if written is None else written

    def __enter__(self):
        self.process.forget_peak()
        self.cpu, self.written = self.process.cpu_seconds(), self._written()
        return self

    def __exit__(self, *_):
        self.cpu = self.process.cpu_seconds() - self.cpu
        self.written = self._written() - self.written
        self.peak = self.process.peak()

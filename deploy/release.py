"""Builds a release into `dist`, twice, and tries it: `make release`.

The commit that is checked out is built, from a clean export. Nobody has to believe the files: the same
commit gives the same bytes on each supported Python, and `dist/SHA256SUMS` names them. A failed check raises
`SystemExit` with a sentence; `dist` is only replaced by a release that has passed all of them.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent
BESIDE = (
    "config.example.toml",
    "deploy/constraints.txt",
    "deploy/dca-bot.service",
    "deploy/Containerfile",
    "deploy/compose.yaml",
)
"""What whoever has no checkout needs beside the wheel."""
SBOM = "sbom.cdx.json"
RELAY, LNBITS, KEY = "wss://relay.example.com", "https://lnbits.example.com", "0" * 32
ANSWERS = (RELAY, LNBITS, KEY, "GTQ", "", "4", "exported")
"""What `init` is told after the operator's npub; the currency is followed by zone, source and folder."""
IMPORT_EACH = """
import importlib, pkgutil, sys
import dca_bot
extras = set(sys.argv[1].split())
for module in pkgutil.walk_packages(dca_bot.__path__, "dca_bot."):
    try:
        module.name.endswith("__main__") or importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if error.name not in extras:
            raise
"""
EXTRAS = "apprise matplotlib nostr_sdk"
"""Modules that come with an extra; without it, what needs them says so."""


def main(versions: str) -> None:
    """Build, compare, try and put down a release; `versions`: the Pythons to try it on, as `3.12 3.11`."""
    version = refuse_unready()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = build(folder, "first")
        if bytes_of(files) != bytes_of(build(folder, "second")):
            raise SystemExit("Two builds of this commit differ; nothing is released.")
        run([TOOLS / "twine", "check", "--strict", *files], cwd=folder)
        wheel, sdist = files
        run([TOOLS / "check-wheel-contents", wheel], cwd=folder)
        release = folder / "dist"
        gather(release, wheel, sdist)
        pythons = [f"python{one}" for one in versions.split() if is_there(f"python{one}")]
        if not pythons:
            raise SystemExit(f"None of Python {versions} is on the PATH; nothing is released.")
        for python in pythons:
            print(f"== {python}: installed from its hashes, built again, tried", flush=True)
            try_release(folder / python, python, release, version)
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        shutil.copytree(release, ROOT / "dist")
    print((ROOT / "dist" / "SHA256SUMS").read_text(encoding="utf-8"), end="")
    print(f"dca-bot {version} is in dist, tried on {', '.join(pythons)}.")


def refuse_unready() -> str:
    """Return the version of this checkout; raise SystemExit unless it is committed and described."""
    if run(["git", "status", "--porcelain"], cwd=ROOT):
        raise SystemExit("There are changes that no commit has; commit them, or put them away.")
    program = (ROOT / "dca_bot" / "__init__.py").read_text(encoding="utf-8")
    version = program.split('__version__ = "')[1].split('"')[0]
    fault = changelog_fault((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    if fault:
        raise SystemExit(f"CHANGELOG.md: {fault}")
    return version


def changelog_fault(text: str, version: str) -> str:
    """Say what a changelog lacks for the release of a version; empty for one that is ready."""
    parts = re.split(r"^## \[(.+?)\].*$", text, flags=re.MULTILINE)
    content = {name: part.strip() for name, part in zip(parts[1::2], parts[2::2], strict=True)}
    if not content.get(version):
        return f"what is new in {version} isn't written there."
    if content.get("Unreleased"):
        return "what stands under Unreleased belongs to a version; the program's is in dca_bot/__init__.py."
    return ""


def build(folder: Path, name: str) -> list[Path]:
    """Export the commit, and build wheel and sdist in the export."""
    export = folder / name
    export.mkdir()
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "x"], cwd=export, input=archive.stdout, check=True)
    run([TOOLS / "hatchling", "build", "-d", "built"], cwd=export)
    return [next((export / "built").glob(pattern)) for pattern in ("*.whl", "*.tar.gz")]


def gather(release: Path, wheel: Path, sdist: Path) -> None:
    """Put wheel, sdist and what an operator needs beside them into one folder, with their hashes.

    `requirements.txt` installs the wheel and all it needs; pip refuses any file with another hash.
    """
    release.mkdir()
    for path in (wheel, sdist, ROOT / SBOM, *(ROOT / name for name in BESIDE)):
        shutil.copyfile(path, release / path.name)
    lock = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8")
    own = f"./{wheel.name} \\\n    --hash=sha256:{sha256(wheel)}\n"
    (release / "requirements.txt").write_text(own + lock, encoding="utf-8")
    sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(release.iterdir())]
    (release / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def try_release(folder: Path, python: str, release: Path, version: str) -> None:
    """Install a release into an environment of its own, and use each part that needs no other program."""
    run([python, "-m", "venv", folder], cwd=release)
    programs = folder / "bin"
    run([programs / "pip", "install", "-q", "-r", "requirements.txt"], cwd=release)
    run([programs / "pip", "check"], cwd=release)
    again = folder / "again"
    (sdist,) = release.glob("*.tar.gz")
    run([programs / "pip", "wheel", "-q", "--no-deps", "-w", again, sdist], cwd=release)
    (wheel,) = again.iterdir()
    if sha256(wheel) != sha256(release / wheel.name):
        raise SystemExit(f"With {python} the sdist makes another wheel; nothing is released.")
    run([programs / "python", "-I", "-c", IMPORT_EACH, EXTRAS], cwd=folder)
    use(programs / "dca-bot", folder, version)


def use(dca_bot: Path, folder: Path, version: str) -> None:
    """Use an installed program in a folder; raise SystemExit where an answer is wrong."""

    def said(*words: str | Path, text: str = "") -> str:
        return run([dca_bot, *words], cwd=folder, text=text)

    sample = next((folder / "lib").glob("python*/site-packages/dca_bot/demo/sample"))
    (folder / "clients.csv").write_text("name,balance\nana,1000\nluis,500\n", encoding="utf-8")
    simulated = said("simulate", "--export", sample, "--clients", "clients.csv", "--json")
    understood = said("understand", "--language", "es", text="¿cuánto tengo?\n")
    npub = said("chat", "--new", "--key", "me.nsec").split()[-1]
    asked = said("init", text="\n".join([npub, *ANSWERS, ""]))
    checks = {
        "version": json.loads(said("version", "--json"))["version"] == version,
        "simulate": any(json.loads(line)["shares"] for line in simulated.splitlines()),
        "understand": json.loads(understood)["intents"][0]["intent"] == "balance",
        "init": "npub1" in asked,
        "upgrade-check": "config.toml is complete" in said("upgrade-check"),
    }
    wrong = [name for name, is_right in checks.items() if not is_right]
    if wrong:
        raise SystemExit(f"The installed program fails: {', '.join(wrong)}; nothing is released.")


def run(words: list[str | Path], *, cwd: Path, text: str = "") -> str:
    """Run a program to its end and return what it printed; raise SystemExit with its complaints."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "PIP_CONSTRAINT")
        },
    )
    if done.returncode != 0:
        raise SystemExit(f"{words[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def is_there(python: str) -> bool:
    """Tell whether a Python is on the PATH; a shim of a version manager may stand for none."""
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def bytes_of(files: list[Path]) -> list[tuple[str, str]]:
    """Return name and hash of each file."""
    return [(path.name, sha256(path)) for path in files]


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1])

"""Run the wallet tests against older versions of LNbits, on SQLite and on PostgreSQL, and print a table.

Each version has an environment of its own under `.lnbits-versions`. What a run starts is ended with it.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINS = ROOT / "deploy" / "lnbits-versions.txt"
ENVIRONMENTS = ROOT / ".lnbits-versions"
TESTS = (
    "tests/lnbits/test_lnbits_wallet.py",
    "tests/lnbits/test_lease_at_lnbits.py",
    "tests/lnbits/test_external_payments.py",
    "tests/lnbits/test_odd_rows.py",
    "tests/lnbits/test_shared_wallets.py",
    "tests/jobs/payouts/test_lnbits_zones.py",
)
DATABASES = {"SQLite": "sqlite", "PostgreSQL": "Asia/Kolkata America/Guatemala"}
INSTALL_LIMIT_S = 600
RUN_LIMIT_S = 1200
END_LIMIT_S = 60
SHOWN_MAX = 20


def main() -> int:
    """Test the versions that are named, else all; return 0 if every test has passed."""
    wanted = sys.argv[1:]
    table = {}
    for requirements in pinned():
        version = requirements[0].partition("==")[2]
        if not wanted or version in wanted:
            binary = install(version, requirements)
            for name, zones in DATABASES.items():
                table[version, name] = run(version, name, binary, zones)
    say(f"\n{'LNbits':<8}" + "".join(f"{name:<28}" for name in DATABASES))
    for version in dict.fromkeys(version for version, _ in table):
        say(f"{version:<8}" + "".join(f"{table[version, name]:<28}" for name in DATABASES))
    return 0 if all(re.fullmatch(r"\d+ passed", result) for result in table.values()) else 1


def pinned() -> list[list[str]]:
    lines = PINS.read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def install(version: str, requirements: list[str]) -> Path:
    """Make the environment of a version, unless it is there; return its `lnbits` command."""
    folder = ENVIRONMENTS / version
    script = ["sh", ROOT / "deploy" / "environment.sh"]
    if subprocess.run([*script, "--is-whole", folder], check=False).returncode != 0:
        say(f"== LNbits {version} into {folder.relative_to(ROOT)}")
        python = ROOT / ".lnbits" / "bin" / "python"
        which = ["3.12 3.11", python, "LNBITS_PYTHON"]
        subprocess.run(
            [*script, folder, *which, *requirements], check=True, timeout=INSTALL_LIMIT_S
        )
    return folder / "bin" / "lnbits"


def run(version: str, name: str, binary: Path, zones: str) -> str:
    """Run the tests on a database; return pytest's count of what has passed and failed."""
    say(f"== LNbits {version} on {name}")
    with tempfile.TemporaryDirectory(prefix="dca-bot-versions-") as folder:
        # PostgreSQL, which refuses root, runs in it as somebody else.
        Path(folder).chmod(0o755)
        environment = {
            **os.environ,
            "DCA_BOT_LNBITS_BIN": str(binary),
            "DCA_BOT_LNBITS_DATABASES": zones,
            "TMPDIR": folder,
        }
        tests = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *TESTS],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = tests.communicate(timeout=RUN_LIMIT_S)
        except subprocess.TimeoutExpired:
            # pytest ends what it has started when it is interrupted.
            tests.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                tests.communicate(timeout=END_LIMIT_S)
            output = f"no end within {RUN_LIMIT_S} s"
        finally:
            end_group(tests)
            end_postgres(Path(folder))
    log = ENVIRONMENTS / f"{version}-{name}.log"
    log.write_text(output, encoding="utf-8")
    *_, result = lines = output.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    say("\n".join([*failed[:SHOWN_MAX], f"{result}; all of it: {log.relative_to(ROOT)}"]))
    return re.sub(r" in [\d.]+s.*", "", result)


def end_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def end_postgres(folder: Path) -> None:
    """End a PostgreSQL whose starter was killed; a stopped one has no such file any more."""
    for path in folder.glob("**/data/postmaster.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.read_text().splitlines()[0]), signal.SIGKILL)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())

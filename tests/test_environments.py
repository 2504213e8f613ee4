"""What `make setup` makes of environments that aren't whole.

`make`, the recipes and the environments are real; pip, which would need the package index, is a stub that
writes down what it is asked for.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VERSION = "{}.{}".format(*sys.version_info)
PIP = """\
import pathlib, sys
pathlib.Path(sys.prefix, "asked").open("a").write(" ".join(sys.argv[1:]) + "\\n")
raise SystemExit(pathlib.Path(sys.prefix).with_name("no-network").exists())
"""
# Makes environments without pip, which is quick, and puts the stub where pip would be.
PYTHON = """\
#!/bin/sh
if [ "$1 $2" != "-m venv" ]; then exec "{python}" "$@"; fi
"{python}" -m venv --without-pip "$3"
mkdir "$3/lib/python{version}/site-packages/pip"
cp "{pip}" "$3/lib/python{version}/site-packages/pip/__main__.py"
"""
DEBIAN = """\
#!/bin/sh
case "$*" in *ensurepip*) echo "No module named ensurepip" >&2; exit 1 ;; esac
exec "{python}" "$@"
"""
NEWER = "#!/bin/sh\necho 3.99\n"


class Checkout:
    """A folder with the project's recipes, and programs that stand for Pythons."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.programs = folder / "programs"
        self.programs.mkdir(parents=True)
        (self.folder / "deploy").mkdir(parents=True)
        deployed = [path for path in (ROOT / "deploy").iterdir() if path.is_file()]
        for path in (ROOT / "Makefile", ROOT / "pyproject.toml", *deployed):
            shutil.copy(path, self.folder / path.relative_to(ROOT))
        pip = folder / "pip.py"
        pip.write_text(PIP, encoding="utf-8")
        self.pythons = {
            name: self._program(name, text.format(python=sys.executable, version=VERSION, pip=pip))
            for name, text in {"good": PYTHON, "debian": DEBIAN, "newer": NEWER}.items()
        }

    def _program(self, name: str, text: str) -> Path:
        path = self.programs / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def make(
        self, target: str = ".venv/.complete", python: str = "good"
    ) -> subprocess.CompletedProcess[str]:
        program = self.pythons[python]
        pythons = (f"PYTHON={program}", f"LNBITS_PYTHON={program}", f"LNBITS_VERSIONS={VERSION}")
        return subprocess.run(
            ["make", "--no-print-directory", target, *pythons],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        )

    def asked(self, environment: str = ".venv") -> list[str]:
        """What pip was asked for in an environment, since that was made."""
        path = self.folder / environment / "asked"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def is_up_to_date(checkout: Checkout, target: str = ".venv/.complete") -> bool:
    return "is up to date" in checkout.make(target).stdout


@pytest.mark.parametrize("environment", [".venv", ".lnbits"])
def test_setup_makes_an_environment_once(checkout, environment):
    target = f"{environment}/.complete"
    assert checkout.make(target).returncode == 0
    assert is_up_to_date(checkout, target)
    assert len(checkout.asked(environment)) == 1


def test_environment_without_pip_is_made_anew(checkout):
    # As Debian leaves it without python3-venv.
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", checkout.folder / ".venv"], check=True
    )
    done = checkout.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert len(checkout.asked()) == 1


@pytest.mark.parametrize("environment", [".venv", ".lnbits"])
def test_environment_whose_installation_broke_off_is_made_anew(checkout, environment):
    (checkout.folder / "no-network").touch()
    assert checkout.make(f"{environment}/.complete").returncode != 0
    (checkout.folder / environment / "half").touch()
    (checkout.folder / "no-network").unlink()
    assert checkout.make(f"{environment}/.complete").returncode == 0
    assert not (checkout.folder / environment / "half").exists()


def test_environment_whose_python_is_gone_is_made_anew(checkout):
    assert checkout.make().returncode == 0
    for path in (checkout.folder / ".venv" / "bin").glob("python*"):
        path.unlink()
        path.symlink_to("/gone/python3")
    done = checkout.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert (checkout.folder / ".venv" / "bin" / "python").exists()
    assert len(checkout.asked()) == 1


def test_environment_of_another_version_of_python_is_made_anew(checkout):
    assert checkout.make().returncode == 0
    complete = checkout.folder / ".venv" / ".complete"
    text = complete.read_text(encoding="utf-8")
    complete.write_text(text.replace(VERSION.replace(".", " "), "3 1"), encoding="utf-8")
    assert not is_up_to_date(checkout)
    assert len(checkout.asked()) == 1


def test_moved_checkout_gets_environments_of_its_own(checkout):
    # The programs in .venv/bin, and what is installed there, name the old folder.
    assert checkout.make().returncode == 0
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("elsewhere"))
    assert not is_up_to_date(checkout)
    assert str(checkout.folder) in (checkout.folder / ".venv" / ".complete").read_text()
    assert is_up_to_date(checkout)


def test_changed_dependencies_are_installed_into_the_environment_that_is_there(checkout):
    assert checkout.make().returncode == 0
    newer = (checkout.folder / ".venv" / ".complete").stat().st_mtime + 10
    os.utime(checkout.folder / "pyproject.toml", (newer, newer))
    assert checkout.make().returncode == 0
    assert checkout.asked() == ["install -q -c deploy/constraints.txt -e .[dev]"] * 2


@pytest.mark.parametrize("target", [".venv/.complete", ".lnbits/.complete"])
def test_python_without_venv_is_told_with_the_package_to_install(checkout, target):
    done = checkout.make(target, "debian")
    assert done.returncode != 0
    assert f"apt install python{VERSION}-venv" in done.stderr
    assert not (checkout.folder / target).parent.exists()
    assert checkout.make(target).returncode == 0


def test_python_that_is_too_new_is_told_with_the_versions_that_fit(checkout):
    done = checkout.make(python="newer")
    assert done.returncode != 0
    assert "3.12 3.11 3.13" in done.stderr
    assert "make PYTHON=/path/to/python" in done.stderr


def test_package_make_and_readme_name_the_same_versions_of_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    versions = re.search("^VERSIONS := (.*)$", makefile, re.MULTILINE)[1].split()
    assert project["requires-python"] == ">=3.11,<3.14"
    assert sorted(versions) == ["3.11", "3.12", "3.13"]
    assert "Python 3.11, 3.12 or 3.13" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert VERSION in versions

"""What is released: a described version, hashes that agree with the pins, and files that fit each other."""

import importlib.util
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BROUGHT_ALONG = {"pil", "uvicorn"}
"""What comes with matplotlib, and with LNbits in its own environment."""
_SPEC = importlib.util.spec_from_file_location("release", DEPLOY / "release.py")
release = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(release)
IMPORTED = re.compile(r"^ *(?:import|from) (\w+)(?:\.[\w.]+)?(?= import|$| as )", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Versions by name in a file of `deploy`, of what is installed on this platform."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    lines = re.findall(r"^(\S+==[^\\\n]*)", text, re.MULTILINE)
    found = [one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate()]
    return {canonicalize_name(one.name): str(one.specifier) for one in found}


def closure(listed: list[str], seen: set[str]) -> set[str]:
    """Names of what is listed and of all that this needs here, without extras."""
    for one in map(Requirement, listed):
        name = canonicalize_name(one.name)
        if name not in seen and (one.marker is None or one.marker.evaluate({"extra": ""})):
            seen.add(name)
            closure(requires(name) or [], seen)
    return seen


def test_each_package_that_the_program_imports_is_declared():
    """What another dependency happened to bring along is gone with its next version."""
    extras = PROJECT["project"]["optional-dependencies"]
    listed = [*PROJECT["project"]["dependencies"]]
    listed += [one for extra in ("alerts", "charts", "demo") for one in extras[extra]]
    declared = {canonicalize_name(Requirement(one).name) for one in listed}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "dca_bot").rglob("*.py")]
    codes = [re.sub(r'""".*?"""', "", text, flags=re.DOTALL) for text in texts]
    names = {name for code in codes for name in IMPORTED.findall(code)}
    brought = packages_distributions()
    foreign = {
        name
        for name in names - set(sys.stdlib_module_names) - {"dca_bot"}
        if not declared & {canonicalize_name(one) for one in brought.get(name, [])}
    }
    assert foreign == set()


def test_lock_has_the_versions_of_the_constraints_and_all_that_the_bot_needs():
    lock, constraints = pins("requirements.txt"), pins("constraints.txt")
    assert lock.items() <= constraints.items(), "make lock"
    assert lock.keys() == closure(PROJECT["project"]["dependencies"], set()), "make lock"


def test_package_imports_what_it_names_as_needed():
    extras = PROJECT["project"]["optional-dependencies"]
    listed = [
        *PROJECT["project"]["dependencies"],
        *extras["alerts"],
        *extras["charts"],
        *extras["demo"],
    ]
    named = {canonicalize_name(Requirement(one).name) for one in listed}
    imported = {
        canonicalize_name(module)
        for path in (ROOT / "dca_bot").rglob("*.py")
        for module in re.findall(
            r"^\s*(?:from|import) (\w+)[ .\n]", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        if module not in {*sys.stdlib_module_names, "dca_bot"}
    }
    assert imported - named == BROUGHT_ALONG


def test_each_line_of_the_lock_has_hashes():
    text = (DEPLOY / "requirements.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 30
    assert [one for one in blocks if "--hash=sha256:" not in one] == []


def test_release_is_built_by_the_backend_that_pip_would_take():
    tools = pins("release-constraints.txt")
    for one in map(Requirement, PROJECT["build-system"]["requires"]):
        assert tools[canonicalize_name(one.name)] == str(one.specifier)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("## [Unreleased]\n\n## [1.0.0] - 2026-01-02\n\n- new\n", ""),
        ("## [Unreleased]\n\n- more\n\n## [1.0.0] - 2026-01-02\n\n- new\n", "Unreleased belongs"),
        ("## [Unreleased]\n\n## [1.0.0] - 2026-01-02\n\n## [0.9.0]\n\n- old", "isn't written"),
        ("## [Unreleased]\n\n## [0.9.0] - 2026-01-01\n\n- old\n", "isn't written"),
        ("", "isn't written"),
    ],
)
def test_version_is_released_with_its_part_of_the_changelog_only(text, fault):
    said = release.changelog_fault(text, "1.0.0")
    assert fault in said
    assert bool(said) is bool(fault)


def test_page_of_a_package_index_has_no_link_to_a_file_that_is_not_there():
    (rule,) = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/" in text
    shown = re.sub(rule["pattern"], rule["replacement"], text)
    assert re.findall(r"\]\((?!\w+:)[^)]*\)", shown) == []
    kept = "[a](https://a.example), ![b](c.png)"
    assert re.sub(rule["pattern"], rule["replacement"], kept) == kept


def test_extras_whose_modules_may_be_missing_are_those_of_the_package():
    extras = PROJECT["project"]["optional-dependencies"]
    names = [re.match(r"[\w-]+", extras[one][0])[0] for one in ("alerts", "charts", "demo")]
    assert release.EXTRAS.split() == [one.replace("-", "_") for one in names]


def test_image_is_built_from_files_that_a_release_has():
    lines = (DEPLOY / "Containerfile").read_text(encoding="utf-8").splitlines()
    copied = {word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]}
    assert copied == {"requirements.txt", "*.whl", "--from=build", "/opt/dca-bot"}
    assert "USER 10001:10001" in lines
    for name in release.BESIDE:
        assert (ROOT / name).exists()


def test_compose_opens_ports_on_this_computer_only_and_takes_the_tested_lnbits():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert sorted(services) == ["dca-bot", "lnbits", "relay"]
    ports = [port for one in services.values() for port in one.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    tested = pins("lnbits-constraints.txt")["lnbits"].removeprefix("==")
    assert services["lnbits"]["image"] == f"lnbits/lnbits:v{tested}"
    assert re.search(r":\d+\.\d+\.\d+$", services["relay"]["image"])
    assert services["dca-bot"]["read_only"] is True
    unit = (DEPLOY / "dca-bot.service").read_text(encoding="utf-8")
    assert f"TimeoutStopSec={services['dca-bot']['stop_grace_period'].removesuffix('s')}\n" in unit

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "dca_bot"

# A module may do what its reason covers, and nothing else.
FLOAT_NAMES = {"core/ports/clock.py": "seconds to sleep are no money"}
DIVISIONS = {
    "core/sale_amounts.py": "divides Fractions, exactly",
    "ledger/store/ledger_files.py": "joins paths",
}


def floats_in(source, *, names_allowed=False, divisions_allowed=False):
    """List line and kind of whatever makes or names a float."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex()):
                found.append((node.lineno, "literal"))
            case ast.Name(id="float") if not names_allowed:
                found.append((node.lineno, "name"))
            case ast.BinOp(op=ast.Div()) if not divisions_allowed:
                found.append((node.lineno, "division"))
            case ast.AugAssign(op=ast.Div()) if not divisions_allowed:
                found.append((node.lineno, "division"))
    return found


def modules():
    return sorted(
        path.relative_to(PACKAGE).as_posix()
        for part in ("core", "ledger")
        for path in (PACKAGE / part).rglob("*.py")
    )


@pytest.mark.parametrize("module", modules())
def test_core_and_ledger_count_without_floats(module):
    source = (PACKAGE / module).read_text()
    assert (
        floats_in(
            source, names_allowed=module in FLOAT_NAMES, divisions_allowed=module in DIVISIONS
        )
        == []
    )


def test_reasons_stand_for_modules_that_exist():
    assert {*FLOAT_NAMES, *DIVISIONS} <= set(modules())


@pytest.mark.parametrize("line", ["x = 0.5", "x = 1e8", "x = float(y)", "x = a / b", "x /= 2"])
def test_each_way_to_a_float_is_found(line):
    assert floats_in(line)


@pytest.mark.parametrize("line", ["x = 1", "x = a // b", "x = 'a/b'", "x = '0.5'"])
def test_what_makes_no_float_is_let_pass(line):
    assert floats_in(line) == []

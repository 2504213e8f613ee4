"""The docstrings of the package: each names its nouns, and the errors that a caller has to expect."""

import ast
import re
from pathlib import Path

import pytest

import dca_bot.errors

PACKAGE = Path(dca_bot.errors.__file__).parent
PER_HUNDRED_MAX = 3.5
PRONOUNS = frozenset(
    re.findall(
        r"\w+",
        "it its itself they them their what who whom whose which this those these such one ones"
        " he she his her him so there",
    )
)
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def modules():
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def pronouns_in(docstring):
    """Return how many words a docstring has, and how many of these lean on another sentence's noun."""
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", re.sub(r"`[^`]*`", "", docstring.lower()))
    return len(words), sum(word.partition("'")[0] in PRONOUNS for word in words)


def docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | FUNCTION):
            yield ast.get_docstring(node) or ""


def is_public(name):
    return not name.startswith("_")


def named_by(docstring, error):
    """Tell whether a docstring names an error, or a kind of error that has it among its own."""
    found = getattr(dca_bot.errors, error, None)
    kinds = found.__mro__[:-3] if isinstance(found, type) else ()
    return any(
        re.search(rf"\b{name}\b", docstring) for name in (error, *(k.__name__ for k in kinds))
    )


class Raises:
    """Finds the errors that leave the public functions of a module, private functions' included."""

    def __init__(self, tree):
        self.functions = {one.name: one for one in tree.body if isinstance(one, FUNCTION)}
        self.classes = [
            one for one in tree.body if isinstance(one, ast.ClassDef) and is_public(one.name)
        ]

    def unnamed(self):
        """Yield (name, error) of each error that leaves a public function and isn't named."""
        for name, docstring, function, methods in self._public():
            for error in sorted(self._leaving(function, methods, frozenset())):
                if is_public(error) and not named_by(docstring, error):
                    yield name, error

    def _public(self):
        for name, function in self.functions.items():
            # The docstring of a command is the text of its help.
            is_command = any(".command(" in ast.unparse(one) for one in function.decorator_list)
            if is_public(name) and not is_command:
                yield name, ast.get_docstring(function) or "", function, {}
        for owner in self.classes:
            methods = {one.name: one for one in owner.body if isinstance(one, FUNCTION)}
            for name, method in methods.items():
                if name in ("__init__", "__post_init__"):
                    yield owner.name, ast.get_docstring(owner) or "", method, methods
                elif is_public(name):
                    yield f"{owner.name}.{name}", ast.get_docstring(method) or "", method, methods

    def _leaving(self, function, methods, callers):
        if function.name in callers:
            return set()
        callers = callers | {function.name}
        return set().union(*(self._from(one, methods, callers) for one in function.body), set())

    def _from(self, node, methods, callers):
        """Return the errors that leave a statement or an expression."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                return set()
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
                caught = set().union(*map(caught_by, handlers), set())
                tried = set().union(*(self._from(one, methods, callers) for one in body))
                after = [*(one for each in handlers for one in each.body), *orelse, *finalbody]
                rest = set().union(*(self._from(one, methods, callers) for one in after), set())
                return (
                    set() if caught & {"*", "Exception", "BaseException"} else tried - caught
                ) | rest
        found = set()
        if isinstance(node, ast.Raise) and node.exc is not None:
            found |= self._raised(node.exc, methods)
        if isinstance(node, ast.Call) and (called := self._called(node.func, methods)) is not None:
            found |= self._leaving(called, methods, callers)
        return found.union(
            *(self._from(one, methods, callers) for one in ast.iter_child_nodes(node))
        )

    def _raised(self, error, methods):
        if isinstance(error, ast.Name):
            return {error.id} if error.id[0].isupper() else set()
        if not isinstance(error, ast.Call):
            return set()
        name = getattr(error.func, "id", getattr(error.func, "attr", ""))
        maker = self.functions.get(name) or methods.get(name)
        if maker is not None and maker.returns is not None:
            return set(ast.unparse(maker.returns).split(" | "))
        return {name} if name[:1].isupper() else set()

    def _called(self, function, methods):
        """Return the private function or method of the module that is called, if it is one."""
        match function:
            case ast.Name(id=name) if not is_public(name):
                return self.functions.get(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if not is_public(name):
                return methods.get(name)
        return None


def caught_by(handler):
    if handler.type is None:
        return {"*"}
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {getattr(one, "id", getattr(one, "attr", "")) for one in types}


def test_docstrings_name_their_nouns():
    counts = [
        pronouns_in(docstring)
        for module in modules()
        for docstring in docstrings(ast.parse((PACKAGE / module).read_text()))
    ]
    words, pronouns = (sum(column) for column in zip(*counts, strict=True))
    assert 100 * pronouns / words <= PER_HUNDRED_MAX


@pytest.mark.parametrize("module", modules())
def test_errors_that_a_public_function_raises_are_named(module):
    assert list(Raises(ast.parse((PACKAGE / module).read_text())).unnamed()) == []


SAMPLES = {
    "def read():\n raise ValueError('x')": [("read", "ValueError")],
    "def read():\n 'Raise ValueError for no text.'\n raise ValueError": [],
    "def read():\n _check()\ndef _check():\n raise KeyError": [("read", "KeyError")],
    "def read():\n try:\n  _check()\n except KeyError:\n  pass\ndef _check():\n raise KeyError": [],
    "def read():\n raise _wrong()\ndef _wrong() -> ConfigError:\n pass": [("read", "ConfigError")],
    "def read():\n 'Raise DcaBotError.'\n raise ConfigError('x')": [],
    "class A:\n def __init__(self):\n  raise ValueError": [("A", "ValueError")],
    "class A:\n def b(self):\n  self._c()\n def _c(self):\n  raise OSError": [("A.b", "OSError")],
    "def _private():\n raise ValueError": [],
}


@pytest.mark.parametrize("source", SAMPLES)
def test_each_way_to_raise_is_found(source):
    assert list(Raises(ast.parse(source)).unnamed()) == SAMPLES[source]


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [("Return what it holds.", (4, 2)), ("Return `what` a wallet's owner has.", (5, 0))],
)
def test_pronouns_are_counted(docstring, expected):
    assert pronouns_in(docstring) == expected

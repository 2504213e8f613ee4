"""Makes mutants: a module's code with one small change, by operators of cosmic-ray and two more."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import ndiff
from itertools import count
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.boolean_replacer import AddNot
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator

from mutation.operators import ReplaceIn, ReplaceInSql

_REPLACED = {
    "ReplaceComparisonOperator": "Lt_LtE LtE_Lt Gt_GtE GtE_Gt Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is",
    "ReplaceBinaryOperator": "Add_Sub Sub_Add Mul_FloorDiv FloorDiv_Mul Mod_FloorDiv Div_Mul Pow_Mul",
    "ReplaceUnaryOperator": "Delete_Not Delete_USub",
}
_NAMES = (
    *(f"{kind}_{one}" for kind, replaced in _REPLACED.items() for one in replaced.split()),
    "AddNot",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "NumberReplacer",
    "ZeroIterationForLoop",
)


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    `module`: its path. `place`: the function that has changed, by its qualified name; empty outside of
    functions. `before`, `after`: the lines that have changed. `code`: the changed module.
    """

    module: str
    place: str
    before: str
    after: str
    code: str

    @property
    def name(self) -> tuple[str, str, str, str]:
        """Names the mutant, wherever in the module its lines stand."""
        return self.module, self.place, self.before, self.after

    @property
    def digest(self) -> str:
        """Names the mutant as long as the module stays as it is."""
        return hashlib.sha256(f"{self.module}\n{self.code}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Site:
    """Where a module can be changed: the n-th place that an operator knows, in a line within a function."""

    module: str
    source: str
    place: str
    operator: Operator
    number: int

    def mutant(self) -> Mutant | None:
        """Change the module; return None if the change isn't Python."""
        code = mutate_code(self.source, self.operator, self.number)
        try:
            compile(code, self.module, "exec")
        except SyntaxError:
            return None
        lines = list(ndiff(self.source.splitlines(), code.splitlines()))
        before, after = (
            " ".join(word for line in lines if line[0] == sign for word in line[1:].split())
            for sign in "-+"
        )
        return Mutant(self.module, self.place, before, after, code)


def sites_of(module: str, source: str) -> Iterator[Site]:
    """Yield all places where a module can be changed so that somebody could notice.

    Nobody notices another decorator or field of a dataclass, nor a weaker assertion, as `strict` is.
    """
    nodes = list(ast_nodes(get_ast(source)))
    places, spared = _places(source), _spared(source)
    for operator in _operators():
        number = count()
        for node in nodes:
            for (line, _), _ in operator.mutation_positions(node):
                site = Site(module, source, places.get(line, ""), operator, next(number))
                is_doubled = isinstance(operator, AddNot) and _is_negated_elsewhere(node)
                if line not in spared and not is_doubled and not _is_of_the_language(node):
                    yield site


def _operators() -> Iterator[Operator]:
    for name in _NAMES:
        yield get_operator(f"core/{name}")()
    yield ReplaceIn()
    yield ReplaceInSql()


def _is_negated_elsewhere(node: Any) -> bool:
    """Tell whether other operators negate a condition: a comparison, or `not` and something."""
    condition = node.children[2 if node.type == "test" else 1]
    return condition.type in ("comparison", "not_test")


def _is_of_the_language(node: Any) -> bool:
    """Tell whether a word is the value of `strict`, `init` or `repr`."""
    before = node.get_previous_leaf() if node.type == "keyword" else None
    return before is not None and before.get_previous_leaf().value in ("strict", "init", "repr")


def _places(source: str) -> dict[int, str]:
    """Return the qualified name of the innermost function around each line."""
    found: dict[int, str] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.update(dict.fromkeys(_lines(child), prefix + child.name))
                inner = f"{prefix}{child.name}.<locals>."
            elif isinstance(child, ast.ClassDef):
                inner = f"{prefix}{child.name}."
            visit(child, inner)

    visit(ast.parse(source), "")
    return found


def _spared(source: str) -> set[int]:
    """Return the lines of decorators and assertions."""
    spared: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        parts = [node] if isinstance(node, ast.Assert) else getattr(node, "decorator_list", [])
        spared.update(line for part in parts for line in _lines(part))
    return spared


def _lines(node: Any) -> range:
    return range(node.lineno, node.end_lineno + 1)

"""Changes that cosmic-ray doesn't make: membership, and the conditions of SQL statements."""

import re
from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator

_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|AND|OR|HAVING|JOIN|ORDER BY|IS NULL)\b")
_CONDITIONS = ("WHERE", "AND", "OR", "ON", "HAVING", "WHEN", "CASE")
_KEYWORD = re.compile(r"\b(SET|SELECT|VALUES|" + "|".join(_CONDITIONS) + r")\b")
_SWAPS = (
    (r" < ", " <= "),
    (r" <= ", " < "),
    (r" > ", " >= "),
    (r" >= ", " > "),
    (r" = ", " <> "),
    (r" <> ", " = "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r"\bAND\b", "OR"),
    (r"(?<!INSERT )\bOR\b", "AND"),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bNOT (?=EXISTS|IN|LIKE)", ""),
    (r" DESC\b", ""),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
)


class ReplaceIn(Operator):
    """Replaces `in` with `not in`, and the other way round."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type == "comparison":
            for operator in self._memberships(node):
                yield operator.start_pos, operator.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        operator = self._memberships(node)[index]
        other = "not in" if operator.get_code().strip() == "in" else "in"
        node.children[node.children.index(operator)] = parso.parse(f" {other}")
        return node

    @staticmethod
    def _memberships(node: Any) -> list[Any]:
        return [
            one for one in node.children[1::2] if one.get_code().split() in (["in"], ["not", "in"])
        ]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("a in b", "a not in b"), Example("a not in b", "a in b"))


class ReplaceInSql(Operator):
    """Replaces an operator of a condition, a sum or an order within an SQL statement."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        for _ in _changed(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.value = _changed(node)[index]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example('"SELECT 1 WHERE a < b"', '"SELECT 1 WHERE a <= b"'),)


def _changed(node: Any) -> list[str]:
    """Return each text that a string becomes by one change; none for what isn't SQL."""
    is_text = node.type in ("string", "fstring_string") and node.parent.type != "simple_stmt"
    if not is_text or not _SQL.search(node.value):
        return []
    return [
        node.value[: found.start()] + after + node.value[found.end() :]
        for before, after in _SWAPS
        for found in re.finditer(before, node.value)
        if before != " = " or _is_condition(node.value[: found.start()])
    ]


def _is_condition(text: str) -> bool:
    """Tell whether what follows a text is compared, and not assigned."""
    keywords = _KEYWORD.findall(text)
    return bool(keywords) and keywords[-1] in _CONDITIONS

"""The alert rules are rules of Prometheus, about metrics that the bot has, and each is documented."""

import re
from pathlib import Path

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from test_metrics import DOC, OPEN_METRICS, figures, page_of

from dca_bot.core.health import VITAL, Condition, HealthPart
from dca_bot.core.relay_state import RelayTrouble

RULES = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy" / "alerts.rules.yaml").read_text("utf-8")
)
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]


def test_rules_ask_for_metrics_and_labels_that_the_bot_shows():
    _, text = page_of(figures()).write(OPEN_METRICS)
    families = list(text_string_to_metric_families(text.decode()))
    names = {sample.name for family in families for sample in family.samples}
    # A bot without a copy of its ledger shows no time of one.
    names |= {family.name for family in families} | {"up"}
    for rule in ALERTS:
        asked = set(re.findall(r"\b(?:dca_bot|process)_\w+|\bup\b", rule["expr"]))
        assert asked, rule
        assert asked <= names, rule


def test_rule_for_the_parts_names_the_vital_ones():
    (rule,) = [one for one in ALERTS if one["alert"] == "DcaBotPartInTrouble"]
    (listed,) = re.findall(r'part=~"(.*?)"', rule["expr"])
    assert set(listed.split("|")) == set(VITAL)


def test_each_rule_is_whole_and_documented():
    told = re.findall(r"^\| `(\w+)` \|", DOC.read_text("utf-8"), re.MULTILINE)
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
    alerts = [name for name in told if name.startswith("DcaBot")]
    assert alerts == [rule["alert"] for rule in ALERTS]


def test_each_part_and_condition_is_documented():
    rows = re.findall(r"^\| `(\w+)` `(\w+)` \|", DOC.read_text("utf-8"), re.MULTILINE)
    assert {part for part, _ in rows} == set(HealthPart)
    fine = {Condition.OK, Condition.PAUSED}
    assert {condition for _, condition in rows} == set(Condition) - fine
    assert (HealthPart.RELAYS, RelayTrouble.DEAF) in rows

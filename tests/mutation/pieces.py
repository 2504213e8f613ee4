"""What is mutated, in pieces of less than an hour each, and which tests guard each piece."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BUSY_DAY = "tests/mutation/busy_day.py"
_WITHOUT_MONEY = (
    "chart",
    "internet",
    "reach",
    "relay_lists",
    "relay_state",
    "relay_urls",
    "secrets",
    "slash_commands",
)
"""What of the core decides neither about money nor about who is told what."""


@dataclass(frozen=True)
class Piece:
    """Modules, by patterns of paths, and folders or files of tests, those nearest to the modules first."""

    patterns: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()

    def modules(self) -> list[str]:
        """Return the paths of the modules, sorted."""
        found = (path for pattern in self.patterns for path in ROOT.glob(pattern))
        return sorted(
            path.relative_to(ROOT).as_posix() for path in found if path.stem not in self.without
        )

    def files(self) -> list[str]:
        """Return the paths of the files of tests."""
        folders = (ROOT / one for one in self.tests)
        found = (sorted(one.rglob("test_*.py")) if one.is_dir() else [one] for one in folders)
        return [path.relative_to(ROOT).as_posix() for files in found for path in files]


PIECES = {
    "core": Piece(
        ("dca_bot/core/*.py",),
        ("tests/core", "tests/test_examples.py", "tests/jobs/lamassu", "tests/ledger/reports"),
        _WITHOUT_MONEY,
    ),
    "ledger": Piece(
        (
            "dca_bot/ledger/store/accounts.py",
            "dca_bot/ledger/programme/deposits.py",
            "dca_bot/ledger/programme/commission.py",
            "dca_bot/ledger/programme/clients.py",
            "dca_bot/ledger/distributions/*.py",
        ),
        (
            "tests/ledger",
            "tests/jobs/lamassu",
            "tests/jobs/test_fixed_mode_job.py",
            "tests/chat/operator/test_deposits_by_name.py",
            "tests/chat/operator/test_cash_out_lists.py",
            "tests/chat/operator/test_manual_cash_outs.py",
            "tests/chat/operator/test_status_commands.py",
            "tests/chat/operator/test_unreached.py",
            "tests/chat/operator/holds/test_recovery_holds.py",
            "tests/chat/client/test_savings.py",
        ),
    ),
    "payouts": Piece(
        ("dca_bot/ledger/payouts/*.py",),
        ("tests/ledger", "tests/jobs/test_job_limits.py", "tests/jobs/payouts"),
    ),
    "payout-jobs": Piece(
        ("dca_bot/jobs/payouts/*.py",),
        (
            "tests/jobs/test_job_limits.py",
            "tests/jobs/test_idle_jobs.py",
            "tests/jobs/test_wrong_clock.py",
            "tests/jobs/payouts",
            "tests/jobs/test_job_plans.py",
            _BUSY_DAY,
        ),
    ),
    "sale-jobs": Piece(
        ("dca_bot/jobs/lamassu/*.py", "dca_bot/jobs/fixed_mode.py"),
        (
            "tests/jobs/test_job_limits.py",
            "tests/jobs/lamassu",
            "tests/jobs/test_fixed_mode_job.py",
            "tests/jobs/test_fixed_days.py",
            _BUSY_DAY,
        ),
    ),
}

import subprocess
import sys

import pytest

LOADED = "import sys, {module}; assert not {{'asyncssh', 'asyncpg'}} & {{*sys.modules}}"


@pytest.mark.parametrize("command", ["status", "backup", "upgrade_check"])
def test_command_that_reads_no_lamassu_loads_no_way_to_it(command):
    script = LOADED.format(module=f"dca_bot.commands.{command}")
    subprocess.run([sys.executable, "-c", script], check=True)

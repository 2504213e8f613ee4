"""`check` asks the file server whether it would take a file, and says what to do if not."""

import pytest
from file_server import serving
from test_check import config

from dca_bot.commands.check import _steps
from dca_bot.commands.check_files import check_files
from dca_bot.config_sections import FilesConfig
from dca_bot.errors import FileServerFailed
from dca_bot.files.secret_files import write_secret
from dca_bot.nostr.keys import generate


@pytest.fixture
async def site():
    async with serving() as site:
        yield site


def with_server(folder, url):
    write_secret(folder / "bot.nsec", generate().nsec())
    return config(folder).model_copy(update={"files": FilesConfig(blossom=url)})


async def test_server_is_asked_and_nothing_is_uploaded(tmp_path, site):
    checked = with_server(tmp_path, site.url)
    assert await check_files(checked) == f"{site.url} takes files of this bot"
    site.can_be_asked = False
    assert await check_files(checked) == f"{site.url} can't be asked before the first file"
    assert site.blobs == {}


async def test_refusal_says_what_to_do(tmp_path, site):
    site.faults.append((403, {}, "X-Reason: members only"))
    with pytest.raises(FileServerFailed, match=r"members only\. Meanwhile .* \[files\]\."):
        await check_files(with_server(tmp_path, site.url))


def test_step_is_there_with_a_server_alone(tmp_path):
    def names(checked):
        return [step.name for step in _steps(checked)]

    assert "Files" not in names(config(tmp_path))
    assert "Files" in names(with_server(tmp_path, "https://blossom.example.com"))

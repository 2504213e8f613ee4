"""The script that root runs once on Lamassu's server: the bot can read four tables then, and nothing else.

The invariant: the script holds no secret, so it can be sent and pasted: of the SSH key the public half, of
the database's password a verifier.
"""

import base64
import hashlib
import hmac
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from dca_bot.lamassu.row_models import ACTIONS, CASH_INS, CASH_OUTS, DEVICES

EXPORT_PATH = "/usr/local/bin/dca-export"
_MARK = "made by dca-bot init"
"""The comment of a role that the script has made: of no other role the password is set."""
_TABLES = tuple(table.name for table in (CASH_OUTS, ACTIONS, DEVICES, CASH_INS))
_ITERATIONS = 4096
"""PostgreSQL's own count for SCRAM."""
_EXPORT = r"""#!/bin/sh
# {path}: prints one of Lamassu's tables as CSV, from a time on.
set -f; set -- $SSH_ORIGINAL_COMMAND
refuse() {{
  echo 'dca-export takes a table and a time: set [lamassu.csv] command = "{{table}} {{since}}"' >&2
  exit 64
}}
case "$1" in {tables}) ;; *) refuse ;; esac
case "$2" in ''|*[!0-9T:.+-]*) refuse ;; esac
exec env PGDATESTYLE=ISO psql {database} -v ON_ERROR_STOP=1 \
  -c "\copy (select * from $1 where created >= '$2') to stdout csv header"
"""
_HEAD = """\
#!/bin/sh
# Lets dca-bot read four tables of Lamassu; made by `dca-bot init`. There is no secret in it.
# On Lamassu's server, as root: paste all of it, or run it: sh lamassu-setup.sh
(
set -eu
cd /
test "$(id -u)" -eq 0 || {{ echo 'Only root can do this: sudo sh lamassu-setup.sh' >&2; exit 1; }}
"""
_SCRIPT = """\
cat > {path} <<'END_OF_EXPORT'
{export}END_OF_EXPORT
chmod 755 {path}
"""
_USER = """\
id {user} > /dev/null 2>&1 || adduser --disabled-password --gecos '' --shell /bin/sh {user} < /dev/null
runuser -l {user} -s /bin/sh <<'END_OF_KEY'
set -eu
umask 077
mkdir -p .ssh
touch .ssh/authorized_keys
grep -vF {blob} .ssh/authorized_keys > .ssh/authorized_keys.new || true
echo {line} >> .ssh/authorized_keys.new
mv .ssh/authorized_keys.new .ssh/authorized_keys
END_OF_KEY
"""
_SQL = """\
runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 -d {database} <<'END_OF_SQL'
{sql}END_OF_SQL
"""
_MAKE_ROLE = """\
DO $$ BEGIN
  CREATE ROLE "{role}" LOGIN CONNECTION LIMIT 4;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
"""
_MAKE_OWN_ROLE = """\
DO $$ DECLARE is_own boolean; BEGIN
  IF current_setting('server_version_num')::int < 100000 THEN
    RAISE EXCEPTION 'PostgreSQL before 10: make the role by hand, with the password in lamassu.pgpass';
  END IF;
  SELECT NOT rolsuper AND shobj_description(oid, 'pg_authid') = '{mark}'
    INTO is_own FROM pg_roles WHERE rolname = '{role}';
  IF NOT FOUND THEN
    CREATE ROLE "{role}" LOGIN CONNECTION LIMIT 4;
    COMMENT ON ROLE "{role}" IS '{mark}';
  ELSIF is_own IS NOT TRUE THEN
    RAISE EXCEPTION 'There is a role {role} that init has not made: it is left as it is'
      USING HINT = 'Run init anew with another name for the role, or with its password in lamassu.pgpass.';
  END IF;
END $$;
ALTER ROLE "{role}" PASSWORD '{verifier}';
"""
_GRANT = """\
GRANT CONNECT ON DATABASE "{database}" TO "{role}";
GRANT USAGE ON SCHEMA public TO "{role}";
GRANT SELECT ON {tables} TO "{role}";
"""
_HOST_KEYS = """\
echo 'The SSH host keys of this server:'
for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$key" || true; done
"""
_RANDOM_CHARS = 32
"""24 random bytes; behind them a password that init has made has 8 characters that follow from them."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_USERNAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class Way(StrEnum):
    """How the bot reads Lamassu."""

    CSV = "ssh-csv"
    TUNNEL = "tunnel"
    DIRECT = "postgres"
    FOLDER = "directory"

    @property
    def uses_ssh(self) -> bool:
        """Tell whether the bot logs in to the server."""
        return self in (Way.CSV, Way.TUNNEL)

    @property
    def uses_role(self) -> bool:
        """Tell whether the bot logs in to the database with a password."""
        return self in (Way.TUNNEL, Way.DIRECT)


@dataclass(frozen=True, slots=True)
class LamassuAccess:
    """The access that the script gives.

    `username` and `public_key` (one line, OpenSSH's form) count for the ways over SSH. `role` counts for the
    ways with a password; an empty `verifier` stands for a role that exists, with its password.
    """

    way: Way
    database: str
    username: str = ""
    public_key: str = ""
    role: str = ""
    verifier: str = ""
    postgres: str = "127.0.0.1:5432"
    export_path: str = EXPORT_PATH

    @property
    def authorized_key(self) -> str:
        """Return the line for authorized_keys, which binds the key to its one purpose."""
        options = f'restrict,command="{self.export_path}"'
        if self.way is Way.TUNNEL:
            options = (
                f'restrict,port-forwarding,permitopen="{self.postgres}",command="/usr/sbin/nologin"'
            )
        return f"{options} {self.public_key}"

    @property
    def export_script(self) -> str:
        """Return the script that the key of the CSV way is bound to."""
        tables = "|".join(_TABLES)
        return _EXPORT.format(path=self.export_path, tables=tables, database=self.database)

    @property
    def sql(self) -> str:
        """Return the SQL that lets a role read the four tables."""
        role = self.role if self.way.uses_role else self.username
        parts = [_GRANT]
        if self.verifier:
            parts = [_MAKE_OWN_ROLE, _GRANT]
        elif self.way is Way.CSV:
            parts = [_MAKE_ROLE, _GRANT]
        values = {"role": role, "verifier": self.verifier, "database": self.database, "mark": _MARK}
        return "".join(parts).format(tables=", ".join(_TABLES), **values)


def setup_script(access: LamassuAccess) -> str:
    """Write the whole script; a second run changes nothing."""
    parts = [_HEAD.format()]
    if access.way is Way.CSV:
        parts.append(_SCRIPT.format(path=access.export_path, export=access.export_script))
    # First what may be refused.
    parts.append(_SQL.format(database=access.database, sql=access.sql))
    if access.way.uses_ssh:
        blob, line = access.public_key.split()[1], shlex.quote(access.authorized_key)
        parts.append(_USER.format(user=access.username, blob=shlex.quote(blob), line=line))
        parts.append(_HOST_KEYS)
    return "".join([*parts, "echo 'Done.'\n)\n"])


def made_password(random: bytes) -> str:
    """Return the password of 24 random bytes; its end tells it from all that people think of."""
    text = base64.urlsafe_b64encode(random).decode()
    digest = hashlib.sha256(f"{_MARK} {text}".encode()).digest()
    return text + base64.urlsafe_b64encode(digest[:6]).decode()


def is_made_password(text: str) -> bool:
    """Tell whether `made_password` has made a password, so that a verifier of it gives nothing away."""
    try:
        return made_password(base64.urlsafe_b64decode(text[:_RANDOM_CHARS])) == text
    except ValueError:
        return False


def is_name(text: str) -> bool:
    """Tell whether a text can name a database or a role, in a shell and in SQL."""
    return _NAME.fullmatch(text) is not None


def is_username(text: str) -> bool:
    """Tell whether a text can name a user of the server."""
    return _USERNAME.fullmatch(text) is not None


def scram_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL 10 and later keep of a password in ASCII (SCRAM-SHA-256, RFC 5803).

    Nobody can log in with the verifier, nor find a random password from it.
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(raw).decode() for raw in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"

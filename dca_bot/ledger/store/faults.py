"""Gives errors of the system and of SQLite the code of a LedgerFault, for operators in any language."""

import errno
import sqlite3

from dca_bot.errors import LedgerFault

_BY_ERRNO = {
    errno.ENOSPC: LedgerFault.DISK_FULL,
    errno.EDQUOT: LedgerFault.DISK_FULL,
    errno.EACCES: LedgerFault.NO_RIGHTS,
    errno.EPERM: LedgerFault.NO_RIGHTS,
    errno.EROFS: LedgerFault.NO_RIGHTS,
}
_BY_SQLITE = {
    sqlite3.SQLITE_FULL: LedgerFault.DISK_FULL,
    sqlite3.SQLITE_PERM: LedgerFault.NO_RIGHTS,
    sqlite3.SQLITE_READONLY: LedgerFault.NO_RIGHTS,
    sqlite3.SQLITE_CORRUPT: LedgerFault.DAMAGED,
    sqlite3.SQLITE_NOTADB: LedgerFault.DAMAGED,
    sqlite3.SQLITE_INTERRUPT: LedgerFault.STOPPED,
}


def fault_of(error: OSError | sqlite3.Error) -> LedgerFault:
    """Return the code of an error at reading the ledger or at writing a copy or an export.

    >>> fault_of(OSError(errno.ENOSPC, "No space left on device"))
    <LedgerFault.DISK_FULL: 'disk_full'>
    """
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, LedgerFault.NOT_WRITTEN)
    # The low byte is the result code; the bits above tell more about the place.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _BY_SQLITE.get(code, LedgerFault.NOT_WRITTEN)

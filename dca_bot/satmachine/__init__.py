"""Reads the books of satmachineadmin, an extension of LNbits that shares out Lamassu cash-outs as well."""

"""The migration file: a frozen plan and the ledger of what was done with it.

`file` opens and locks it, `frozen` writes the plan and seals it, `migration` reads, `ledger`
records. Nobody else speaks SQL. `replacing` puts files of any kind into their place as a whole.
"""

"""Files by which schedulers of others run `verify`: job, time, identity, alerts."""

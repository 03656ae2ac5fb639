"""What an update costs, whether its numbers are those of TRL and verl, what its parts are for."""

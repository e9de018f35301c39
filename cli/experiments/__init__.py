"""Commands for experiments: declare, plan, check, readout, replay."""

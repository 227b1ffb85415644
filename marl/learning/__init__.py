"""Training: MAPPO and IPPO on RLlib's new API stack. The only package that imports ray."""

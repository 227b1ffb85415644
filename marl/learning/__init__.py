"""Training: multi-agent algorithms on RLlib's new API stack. The only package that imports ray."""

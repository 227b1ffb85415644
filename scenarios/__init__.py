"""Launchable scenarios: one YAML file each, read by `marl.scenario.load_scenario` by file name."""

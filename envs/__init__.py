"""PettingZoo environments, one game a file. Each module offers `parallel_env(**kwargs)`.

They import gymnasium, pettingzoo and numpy only, know nothing of tokens, messages or prompts, and bring a text face:
`rules`, `describe`, `action_names`, `describe_state`, and `reference()` with the game's known solution.
"""

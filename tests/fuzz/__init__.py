"""The reading of answers against everything that a platform, a proxy or an attacker can send.

    python -m tests.fuzz --answers 200000

`answers` makes them, `model` says what `wecom-facts` says of them, `check` compares.
"""

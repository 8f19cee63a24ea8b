"""What the commands of `wecom-auth` do, a module each; `cli` reads what was typed."""

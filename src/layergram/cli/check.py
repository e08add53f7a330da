"""x."""
def command(map: str, /, *, out: str = "x") -> None:
    """Do check."""
    print("check", map)

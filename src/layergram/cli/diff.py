"""x."""
def command(map: str, /, *, out: str = "x") -> None:
    """Do diff."""
    print("diff", map)

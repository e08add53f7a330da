"""x."""
def command(map: str, /, *, out: str = "x") -> None:
    """Do draw."""
    print("draw", map)

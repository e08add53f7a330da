"""x."""
def command(map: str, /, *, out: str = "x") -> None:
    """Do describe."""
    print("describe", map)

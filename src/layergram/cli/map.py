"""x."""
def command(map: str, /, *, out: str = "x") -> None:
    """Do map."""
    print("map", map)

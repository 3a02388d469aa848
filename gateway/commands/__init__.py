"""What can be typed behind `python -m gateway`; each command is a module, `gateway.__main__` lists them."""

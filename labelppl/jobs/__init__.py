"""The jobs behind the commands: they read, call one room after the other, and fill the run folder.

Everything that can be wrong with the input is found before the folder is made; every file is written whole or not at
all, so an interrupted job continues from the last whole file with ``resume``.
"""

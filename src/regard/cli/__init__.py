"""The commands, one thin file each: they read the command line, call the package and print."""

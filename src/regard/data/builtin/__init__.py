"""The data built into the package: a small grammar that writes English and German side by side."""

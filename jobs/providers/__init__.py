"""One file per music provider; each turns a frozen request into a rendered song in a folder."""

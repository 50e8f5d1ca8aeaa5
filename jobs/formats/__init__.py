"""One file per export format: samples or a drawing in, a file out."""

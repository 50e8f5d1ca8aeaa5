"""Media engines: paths and numbers in, media out, run in a child process with limits."""

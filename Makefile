lock:
	.venv/bin/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-header --no-emit-index-url -q pyproject.toml --group build -o requirements.txt
	.venv/bin/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-header --no-emit-index-url -q pyproject.toml --group build --group dev -c requirements.txt -o requirements-dev.txt

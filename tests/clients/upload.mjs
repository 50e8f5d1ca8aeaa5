// Brings a file with nothing but fetch, as a page would: one part is broken off half way, and sent again after a refresh.
const [url, token] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const ask = async (query, variables) => {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return Object.values((await answer.json()).data)[0];
};
const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const UPLOAD = "id status fileUrl sha256 method parts { number offsetBytes sizeBytes url } receivedParts { number }";

const BYTES = 20 * 2 ** 20;
const format = new Blob([Uint32Array.of(16), Uint16Array.of(1, 2), Uint32Array.of(48000, 192000), Uint16Array.of(4, 16)]);
const head = ["RIFF", Uint32Array.of(BYTES + 36), "WAVEfmt ", format, "data", Uint32Array.of(BYTES)];
const file = new Blob([...head, new Uint8Array(BYTES).fill(7)]);
const sha256 = hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
const send = (upload, part, signal) =>
  fetch(part.url, {
    method: upload.method,
    body: file.slice(part.offsetBytes, part.offsetBytes + part.sizeBytes),
    signal,
  });

const input = { filename: "a page's song.wav", mimeType: "audio/wav", sizeBytes: file.size, sha256 };
const { upload } = await ask(
  `mutation ($input: CreateUploadInput!) { createUpload(input: $input) { ... on UploadCreated { upload { ${UPLOAD} } } } }`,
  { input },
);
const [first, ...others] = upload.parts;
const cut = new AbortController();
const broken = send(upload, first, cut.signal).catch(({ name }) => name);
cut.abort();
say({ broken: await broken });
say({ sent: await Promise.all(others.reverse().map(async (part) => (await send(upload, part)).status)) });

const again = await ask(
  `mutation ($id: ID!) { refreshUpload(id: $id) { ... on UploadRefreshed { upload { ${UPLOAD} } } } }`,
  { id: upload.id },
);
const here = new Set(again.upload.receivedParts.map(({ number }) => number));
const missing = again.upload.parts.filter(({ number }) => !here.has(number));
say({ missing: missing.map(({ number }) => number) });
for (const part of missing) say({ sent: [(await send(upload, part)).status] });

await ask("mutation ($id: ID!) { completeUpload(id: $id) { __typename } }", { id: upload.id });
let found = { status: "PENDING" };
while (["PENDING", "CHECKING"].includes(found.status)) {
  await new Promise((wake) => setTimeout(wake, 50));
  found = await ask(`query ($id: ID!) { upload(id: $id) { ${UPLOAD} } }`, { id: upload.id });
}
const kept = await (await fetch(found.fileUrl)).arrayBuffer();
say({ status: found.status, same: hex(await crypto.subtle.digest("SHA-256", kept)) === sha256 });

const form = new FormData();
const query = `mutation ($input: UploadFileInput!) { uploadFile(input: $input) {
  ... on UploadCompleted { upload { sizeBytes } } ... on Failure { code } } }`;
form.set("operations", JSON.stringify({ query, variables: { input: { file: null } } }));
form.set("map", JSON.stringify({ 0: ["variables.input.file"] }));
form.set("0", new File([file.slice(0, 1000)], "short.wav", { type: "audio/wav" }));
const headers = { authorization: `Bearer ${token}`, "apollo-require-preflight": "true" };
const answer = await (await fetch(url, { method: "POST", headers, body: form })).json();
say({ form: answer.data.uploadFile.upload.sizeBytes });

// The server of graphql-ws itself, over our own schema, as the measure of how graphql-transport-ws is spoken.
import { readFileSync } from "node:fs";
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const [token, initSeconds] = process.argv.slice(2);
const forever = () => new Promise(() => {});
const job = { __typename: "Job", id: "job_1" };

async function* viewerJobs() {
  yield { viewerJobs: job };
  await forever();
}

useServer(
  {
    schema: buildSchema(readFileSync("../../schema/schema.graphql", "utf8")),
    connectionInitWaitTimeout: initSeconds * 1000,
    onConnect: ({ connectionParams }) =>
      [undefined, null, `Bearer ${token}`].includes(connectionParams?.authorization) && { expiresAt: null },
    roots: { subscription: { viewerJobs } },
  },
  new WebSocketServer({ port: 0, host: "127.0.0.1" }).on("listening", function () {
    console.log(JSON.stringify({ port: this.address().port }));
  }),
);

// graphql-sse: every operation on a connection of its own, or all of them on one.
import { createClient } from "graphql-sse";
import { authorization, noting } from "./wires.mjs";

export const open = (options) => {
  const { url, singleConnection } = options;
  const client = createClient({ url, singleConnection, headers: () => authorization(options), fetchFn: noting(options) });
  return (request, sink) => client.subscribe(request, sink);
};

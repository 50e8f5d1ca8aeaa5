// graphql-ws, the client that most others put behind their subscriptions.
import { socketClient } from "./wires.mjs";

export const open = (options) => {
  const client = socketClient(options);
  return (request, sink) => client.subscribe(request, sink);
};

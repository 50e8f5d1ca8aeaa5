// What the clients have in common on the wire: who they are, a fetch that tells what it was answered, one WebSocket client.
import { createClient } from "graphql-ws";

// The next token each time, and the last of them for ever.
const tokenOf = (tokens) => (tokens.length > 1 ? tokens.shift() : tokens[0]);

export const authorization = ({ tokens }) => (tokens.length ? { authorization: `Bearer ${tokenOf(tokens)}` } : {});

export const noting =
  ({ note }) =>
  async (url, options) => {
    const answer = await fetch(url, options);
    const accept = new Headers(options.headers).get("accept");
    const type = answer.headers.get("content-type");
    note({ method: options.method ?? "GET", accept, status: answer.status, type });
    return answer;
  };

export const socketClient = (options) =>
  createClient({
    url: options.url.replace("http", "ws"),
    connectionParams: () => authorization(options),
    shouldRetry: () => true, // or one attempt that finds nobody would be the last
    on: {
      connected: (_, acknowledged) => options.note({ connected: acknowledged }),
      closed: ({ code, reason }) => options.note({ closed: code, reason }),
    },
  });

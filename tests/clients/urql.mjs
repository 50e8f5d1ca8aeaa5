// urql: queries and mutations over fetch, subscriptions over fetch as well or over graphql-ws.
import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { getOperationAST, parse } from "graphql";
import { onEnd, pipe, subscribe } from "wonka";
import { authorization, noting, socketClient } from "./wires.mjs";

const overSocket = (options) => {
  const client = socketClient(options);
  const forwardSubscription = (request) => ({
    subscribe: (sink) => ({ unsubscribe: client.subscribe({ ...request, query: request.query ?? "" }, sink) }),
  });
  return subscriptionExchange({ forwardSubscription });
};

export const open = (options) => {
  const { url, socket } = options;
  const client = new Client({
    url,
    exchanges: socket ? [overSocket(options), fetchExchange] : [fetchExchange],
    fetchSubscriptions: !socket,
    requestPolicy: "network-only",
    fetch: noting(options),
    fetchOptions: () => ({ headers: authorization(options) }),
  });
  return ({ query, variables }, sink) => {
    const kind = getOperationAST(parse(query)).operation;
    let last;
    const told = ({ data, error, hasNext }) => {
      if (error?.networkError) sink.error(error);
      else if (error) sink.next({ data, errors: error.graphQLErrors });
      else if (hasNext || data !== last) sink.next({ data }); // urql repeats the last result when the stream ends
      last = data;
    };
    const source = client[kind](query, variables);
    if (kind !== "subscription") {
      source.toPromise().then(told).then(sink.complete);
      return () => {};
    }
    return pipe(source, onEnd(sink.complete), subscribe(told)).unsubscribe;
  };
};

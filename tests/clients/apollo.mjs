// Apollo Client: queries and mutations over HTTP, if wanted by their hash, subscriptions as multipart or over graphql-ws.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { buildSchema, getOperationAST, isAbstractType } from "graphql";
import { authorization, noting, socketClient } from "./wires.mjs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const isSubscription = ({ operationType }) => operationType === "subscription";

// Which types an interface or a union stands for, without which the cache would drop what a fragment asks of one.
const readPossibleTypes = () => {
  const schema = buildSchema(readFileSync("../../schema/schema.graphql", "utf8"));
  const abstract = Object.values(schema.getTypeMap()).filter(isAbstractType);
  return Object.fromEntries(abstract.map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]));
};

const linkOf = (options) => {
  const signed = new SetContextLink(() => ({ headers: authorization(options) }));
  const http = signed.concat(new HttpLink({ uri: options.url, fetch: noting(options) }));
  const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
  const link = options.persisted ? persisted.concat(http) : http;
  return options.socket ? ApolloLink.split(isSubscription, new GraphQLWsLink(socketClient(options)), link) : link;
};

export const open = (options) => {
  const cache = new InMemoryCache({ possibleTypes: readPossibleTypes() });
  const client = new ApolloClient({ link: linkOf(options), cache });
  return ({ query: text, variables }, sink) => {
    const query = gql(text);
    const kind = getOperationAST(query).operation;
    const told = ({ data, error }) => (error ? sink.error(error) : sink.next({ data }));
    if (kind === "subscription") {
      const watched = client.subscribe({ query, variables }).subscribe({ ...sink, next: told });
      return () => watched.unsubscribe();
    }
    const asked =
      kind === "query"
        ? client.query({ query, variables, fetchPolicy: "network-only" })
        : client.mutate({ mutation: query, variables });
    asked.then(told).then(sink.complete).catch(sink.error);
    return () => {};
  };
};

// Relay: its store and its network, with subscriptions over graphql-ws.
import { readFileSync } from "node:fs";
import { TypeInfo, buildSchema, getNamedType, getNullableType, getOperationAST, print } from "graphql";
import { isAbstractType, isCompositeType, isListType, parse, visit, visitWithTypeInfo } from "graphql";
import relay from "relay-runtime";
import { authorization, noting, socketClient } from "./wires.mjs";

const schema = buildSchema(readFileSync("../../schema/schema.graphql", "utf8"));
const field = (name, alias) => ({ kind: "Field", alias: alias && { kind: "Name", value: alias }, name: { kind: "Name", value: name } });

// What relay-compiler does for an application when it is built: first ask for what the store goes by, then list it all.
const addKeys = (document) => {
  const types = new TypeInfo(schema);
  const SelectionSet = (node, _, parent) => {
    const type = types.getParentType();
    if (parent.kind === "OperationDefinition") return undefined;
    const added = [field("__typename")];
    if (type.getFields?.().id) added.push(field("id"));
    if (parent.kind === "InlineFragment" && isAbstractType(type)) added.push(field("__typename", `__is${type.name}`));
    const asked = node.selections.filter(({ name }) => !added.some((one) => !one.alias && one.name.value === name?.value));
    return { ...node, selections: [...added, ...asked] };
  };
  return visit(document, visitWithTypeInfo(types, { SelectionSet }));
};

const listSelections = (document) => {
  const types = new TypeInfo(schema);
  const Field = (node) => {
    const type = types.getType();
    const own = { alias: node.alias?.value ?? null, args: node.arguments?.length ? node.arguments : null };
    const named = { ...own, name: node.name.value, storageKey: null };
    if (!isCompositeType(getNamedType(type))) return { ...named, kind: "ScalarField" };
    const concreteType = isAbstractType(getNamedType(type)) ? null : getNamedType(type).name;
    return { ...named, kind: "LinkedField", concreteType, plural: isListType(getNullableType(type)), selections: node.selectionSet };
  };
  const InlineFragment = ({ selectionSet, typeCondition }) => {
    const type = typeCondition.name.value;
    const abstractKey = isAbstractType(schema.getType(type)) ? `__is${type}` : null;
    return { kind: "InlineFragment", type, abstractKey, selections: selectionSet };
  };
  const Argument = ({ name, value }) => ({ kind: "Variable", name: name.value, variableName: value.name.value });
  const SelectionSet = ({ selections }) => selections;
  const readers = Object.entries({ Field, InlineFragment, Argument, SelectionSet });
  const leaving = Object.fromEntries(readers.map(([kind, leave]) => [kind, { leave }]));
  return visit(document, visitWithTypeInfo(types, leaving)).definitions[0].selectionSet;
};

const compile = (query) => {
  const asked = parse(query);
  const document = addKeys(asked);
  const { operation, name, variableDefinitions } = getOperationAST(document);
  const argumentDefinitions = (variableDefinitions ?? []).map(({ variable }) => ({
    kind: "LocalArgument",
    name: variable.name.value,
    defaultValue: null,
  }));
  const own = { argumentDefinitions, name: name?.value ?? "Asked" };
  const type = { query: "Query", mutation: "Mutation", subscription: "Subscription" }[operation];
  const params = { cacheID: query, id: null, metadata: {}, name: own.name, operationKind: operation, text: print(document) };
  return {
    kind: "Request",
    fragment: { ...own, kind: "Fragment", metadata: null, type, abstractKey: null, selections: listSelections(asked) },
    operation: { ...own, kind: "Operation", selections: listSelections(document) },
    params,
  };
};

const networkOf = (options) => {
  const client = socketClient(options);
  const ask = async ({ text: query }, variables) => {
    const headers = { "content-type": "application/json", ...authorization({ tokens: options.tokens.slice(-1) }) };
    const body = JSON.stringify({ query, variables });
    const result = await (await noting(options)(options.url, { method: "POST", headers, body })).json();
    if (result.errors) throw result.errors;
    return result;
  };
  const watch = ({ text: query }, variables) =>
    relay.Observable.create((sink) =>
      client.subscribe(
        { query, variables },
        { ...sink, next: (result) => (result.errors ? sink.error(result.errors) : sink.next(result)), error: sink.error },
      ),
    );
  return relay.Network.create(ask, watch);
};

export const open = (options) => {
  const environment = new relay.Environment({ network: networkOf(options), store: new relay.Store(new relay.RecordSource()) });
  return ({ query, variables }, sink) => {
    const request = compile(query);
    const { operationKind } = request.params;
    const [onNext, onError, onCompleted] = [(data) => sink.next({ data }), sink.error, sink.complete];
    if (operationKind === "subscription") {
      const given = { subscription: request, variables, onNext, onError, onCompleted };
      return relay.requestSubscription(environment, given).dispose;
    }
    if (operationKind === "mutation") {
      const told = (data) => (onNext(data), onCompleted());
      return relay.commitMutation(environment, { mutation: request, variables, onCompleted: told, onError }).dispose;
    }
    const asked = relay.fetchQuery(environment, request, variables, { fetchPolicy: "network-only" });
    return asked.subscribe({ next: onNext, error: onError, complete: onCompleted }).unsubscribe;
  };
};

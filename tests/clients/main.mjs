// Runs one of the clients as a test tells it, by a line of JSON on its input, and prints a line for all that it hears.
// Each client is a module whose open(options) answers with run(request, sink), which answers with a way to stop.
import { createInterface } from "node:readline";

const [name, options] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// What clients make of an error: a list of GraphQL errors, one that holds such a list, a closed socket, an odd answer.
const phrase = (error) => {
  const listed = Array.isArray(error) ? error : (error.graphQLErrors ?? error.errors);
  if (listed?.length) return { errors: listed.map(({ message, path, extensions }) => ({ message, path, extensions })) };
  if (error.code) return { closed: error.code, reason: error.reason };
  const answer = error.response ?? error;
  return { failed: String(error.networkError?.message ?? error.message ?? error), status: answer.status ?? answer.statusCode };
};

const { open } = await import(`./${name}.mjs`);
const run = open({ ...JSON.parse(options), note: (note) => say({ note }) });
const stops = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, stop, ...request } = JSON.parse(line);
  if (stop) stops.get(id)();
  else
    stops.set(
      id,
      run(request, {
        next: ({ data, errors }) => say({ id, next: errors ? { data, ...phrase(errors) } : { data } }),
        error: (error) => say({ id, error: phrase(error) }),
        complete: () => say({ id, complete: true }),
      }),
    );
}
process.exit(0);

import { registerHooks } from "node:module";

/** Opens a local store, writes an object, and prints the packages that were loaded for it. */
const packages = new Set<string>();
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(resolved.url)?.[1];
    if (name !== undefined) packages.add(name);
    return resolved;
  },
});

const { openObjectStore } = await import("../../../src/drivers/objects/open-object-store.ts");
const [path = ""] = process.argv.slice(2);
const store = await openObjectStore(
  {
    clock: { nowUnixMs: () => 0, monotonicMs: () => 0 },
    random: () => 0,
    newId: () => "id",
    onRequest: () => {},
  },
  { backend: "local", local: { path } },
);
const signal = new AbortController().signal;
await store.put("a/b", new Uint8Array(3), { ifAbsent: true, signal });
console.log(JSON.stringify([...packages]));

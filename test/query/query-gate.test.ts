import { expect, test } from "vitest";
import { QueryGate } from "../../src/query/query-gate.ts";

function gate(maxConcurrentQueries: number, maxOutstandingPerTenant: number): QueryGate {
  return new QueryGate({ maxConcurrentQueries, maxOutstandingPerTenant });
}

/** Work that ends when told to. */
function work(order: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    end: resolve,
    run: async () => {
      order.push(name);
      await promise;
    },
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test("tenants take turns, whoever queued first", async () => {
  const order: string[] = [];
  const queries = gate(1, 10);
  const works = ["a1", "a2", "a3", "b1"].map((name) => work(order, name));
  const runs = works.map((w, i) => queries.run(i === 3 ? "b" : "a", undefined, w.run));
  for (const i of [0, 1, 3, 2]) {
    await settled();
    works[i]?.end();
  }
  await Promise.all(runs);
  expect(order).toEqual(["a1", "a2", "b1", "a3"]);
  expect(queries.running).toBe(0);
});

test("a full queue refuses its tenant only", async () => {
  const order: string[] = [];
  const queries = gate(1, 1);
  const [first, second, other] = ["a1", "a2", "b1"].map((name) => work(order, name));
  const runs = [
    queries.run("a", undefined, first!.run),
    queries.run("a", undefined, second!.run),
    queries.run("b", undefined, other!.run),
  ];
  await expect(queries.run("a", undefined, async () => {})).rejects.toMatchObject({
    kind: "limited",
    message: "too many outstanding requests",
  });
  for (const w of [first, second, other]) w!.end();
  await Promise.all(runs);
  expect(order).toHaveLength(3);
});

test("a query canceled while it waits leaves the queue and never runs", async () => {
  const order: string[] = [];
  const queries = gate(1, 1);
  const first = work(order, "first");
  const running = queries.run("a", undefined, first.run);
  const controller = new AbortController();
  const waiting = queries.run("a", controller.signal, async () => {
    order.push("never");
  });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ kind: "canceled" });
  const third = work(order, "third");
  const next = queries.run("a", undefined, third.run);
  first.end();
  third.end();
  await Promise.all([running, next]);
  expect(order).toEqual(["first", "third"]);
  await expect(queries.run("a", controller.signal, async () => {})).rejects.toMatchObject({
    kind: "canceled",
  });
  expect(queries.running).toBe(0);
});

test("work that fails gives its place back", async () => {
  const queries = gate(1, 1);
  const fail = async (): Promise<void> => {
    throw new Error("failed");
  };
  await expect(queries.run("a", undefined, fail)).rejects.toThrow("failed");
  expect(queries.running).toBe(0);
});

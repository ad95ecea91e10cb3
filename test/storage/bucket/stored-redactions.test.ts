import { expect, test } from "vitest";
import { REDACTIONS_KEY } from "../../../src/storage/bucket/object-keys.ts";
import { StoredRedactions } from "../../../src/storage/bucket/stored-redactions.ts";
import type { Redaction } from "../../../src/storage/catalog/redaction.ts";
import { setUpBucket, signal } from "./bucket-support.ts";

function redaction(id: string, init: Partial<Redaction> = {}): Redaction {
  return {
    ...{ id, tenant: "t", query: "{}", requestedBy: "kim", reason: "", createdUnixMs: 1 },
    ...{ traceCount: 1, spanCount: 2, traceIds: ["a".repeat(32)], state: "hiding" },
    ...{ doneUnixMs: undefined, removedSpans: 0, ...init },
  } as Redaction;
}

async function setUp() {
  const bucket = await setUpBucket();
  const state = { owned: true };
  const redactions = new StoredRedactions({
    store: bucket.plain,
    health: bucket.health,
    isOwner: async () => state.owned,
    signal,
  });
  return { bucket, redactions, state };
}

test("what another owner wrote stays, and of two records the one that knows more", async () => {
  const { redactions } = await setUp();
  expect(await redactions.read()).toEqual([]);
  const done = redaction("B", { state: "done", traceIds: [], doneUnixMs: 9 });
  await redactions.write([redaction("A", { removedSpans: 3 }), done]);
  await redactions.write([redaction("A"), redaction("B"), redaction("C")]);
  expect(await redactions.read()).toEqual([
    redaction("A", { removedSpans: 3 }),
    done,
    redaction("C"),
  ]);
});

test("two that write at the same time lose nothing", async () => {
  const { redactions } = await setUp();
  const ids = ["A", "B", "C", "D"];
  await Promise.all(ids.map((id) => redactions.write([redaction(id)])));
  expect((await redactions.read()).map(({ id }) => id)).toEqual(ids);
});

test("a bucket of others takes none, and what cannot be read is not taken for none", async () => {
  const { bucket, redactions, state } = await setUp();
  state.owned = false;
  await expect(redactions.write([redaction("A")])).rejects.toMatchObject({ kind: "unavailable" });
  expect(await bucket.plain.head(REDACTIONS_KEY, { signal })).toBeUndefined();
  for (const text of [
    "",
    "{}",
    "[1]",
    `[{"id":"A"}]`,
    JSON.stringify([{ ...redaction("A"), traceIds: ["x"] }]),
  ]) {
    const bytes = new TextEncoder().encode(text);
    await bucket.plain.put(REDACTIONS_KEY, bytes, { ifAbsent: false, signal });
    await expect(redactions.read()).rejects.toMatchObject({ kind: "corrupt" });
  }
});

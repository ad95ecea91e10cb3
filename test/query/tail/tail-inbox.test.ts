import { expect, test } from "vitest";
import { TailInbox } from "../../../src/query/tail/tail-inbox.ts";
import type { TailSpan } from "../../../src/query/tail/tail-spans.ts";

const spans = (count: number, bytes = 10): TailSpan[] =>
  Array.from({ length: count }, (_, i) => ({ name: `s${i}`, bytes }) as TailSpan);
const inbox = (maxWaitingSpans = 5, maxWaitingBytes = 1000) =>
  new TailInbox({ maxWaitingSpans, maxWaitingBytes });

test("news wait for a client, and a client for news", async () => {
  const box = inbox();
  const waiting = box.next();
  expect(box.add(spans(2), 0)).toBe(0);
  expect(await waiting).toMatchObject({ droppedSpans: 0, skippedSegments: 0 });
  box.add(spans(1), 0);
  box.add(spans(1), 0);
  expect((await box.next())?.spans.length).toBe(2);
});

test("beyond either bound spans are dropped and counted, and later ones too until some are taken", async () => {
  const box = inbox();
  expect(box.add(spans(4), 0)).toBe(0);
  expect(box.add(spans(3), 7)).toBe(2 + 7);
  expect(box.add(spans(1), 0)).toBe(1);
  const news = await box.next();
  expect([news?.spans.length, news?.droppedSpans]).toEqual([5, 10]);
  expect(box.add(spans(1), 0)).toBe(0);
  expect((await box.next())?.droppedSpans).toBe(0);
  const small = inbox(1000, 25);
  expect(small.add(spans(3), 0)).toBe(1);
});

test("segments that were not looked at are told", async () => {
  const box = inbox();
  box.skipped(2);
  expect(await box.next()).toEqual({ spans: [], droppedSpans: 0, skippedSegments: 2 });
});

test("a closed inbox gives what it has, then ends", async () => {
  const box = inbox();
  box.add(spans(1), 0);
  box.close();
  expect((await box.next())?.spans.length).toBe(1);
  expect(await box.next()).toBeUndefined();
  expect(await box.next()).toBeUndefined();
});

test("closing ends a wait", async () => {
  const box = inbox();
  const waiting = box.next();
  box.close();
  expect(await waiting).toBeUndefined();
});

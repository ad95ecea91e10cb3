import { createRecordsBatch } from "@platformatic/kafka";
import { afterEach, expect, test } from "vitest";
import { PintailError } from "../../../src/errors.ts";
import { RefusedError } from "../../../src/ingest/ingest.ts";
import type { KafkaReceiverSettings } from "../../../src/receivers/kafka/settings.ts";
import { FakeKafka } from "../../support/fake-kafka.ts";
import {
  busy,
  LedgerIngest,
  messages,
  type Started,
  startReceiver,
  texts,
  until,
} from "./support.ts";

// Faults, with a fake of a broker that can have them.

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function aKafka(partitions = 1, options: { down?: boolean } = {}): Promise<FakeKafka> {
  const kafka = await FakeKafka.open(options);
  open.push(kafka);
  await kafka.createTopic("t", partitions);
  return kafka;
}

function aReceiver(
  kafka: FakeKafka,
  over: Partial<KafkaReceiverSettings> = {},
  ingest?: LedgerIngest,
): Started {
  const started = startReceiver(kafka.broker, ["t"], over, ingest);
  open.push({ close: () => started.receiver.close(5000) });
  return started;
}

const offsets = async (kafka: FakeKafka, partitions = 1) =>
  (await kafka.committed("g", "t", partitions)).map(Number);

test("a broker that is away at the start is waited for, and read when it comes", async () => {
  const kafka = await aKafka(1, { down: true });
  await kafka.produce("t", messages(texts("a", 5)));
  const { ingest, logged } = aReceiver(kafka);
  await until("a warning", () => logged.some((line) => line.includes("no connection to Kafka")));
  await kafka.up();
  await until("records", () => ingest.stored.length === 5);
  expect(ingest.stored).toEqual(texts("a", 5));
});

test("a topic that is not there yet is waited for", async () => {
  const kafka = await FakeKafka.open();
  open.push(kafka);
  const { ingest, logged } = aReceiver(kafka);
  await until("a warning", () => logged.some((line) => line.includes("no topic is there of t")));
  await kafka.createTopic("t", 1);
  await kafka.produce("t", messages(["a"]));
  await until("records", () => ingest.stored.length === 1);
});

test("connections cut while records are fetched cost nothing and repeat nothing", async () => {
  const kafka = await aKafka(3);
  let fetches = 0;
  kafka.onRequest = (api) =>
    api === FakeKafka.Api.fetch && ++fetches % 3 === 0 ? "cut" : undefined;
  const { ingest } = aReceiver(kafka);
  const all = texts("a", 300);
  for (let i = 0; i < all.length; i += 30) {
    await kafka.produce("t", messages(all.slice(i, i + 30), 3));
    await new Promise((done) => setTimeout(done, 50));
  }
  await until("records", () => ingest.stored.length >= all.length);
  await until("commits", async () => (await offsets(kafka, 3)).join() === "100,100,100");
  expect([...ingest.stored].sort()).toEqual([...all].sort());
  expect(fetches).toBeGreaterThan(6);
});

test("a broker that goes and comes back is read again, without loss", async () => {
  const kafka = await aKafka(2);
  const { ingest } = aReceiver(kafka);
  await kafka.produce("t", messages(texts("a", 10), 2));
  await until("records", () => ingest.stored.length === 10);
  for (const round of ["b", "c"]) {
    await kafka.down();
    await new Promise((done) => setTimeout(done, 1500));
    await kafka.produce("t", messages(texts(round, 10), 2));
    await kafka.up();
    await until("records", () => texts(round, 10).every((each) => ingest.stored.includes(each)));
  }
  await until("commits", async () => (await offsets(kafka, 2)).join() === "15,15");
});

test("while Pintail takes nothing nothing is committed, and then nothing is missing", async () => {
  const kafka = await aKafka(2);
  const { ingest, metric, logged } = aReceiver(kafka);
  await kafka.produce("t", messages(texts("a", 20), 2));
  await until("records", () => ingest.stored.length === 20);
  await until("commits", async () => (await offsets(kafka, 2)).join() === "10,10");
  ingest.failure = () => busy();
  const before = ingest.pushes;
  await kafka.produce("t", messages(texts("b", 2000), 2));
  await until("retries", () => metric("pintail_receiver_retried_pushes_total") > 3);
  await new Promise((done) => setTimeout(done, 1500));
  expect(await offsets(kafka, 2)).toEqual([10, 10]);
  // The first failures are of what ran at once, then one at a time is tried.
  expect(ingest.pushes - before).toBeLessThan(1024 + 20);
  expect(logged.filter((line) => line.includes("wait to be stored")).length).toBe(1);
  ingest.failure = () => undefined;
  await until("records", () => ingest.stored.length === 2020);
  await until("commits", async () => (await offsets(kafka, 2)).join() === "1010,1010");
  expect([...ingest.stored].sort()).toEqual([...texts("a", 20), ...texts("b", 2000)].sort());
});

test("an offset is not committed before all records below it are stored", async () => {
  const kafka = await aKafka();
  const ingest = new LedgerIngest();
  ingest.failure = (text) => (text === "a-3" ? busy() : undefined);
  aReceiver(kafka, {}, ingest);
  await kafka.produce("t", messages(texts("a", 10)));
  await until("the others", () => ingest.stored.length === 9);
  await new Promise((done) => setTimeout(done, 500));
  expect(await offsets(kafka)).toEqual([3]);
  ingest.failure = () => undefined;
  await until("commits", async () => (await offsets(kafka)).join() === "10");
  expect(ingest.stored.at(-1)).toBe("a-3");
});

test("what waits is bounded, however much the topic holds", async () => {
  const kafka = await aKafka(2);
  const ingest = new LedgerIngest();
  let release = (): void => {};
  ingest.gate = new Promise((resolve) => {
    release = resolve;
  });
  const { metric } = aReceiver(kafka, {}, ingest);
  const value = new Uint8Array(500_000);
  for (let i = 0; i < 100; i++) await kafka.produce("t", [{ value, partition: i % 2 }]);
  await until("a full queue", () => ingest.running > 30);
  await new Promise((done) => setTimeout(done, 1000));
  // 16 MiB, and the record that was in the hands of each reader.
  expect(ingest.running).toBeLessThan(36);
  expect(metric("pintail_receiver_kafka_lag_records")).toBeGreaterThan(50);
  release();
  await until("all", () => ingest.stored.length === 100);
  await until("commits", async () => (await offsets(kafka, 2)).join() === "50,50");
});

test.each([
  ["malformed", new PintailError("malformed", "no span")],
  ["larger than a tenant's burst", refused("limited", true)],
  ["of a bug", refused("internal", false)],
])("a record that is %s is counted, left out and committed", async (_, failure) => {
  const kafka = await aKafka();
  const ingest = new LedgerIngest();
  ingest.failure = (text) => (text === "a-1" ? failure : undefined);
  const { metric } = aReceiver(kafka, {}, ingest);
  await kafka.produce("t", messages(texts("a", 3)));
  await until("commits", async () => (await offsets(kafka)).join() === "3");
  expect(ingest.stored.sort()).toEqual(["a-0", "a-2"]);
  expect(metric("pintail_receiver_refused_requests_total")).toBe(1);
  expect(metric("tempo_receiver_accepted_spans")).toBe(2);
});

test("a tenant beyond its rate holds the reading back, and loses nothing", async () => {
  const kafka = await aKafka();
  const ingest = new LedgerIngest();
  let tokens = 5;
  const refill = setInterval(() => {
    tokens = 5;
  }, 200);
  ingest.failure = () => (tokens-- > 0 ? undefined : refused("limited", false));
  aReceiver(kafka, {}, ingest);
  await kafka.produce("t", messages(texts("a", 40)));
  await until("all", () => ingest.stored.length === 40);
  clearInterval(refill);
  await until("commits", async () => (await offsets(kafka)).join() === "40");
});

function refused(kind: "limited" | "internal", neverFits: boolean): RefusedError {
  const what = { reason: "rate_limited", spanCount: 1, protobufBytes: 9, neverFits };
  return new RefusedError(kind, "no", what);
}

test("a batch that cannot be read is read three times, counted and left out", async () => {
  const kafka = await aKafka();
  const { ingest, metric, logged } = aReceiver(kafka);
  await kafka.produce("t", messages(["a"]));
  const value = Buffer.from("hurt");
  const batch = createRecordsBatch([{ topic: "t", key: value, value }]).buffer;
  batch[batch.length - 1]! ^= 1;
  kafka.append("t", 0, Buffer.from(batch), 1);
  await kafka.produce("t", messages(["b"]));
  await until("commits", async () => (await offsets(kafka)).join() === "3");
  expect(ingest.stored).toEqual(["a", "b"]);
  expect(metric("pintail_receiver_kafka_unreadable_batches_total")).toBe(1);
  expect(logged.some((line) => line.includes("batch of Kafka left out"))).toBe(true);
});

test("a compression bomb costs its bound, and is left out", async () => {
  const kafka = await aKafka();
  const { ingest, metric } = aReceiver(kafka);
  for (const compression of ["gzip", "zstd"] as const) {
    await kafka.produce("t", [{ value: new Uint8Array(100 * 1024 * 1024) }], compression);
  }
  await kafka.produce("t", messages(["b"]));
  await until("commits", async () => (await offsets(kafka)).join() === "3");
  expect(ingest.stored).toEqual(["b"]);
  expect(metric("pintail_receiver_kafka_unreadable_batches_total")).toBe(2);
});

test("offsets that retention deleted are stepped over", async () => {
  const kafka = await aKafka();
  await kafka.produce("t", messages(texts("a", 5)));
  await kafka.produce("t", messages(texts("b", 5)));
  kafka.group("g").offsets.set("t:0", 2n);
  kafka.truncate("t", 0, 5n);
  const { ingest, logged } = aReceiver(kafka);
  await until("records", () => ingest.stored.length === 5);
  expect(ingest.stored).toEqual(texts("b", 5));
  expect(logged.some((line) => line.includes("out of range"))).toBe(true);
  await until("commits", async () => (await offsets(kafka)).join() === "10");
});

test.each(["cooperative-sticky", "roundrobin"] as const)(
  "two members share the partitions, and one takes over what the other leaves: %s",
  async (assignor) => {
    const kafka = await aKafka(4);
    const client = {
      brokers: [kafka.broker],
      clientId: "c",
      groupId: "g",
      sessionTimeoutMs: 3000,
      heartbeatIntervalMs: 200,
      assignor,
      sasl: undefined,
      tls: undefined,
    };
    const [a, b] = [aReceiver(kafka, { client }), aReceiver(kafka, { client })];
    const both = () => [...a.ingest.stored, ...b.ingest.stored];
    const assigned = ({ logged }: Started) =>
      logged.filter((line) => line.includes("assigned")).at(-1) ?? "";
    await until("shares", () => [a, b].every((each) => assigned(each).includes("partitions=2")));
    await kafka.produce("t", messages(texts("a", 40), 4));
    await until("records", () => both().length === 40);
    expect([a.ingest.stored.length, b.ingest.stored.length]).toEqual([20, 20]);
    await b.receiver.close(5000);
    await kafka.produce("t", messages(texts("b", 40), 4));
    await until("records", () => a.ingest.stored.length === 60);
    expect([...both()].sort()).toEqual([...texts("a", 40), ...texts("b", 40)].sort());
    expect(kafka.group("g").memberCount).toBe(1);
  },
);

test("receivers of one group with topics of their own do not take each other's", async () => {
  const kafka = await aKafka(2);
  await kafka.createTopic("u", 2);
  const a = aReceiver(kafka);
  const b = startReceiver(kafka.broker, ["u"]);
  open.push({ close: () => b.receiver.close(5000) });
  await kafka.produce("t", messages(texts("t", 10), 2));
  await kafka.produce("u", messages(texts("u", 10), 2));
  await until("records", () => a.ingest.stored.length + b.ingest.stored.length >= 20);
  expect([...a.ingest.stored].sort()).toEqual(texts("t", 10).sort());
  expect([...b.ingest.stored].sort()).toEqual(texts("u", 10).sort());
});

test("a receiver that is closed while nothing is taken ends soon, and commits only what is stored", async () => {
  const kafka = await aKafka();
  const ingest = new LedgerIngest();
  ingest.failure = (text) => (text === "a-0" ? undefined : busy());
  const { receiver } = aReceiver(kafka, { commitIntervalMs: 3_600_000 }, ingest);
  await kafka.produce("t", messages(texts("a", 100)));
  await until("a first", () => ingest.stored.length === 1);
  const startedMs = performance.now();
  await receiver.close(10_000);
  expect(performance.now() - startedMs).toBeLessThan(5000);
  expect(await offsets(kafka)).toEqual([1]);
  expect(kafka.group("g").memberCount).toBe(0);
});

test("a receiver is closed by its deadline though the broker is gone", async () => {
  const kafka = await aKafka();
  const { receiver, ingest } = aReceiver(kafka);
  await kafka.produce("t", messages(["a"]));
  await until("records", () => ingest.stored.length === 1);
  await kafka.down();
  const startedMs = performance.now();
  await receiver.close(1000);
  expect(performance.now() - startedMs).toBeLessThan(3000);
});

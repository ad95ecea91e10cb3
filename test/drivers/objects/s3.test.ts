import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BucketStore } from "../../../src/drivers/objects/bucket-store.ts";
import { countRequests } from "../../../src/drivers/objects/metrics.ts";
import { openObjectStore } from "../../../src/drivers/objects/open-object-store.ts";
import { openS3Bucket } from "../../../src/drivers/objects/s3/s3-bucket.ts";
import { NO_S3_TLS, type S3Settings } from "../../../src/drivers/objects/settings.ts";
import { MetricRegistry } from "../../../src/telemetry/metrics.ts";
import { startS3Fake } from "../../support/s3-fake.ts";
import { someBytes } from "./contract.ts";
import { observedParts, openS3FakeStore, s3FakeSettings, TEST_PART_BYTES } from "./open-stores.ts";

const signal = new AbortController().signal;
const FIXTURES = join(import.meta.dirname, "../../runtime/fixtures");

test("tags, metadata, storage class and encryption reach each object, also one in parts", async () => {
  const { fake, store, close } = await openS3FakeStore(
    {},
    {
      tags: { team: "traces", "a key": "ü & more" },
      metadata: { owner: "pintail" },
      storageClass: "STANDARD_IA",
      sse: { type: "SSE-KMS", kmsKeyId: "key-1", kmsEncryptionContext: '{"a":"b"}' },
    },
  );
  await store.put("small", someBytes(10), { ifAbsent: true, signal });
  await store.put("large", someBytes(3 * TEST_PART_BYTES), { ifAbsent: true, signal });
  for (const key of ["small", "large"]) {
    expect(fake.objects.get(`a/prefix/${key}`)?.headers).toMatchObject({
      "x-amz-tagging": "team=traces&a+key=%C3%BC+%26+more",
      "x-amz-meta-owner": "pintail",
      "x-amz-meta-pintail-upload": expect.any(String),
      "x-amz-storage-class": "STANDARD_IA",
      "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
      "x-amz-server-side-encryption-context": Buffer.from('{"a":"b"}').toString("base64"),
    });
  }
  await close();
});

test("an own key is sent with every request that needs it", async () => {
  const sse = { type: "SSE-C", encryptionKey: "0123456789abcdef0123456789abcdef" } as const;
  const { fake, store, close } = await openS3FakeStore({}, { sse });
  for (const length of [10, 3 * TEST_PART_BYTES]) {
    const bytes = someBytes(length);
    const { info } = await store.put(`k${length}`, bytes, { ifAbsent: true, signal });
    const read = await store.get(info.key, { maxBytes: length, ...info, signal });
    expect(Buffer.compare(read.bytes, bytes)).toBe(0);
    expect(
      fake.objects.get(`a/prefix/k${length}`)?.headers["x-amz-server-side-encryption-customer-key"],
    ).toBe(Buffer.from(sse.encryptionKey).toString("base64"));
  }
  await close();
});

test("where answers say that ETags are no checksums, no look at the object follows", async () => {
  const sse = { type: "SSE-KMS", kmsKeyId: "", kmsEncryptionContext: "" } as const;
  const { store, requests, close } = await openS3FakeStore({ opaqueETags: true }, { sse });
  await store.put("a", someBytes(10), { ifAbsent: true, signal });
  expect(requests.map(({ operation }) => operation)).toEqual(["put"]);
  await close();
});

test("settings that cannot work are refused with their names", async () => {
  const fake = await startS3Fake();
  const settings = s3FakeSettings(fake);
  const cases: readonly (readonly [Partial<S3Settings>, string])[] = [
    [{ bucket: "" }, "bucket"],
    [{ endpoint: "http://host:9000" }, "without scheme"],
    [{ endpoint: "host/path" }, "without scheme"],
    [{ secretKey: "" }, "secret_key"],
    [{ partBytes: 5_242_879 }, "part_size"],
    [{ sse: { type: "SSE-C", encryptionKey: "short" } }, "32 bytes"],
    [{ tls: { ...NO_S3_TLS, caFile: "/no/such/file" } }, "/no/such/file"],
    [{ tls: { ...NO_S3_TLS, minVersion: "VersionTLS99" } }, "VersionTLS99"],
  ];
  for (const [change, message] of cases) {
    const opened = openObjectStore(observedParts().parts, {
      backend: "s3",
      s3: { ...settings, ...change },
    });
    await expect(opened).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(message),
    });
  }
  await fake.close();
});

test("HTTPS is checked against the configured authority", async () => {
  const fake = await startS3Fake();
  const [host, port] = fake.address.split(":");
  // In front of the fake: what comes by TLS goes on in plain text, its Host header as it was.
  const front = https.createServer(
    {
      cert: readFileSync(join(FIXTURES, "server.crt")),
      key: readFileSync(join(FIXTURES, "server.key")),
    },
    (incoming, outgoing) => {
      const { method, url, headers } = incoming;
      const onward = http.request({ host, port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    },
  );
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  const endpoint = `localhost:${(front.address() as AddressInfo).port}`;
  const open = async (tls: Partial<S3Settings["tls"]>) => {
    const settings = {
      ...s3FakeSettings(fake),
      endpoint,
      insecure: false,
      tls: { ...NO_S3_TLS, ...tls },
    };
    settings.retry = { ...settings.retry, maxAttempts: 2 };
    return new BucketStore(await openS3Bucket(settings), observedParts().parts, settings);
  };
  for (const tls of [{ caFile: join(FIXTURES, "server.crt") }, { insecureSkipVerify: true }]) {
    const store = await open(tls);
    await store.put("a", someBytes(10), { ifAbsent: false, signal });
    expect((await store.get("a", { maxBytes: 10, signal })).bytes).toHaveLength(10);
    await store.close();
  }
  const untrusting = await open({});
  await expect(untrusting.head("a", { signal })).rejects.toMatchObject({ kind: "unavailable" });
  await untrusting.close();
  front.closeAllConnections();
  front.close();
  await fake.close();
});

test("a server that is not there is unavailable", async () => {
  const fake = await startS3Fake();
  await fake.close();
  const settings = s3FakeSettings(fake);
  const store = new BucketStore(await openS3Bucket(settings), observedParts().parts, settings);
  await expect(store.get("a", { maxBytes: 1, signal })).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: expect.any(Number),
  });
  await store.close();
});

test("requests are counted by operation and outcome, with their bytes", async () => {
  const fake = await startS3Fake();
  const registry = new MetricRegistry();
  const parts = { ...observedParts().parts, onRequest: countRequests(registry, "s3") };
  const settings = s3FakeSettings(fake);
  const store = new BucketStore(await openS3Bucket(settings), parts, settings);
  fake.faults.plan("PUT", "slow_down");
  await store.put("a", someBytes(1000), { ifAbsent: true, signal });
  await store.getRanges(
    "a",
    [
      { start: 0, end: 300 },
      { start: 500, end: 600 },
    ],
    { signal },
  );
  await store.head("missing", { signal });
  const text = registry.render();
  for (const line of [
    'requests_total{backend="s3",operation="put",outcome="throttled"} 1',
    'requests_total{backend="s3",operation="put",outcome="ok"} 1',
    'requests_total{backend="s3",operation="get",outcome="ok"} 2',
    'requests_total{backend="s3",operation="head",outcome="missing"} 1',
    'bytes_total{backend="s3",operation="put",direction="sent"} 2000',
    'bytes_total{backend="s3",operation="get",direction="received"} 400',
  ]) {
    expect(text).toContain(`pintail_object_store_${line}`);
  }
  await store.close();
  await fake.close();
});

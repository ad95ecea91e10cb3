import { generateKeyPairSync, verify } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openObjectStore } from "../../../src/drivers/objects/open-object-store.ts";
import type { GcsSettings } from "../../../src/drivers/objects/settings.ts";
import { temporaryFolder } from "../../storage/wal/wal-support.ts";
import { startGcsFake } from "../../support/gcs-fake.ts";
import { someBytes } from "./contract.ts";
import {
  gcsFakeSettings,
  observedParts,
  openGcsFakeStore,
  TEST_PART_BYTES,
} from "./open-stores.ts";

const signal = new AbortController().signal;

test("metadata and cache control reach each object, also one in parts", async () => {
  const changes = { cacheControl: "no-store", metadata: { owner: "pintail" } };
  const { fake, store, close } = await openGcsFakeStore({}, changes);
  for (const length of [10, 3 * TEST_PART_BYTES]) {
    await store.put(`k${length}`, someBytes(length), { ifAbsent: true, signal });
    expect(fake.objects.get(`a/prefix/k${length}`)?.resource).toMatchObject({
      cacheControl: "no-store",
      contentType: "application/octet-stream",
      metadata: { owner: "pintail", "pintail-upload": expect.any(String) },
    });
  }
  await close();
});

test("application default credentials authorize each request, their token asked for once", async () => {
  const fake = await startGcsFake();
  const token = "a-token-of-the-metadata-server";
  fake.accepts = (authorization) => authorization === `Bearer ${token}`;
  let asked = 0;
  const metadataServer = http.createServer((request, response) => {
    const isToken = request.url?.includes("/token") === true;
    if (isToken) asked++;
    response.setHeader("metadata-flavor", "Google");
    response.setHeader("content-type", isToken ? "application/json" : "application/text");
    const answer = { access_token: token, expires_in: 3600, token_type: "Bearer" };
    response.end(isToken ? JSON.stringify(answer) : "googleapis.com");
  });
  await new Promise<void>((resolve) => metadataServer.listen(0, "127.0.0.1", resolve));
  const home = temporaryFolder();
  const environment = {
    GCE_METADATA_HOST: `127.0.0.1:${(metadataServer.address() as AddressInfo).port}`,
    GOOGLE_APPLICATION_CREDENTIALS: "",
    HOME: home,
    APPDATA: home,
  };
  const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, environment);
  onTestFinished(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  // The library looks around on its first call.
  const retry = { ...gcsFakeSettings(fake).retry, attemptTimeoutMs: 20_000 };
  const store = await openObjectStore(observedParts().parts, {
    backend: "gcs",
    gcs: { ...gcsFakeSettings(fake), insecure: false, retry },
  });
  await store.put("a", someBytes(10), { ifAbsent: true, signal });
  const large = someBytes(11 * 1024 * 1024);
  await store.put("b", large, { ifAbsent: true, signal });
  expect((await store.get("a", { maxBytes: 10, signal })).bytes).toHaveLength(10);
  expect((await store.head("b", { signal }))?.sizeBytes).toBe(large.length);
  expect(asked).toBe(1);
  await store.close();
  metadataServer.closeAllConnections();
  metadataServer.close();
  await fake.close();
});

test("a service account file signs each request by itself", async () => {
  const fake = await startGcsFake();
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const file = path.join(temporaryFolder(), "account.json");
  const account = {
    type: "service_account",
    client_email: "pintail@example.iam.gserviceaccount.com",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    private_key_id: "key-1",
  };
  fs.writeFileSync(file, JSON.stringify(account));
  let verified = 0;
  fake.accepts = (authorization) => {
    const [head = "", claims = "", signature = ""] = (authorization ?? "").slice(7).split(".");
    const { iss, scope } = JSON.parse(Buffer.from(claims, "base64url").toString());
    const holds = verify(
      "sha256",
      Buffer.from(`${head}.${claims}`),
      publicKey,
      Buffer.from(signature, "base64url"),
    );
    verified++;
    return holds && iss === account.client_email && scope.endsWith("devstorage.read_write");
  };
  const store = await openObjectStore(observedParts().parts, {
    backend: "gcs",
    gcs: { ...gcsFakeSettings(fake), insecure: false, credentialsFile: file },
  });
  await store.put("a", someBytes(10), { ifAbsent: true, signal });
  expect((await store.get("a", { maxBytes: 10, signal })).bytes).toHaveLength(10);
  expect(verified).toBe(2);
  await store.close();
  await fake.close();
});

test("the endpoint may have the path of the API, as Tempo's users write it", async () => {
  const fake = await startGcsFake();
  for (const ending of ["", "/", "/storage/v1", "/storage/v1/"]) {
    const store = await openObjectStore(observedParts().parts, {
      backend: "gcs",
      gcs: { ...gcsFakeSettings(fake), endpoint: `http://${fake.address}${ending}` },
    });
    const key = `k${ending.length}`;
    expect((await store.put(key, someBytes(10), { ifAbsent: true, signal })).outcome).toBe(
      "stored",
    );
    await store.close();
  }
  expect(fake.objects.size).toBe(4);
  await fake.close();
});

test("settings that cannot work are refused with their names", async () => {
  const fake = await startGcsFake();
  const broken = path.join(temporaryFolder(), "key.json");
  fs.writeFileSync(broken, "{");
  const other = path.join(temporaryFolder(), "other.json");
  fs.writeFileSync(other, "null");
  const cases: readonly (readonly [Partial<GcsSettings>, string])[] = [
    [{ bucket: "" }, "bucket_name"],
    [{ endpoint: "storage.example.com" }, "must be a URL"],
    [{ partBytes: 1000 }, "chunk_buffer_size"],
    [{ insecure: false, credentialsFile: "/no/such/file" }, "/no/such/file"],
    [{ insecure: false, credentialsFile: broken }, broken],
    [{ insecure: false, credentialsFile: other }, "not of a service account"],
  ];
  for (const [change, message] of cases) {
    const opened = openObjectStore(observedParts().parts, {
      backend: "gcs",
      gcs: { ...gcsFakeSettings(fake), ...change },
    });
    await expect(opened).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(message),
    });
  }
  await fake.close();
});

test("an upload in parts whose stored bytes differ is removed again", async () => {
  const { fake, store, close } = await openGcsFakeStore();
  let reads = 0;
  const source = {
    sizeBytes: 3 * TEST_PART_BYTES,
    async read(target: Uint8Array) {
      if (++reads === 3) fake.corruptNextUpload = true;
      return target.length;
    },
  };
  await expect(store.put("a", source, { ifAbsent: true, signal })).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: expect.any(Number),
  });
  expect(fake.objects.size).toBe(0);
  await close();
});

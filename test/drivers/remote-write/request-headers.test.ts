import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type HeaderSources,
  requestHeaders,
} from "../../../src/drivers/remote-write/request-headers.ts";
import type { RemoteWriteAuth } from "../../../src/drivers/remote-write/settings.ts";
import { VERSION } from "../../../src/version.ts";

const NONE: HeaderSources = { endpoint: {}, auth: undefined, batch: {}, attempts: 0 };
const OURS = {
  "content-type": "application/x-protobuf",
  "content-encoding": "snappy",
  "x-prometheus-remote-write-version": "0.1.0",
  "user-agent": `Pintail/${VERSION}`,
};

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pintail-secret-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("a first request has the protocol's headers, a later one tells which it is", async () => {
  expect(await requestHeaders(NONE)).toEqual(OURS);
  expect(await requestHeaders({ ...NONE, attempts: 2 })).toEqual({ ...OURS, "retry-attempt": "2" });
});

test("a batch's headers win over the endpoint's, the protocol's over both", async () => {
  const headers = await requestHeaders({
    ...NONE,
    endpoint: { "X-Scope-OrgID": "all", "X-Team": "a", "content-type": "text/plain" },
    batch: { "x-scope-orgid": "mine", "User-Agent": "else" },
  });
  expect(headers).toEqual({ ...OURS, "x-scope-orgid": "mine", "x-team": "a" });
});

test("headers of the connection are left out", async () => {
  const endpoint = { Host: "x", "Content-Length": "1", "transfer-encoding": "chunked", TE: "x" };
  expect(await requestHeaders({ ...NONE, endpoint })).toEqual(OURS);
});

test("values are sent as UTF-8", async () => {
  const { "x-team": value } = await requestHeaders({ ...NONE, endpoint: { "X-Team": "Grün" } });
  expect(Buffer.from(value!, "latin1").toString("utf8")).toBe("Grün");
});

test.each([
  [{ "X-Bad": "a\r\nX-More: b" }, "the value of header 'x-bad' has control characters"],
  [{ "X Bad": "a" }, "'x bad' cannot be the name of a header"],
  [{ "": "a" }, "'' cannot be the name of a header"],
])("%j is invalid", async (batch, message) => {
  await expect(requestHeaders({ ...NONE, batch })).rejects.toMatchObject({
    kind: "invalid",
    message,
  });
});

test("a user and a password make basic authentication", async () => {
  const password = { type: "text", text: "pä:ss" } as const;
  const auth: RemoteWriteAuth = { type: "basic", username: "me", password };
  const { authorization } = await requestHeaders({ ...NONE, auth });
  expect(authorization).toBe(`Basic ${Buffer.from("me:pä:ss").toString("base64")}`);
});

test("a secret's file is read each time, without the blanks around it", async () => {
  const path = join(folder, "token");
  const auth: RemoteWriteAuth = {
    type: "header",
    scheme: "Bearer",
    credentials: { type: "file", path },
  };
  await writeFile(path, "first\n");
  expect((await requestHeaders({ ...NONE, auth })).authorization).toBe("Bearer first");
  await writeFile(path, " second \n");
  expect((await requestHeaders({ ...NONE, auth })).authorization).toBe("Bearer second");
});

test("a secret that cannot be read may be there later; a huge file is none", async () => {
  const authWith = (path: string): RemoteWriteAuth => ({
    type: "header",
    scheme: "Bearer",
    credentials: { type: "file", path },
  });
  const missing = requestHeaders({ ...NONE, auth: authWith(join(folder, "none")) });
  await expect(missing).rejects.toMatchObject({ kind: "unavailable" });
  const huge = requestHeaders({ ...NONE, auth: authWith("/dev/zero") });
  await expect(huge).rejects.toMatchObject({ kind: "unavailable" });
});

test("headers that authorize win over the endpoint's authentication", async () => {
  const auth: RemoteWriteAuth = {
    type: "header",
    scheme: "Bearer",
    credentials: { type: "text", text: "all" },
  };
  const headers = await requestHeaders({ ...NONE, auth, batch: { Authorization: "Bearer mine" } });
  expect(headers.authorization).toBe("Bearer mine");
});

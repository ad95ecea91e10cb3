import { gunzipSync } from "node:zlib";
import type { Hono } from "hono";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Readiness } from "../../src/server/readiness.ts";
import { SegmentStore } from "../query/segment-store.ts";
import { apiOf, BUILD_INFO } from "./api-fixture.ts";

let store: SegmentStore;
let app: Hono;
const readiness = new Readiness();
beforeAll(async () => {
  store = await SegmentStore.open();
  app = apiOf(store, { apiPrefix: "/tempo", multitenancyEnabled: true, readiness });
});
afterAll(async () => {
  await store.close();
});

const TEXT = "text/plain; charset=utf-8";
async function get(path: string, init: RequestInit = {}) {
  const response = await app.request(path, init);
  return [response.status, response.headers.get("content-type"), await response.text()] as const;
}

test("the prefix stands before the API and not before the operational pages", async () => {
  expect(await get("/tempo/api/echo")).toEqual([200, TEXT, "echo\n"]);
  expect(await get("/api/echo")).toEqual([404, TEXT, "404 page not found\n"]);
  expect((await get("/tempo/api/search", { headers: { "x-scope-orgid": "a" } }))[0]).toBe(200);
  expect((await get("/tempo/ready"))[0]).toBe(404);
  expect((await get("/tempo/status/usage-stats"))[2]).toBe("usage-stats is not enabled\n");
  expect((await get("/status/usage-stats"))[0]).toBe(404);
});

test("MCP is off, behind the tenant like all of the API", async () => {
  expect(await get("/tempo/api/mcp")).toEqual([401, TEXT, "no org id\n"]);
  const headers = { "x-scope-orgid": "a" };
  expect(await get("/tempo/api/mcp", { headers })).toEqual([404, TEXT, "404 page not found\n"]);
});

test("buildinfo tells Grafana a version, to GET only", async () => {
  const path = "/tempo/api/status/buildinfo";
  expect(await get(path)).toEqual([200, "application/json", `${JSON.stringify(BUILD_INFO)}\n`]);
  expect(await get(path, { method: "POST" })).toEqual([405, null, ""]);
});

test("ready follows the process", async () => {
  expect(await get("/ready")).toEqual([200, TEXT, "ready\n"]);
  readiness.stop();
  expect(await get("/ready")).toEqual([503, TEXT, "Application is stopping\n"]);
});

test("the status pages are text under their own first line", async () => {
  expect(await get("/status/version")).toEqual([200, TEXT, "GET /status/version\npintail 0.1.0\n"]);
  expect((await get("/status/services"))[2]).toContain("query   Running\n");
  expect((await get("/status/endpoints"))[2]).toContain("/tempo/api/v2/traces/:id\n");
  expect((await get("/status/config"))[2]).toBe('GET /status/config\n---\nmode: ""\n');
  expect((await get("/status/config?mode=diff"))[2]).toContain('mode: "diff"');
  expect(await get("/status/config?mode=foo")).toEqual([
    500,
    TEXT,
    "unknown value for mode query parameter: foo",
  ]);
  expect((await get("/status/runtime_config?mode=diff"))[2]).toContain("overrides: {}");
  const [, , all] = await get("/status");
  expect(all.match(/^GET \/status\/\w+$/gm)).toHaveLength(5);
});

test("unknown paths are 404 in Go's words", async () => {
  for (const path of [
    "/",
    "/status/nope",
    "/tempo/api/nope",
    "/tempo/api/traces/",
    "/debug/pprof/",
  ])
    expect(await get(path)).toEqual([404, TEXT, "404 page not found\n"]);
});

test("metrics are text and compressed", async () => {
  const response = await app.request("/metrics", { headers: { "accept-encoding": "gzip" } });
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(response.headers.get("content-encoding")).toBe("gzip");
  const plain = await (await app.request("/metrics")).text();
  const names = (text: string) => text.match(/^# TYPE .*$/gm);
  const unpacked = gunzipSync(new Uint8Array(await response.arrayBuffer())).toString();
  expect(names(unpacked)).toEqual(names(plain));
  expect(names(plain)).not.toBeNull();
});

test("the metrics summary, which Tempo no longer has, is not found", async () => {
  const init = { headers: { "x-scope-orgid": "a" } };
  expect((await get("/tempo/api/metrics/summary?q={}", init))[0]).toBe(404);
});

test("any method queries, since Tempo does not care", async () => {
  const init = { method: "POST", headers: { "x-scope-orgid": "a" } };
  expect((await get("/tempo/api/v2/search/tags", init))[0]).toBe(200);
});

test("URLs on the deny list are refused with their path", async () => {
  store.settings = { ...store.settings, urlDenyList: ["q=.*bad", "^/api/search/tags$"] };
  app = apiOf(store);
  const message = (path: string) =>
    `Invalid request ${path}. This query has been identified as one that destabilizes our system. Contact your system administrator for more information`;
  expect(await get("/api/search?q=xbad")).toEqual([400, TEXT, message("/api/search?q=xbad")]);
  expect(await get("/api/search/tags")).toEqual([400, TEXT, message("/api/search/tags")]);
  expect((await get("/api/search/tags?limit=1"))[0]).toBe(200);
  store.settings = { ...store.settings, urlDenyList: ["("] };
  expect(() => apiOf(store)).toThrow(/url_deny_list: "\(" is no valid pattern/);
});

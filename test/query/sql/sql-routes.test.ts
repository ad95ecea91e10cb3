import { afterAll, beforeAll, expect, test } from "vitest";
import { sqlRoutes } from "../../../src/api/http/sql.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { aRequest, aSpan } from "../../support/otlp-builder.ts";
import { SqlStore } from "./sql-store.ts";

let store: SqlStore;
const log = createLogger(
  { level: "error", format: "json" } as never,
  () => 0,
  () => {},
);

beforeAll(async () => {
  store = await SqlStore.open();
  await store.segments.add([aRequest([aSpan()], { service: "shop" })], { tenant: "a" });
  await store.segments.add([aRequest([aSpan()], { service: "secret" })], { tenant: "b" });
});
afterAll(async () => {
  await store.close();
});

function ask(sql: string, headers: Record<string, string> = {}, search = "") {
  const app = sqlRoutes({
    sql: store.query(),
    log,
    tenantRules: { multitenancyEnabled: true, multiTenantQueriesEnabled: true },
    apiPrefix: "/tempo/",
    maxStatementBytes: 1000,
  });
  return app.request(`/tempo/api/sql${search}`, {
    method: "POST",
    body: sql,
    headers: { "x-scope-orgid": "a", ...headers },
  });
}

test.each([
  ["text/csv", "text/csv; charset=utf-8", "s\nshop\n"],
  ["application/x-ndjson", "application/x-ndjson", '{"s":"shop"}\n'],
  ["application/json", "application/json", '[\n{"s":"shop"}\n]\n'],
  ["*/*", "application/json", '[\n{"s":"shop"}\n]\n'],
  ["text/html, text/csv;q=0.5", "text/csv; charset=utf-8", "s\nshop\n"],
])("Accept: %s chooses the form", async (accept, type, body) => {
  const response = await ask("select service_name as s from spans", { accept });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
  expect(await response.text()).toBe(body);
});

test("Parquet begins and ends with its magic", async () => {
  const response = await ask("select 1 as a", { accept: "application/vnd.apache.parquet" });
  const bytes = Buffer.from(await response.arrayBuffer());
  expect([bytes.toString("latin1", 0, 4), bytes.toString("latin1", bytes.length - 4)]).toEqual([
    "PAR1",
    "PAR1",
  ]);
});

test("the tenant header decides whose spans are seen", async () => {
  const sql = "select service_name as s from spans order by 1";
  const csv = { accept: "text/csv" };
  expect(await (await ask(sql, { ...csv, "x-scope-orgid": "b" })).text()).toBe("s\nsecret\n");
  expect(await (await ask(sql, { ...csv, "x-scope-orgid": "a|b" })).text()).toBe(
    "s\nsecret\nshop\n",
  );
  expect((await ask(sql, { "x-scope-orgid": "" })).status).toBe(401);
});

test.each([
  ["select nope from spans", "", 400, "nope"],
  ["drop view spans", "", 400, "only SELECT"],
  ["select 1", "?limit=x", 400, "limit 'x'"],
  ["select 1", "?timeout=-1", 400, "timeout '-1'"],
  [`select '${"x".repeat(2000)}'`, "", 413, "1000 bytes"],
  ["select '\u0000'", "", 400, "NUL"],
])("%s%s answers %i %s", async (sql, search, status, message) => {
  const response = await ask(sql, {}, search);
  expect(response.status).toBe(status);
  expect(await response.text()).toContain(message);
});

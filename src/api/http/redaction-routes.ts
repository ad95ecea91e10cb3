import { type Context, Hono } from "hono";
import { PintailError } from "../../errors.ts";
import type { AdminTokens } from "../../server/admin-token.ts";
import { type HonoEnv, readRequestBody } from "../../server/body.ts";
import { type ReadTenantRules, readTenants, tenantHeaderValues } from "../../server/tenant.ts";
import { textErrorResponse } from "../../server/text-error.ts";
import type { RedactionRange, Redactions } from "../../storage/redaction/redactions.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { parseInstant } from "./time-params.ts";

export type RedactionRouteParts = {
  readonly redactions: Pick<Redactions, "preview" | "apply" | "list" | "get">;
  readonly admins: AdminTokens;
  readonly log: Logger;
  readonly tenantRules: ReadTenantRules;
  readonly apiPrefix: string;
};

/** A query and what else belongs to it. */
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_REASON_CHARS = 1000;
const MAX_REQUESTED_BY_CHARS = 200;
/** Spans of all of time start within a signed number of nanoseconds. */
const MAX_INSTANT = 2n ** 63n - 1n;

/**
 * `POST /api/redactions` removes traces, or says what it would remove; `GET /api/redactions` lists
 * those of the tenant, newest first, `GET /api/redactions/{id}` gives one. All need an admin token and
 * exactly one tenant.
 */
export function redactionRoutes(parts: RedactionRouteParts): Hono<HonoEnv> {
  const app = new Hono<HonoEnv>();
  const { redactions, admins, log, tenantRules } = parts;
  const path = `${parts.apiPrefix.replace(/\/+$/, "")}/api/redactions`;
  const guarded =
    (answer: (c: Context<HonoEnv>, tenant: string) => Promise<Response>) =>
    async (c: Context<HonoEnv>): Promise<Response> => {
      try {
        await admins.check(c.req.raw.headers);
        return await answer(c, oneTenant(c.req.raw.headers, tenantRules));
      } catch (error) {
        return textErrorResponse(error, log);
      }
    };
  app.post(
    path,
    guarded(async (c, tenant) => {
      const { dryRun, ...body } = parseBody(await readRequestBody(c, MAX_BODY_BYTES));
      const request = { tenant, ...body };
      c.env?.keepOpen?.();
      const { signal } = c.req.raw;
      if (dryRun) {
        return c.json({ dryRun, ...(await redactions.preview(request, signal)), redaction: null });
      }
      const { preview, redaction } = await redactions.apply(request, signal);
      return c.json({ dryRun, ...preview, redaction: redaction ?? null });
    }),
  );
  app.get(
    path,
    guarded(async (c, tenant) => c.json({ redactions: redactions.list(tenant) })),
  );
  app.get(
    `${path}/:id`,
    guarded(async (c, tenant) => {
      const found = redactions.get(tenant, c.req.param("id") ?? "");
      if (found === undefined) throw new PintailError("not_found", "there is no such redaction");
      return c.json(found);
    }),
  );
  return app;
}

function oneTenant(headers: Headers, rules: ReadTenantRules): string {
  const [tenant, ...others] = readTenants(tenantHeaderValues(headers), rules);
  if (tenant === undefined || others.length > 0) {
    throw new PintailError("invalid", "redactions are of one tenant, several were named");
  }
  return tenant;
}

type Body = {
  readonly query: string;
  readonly range: RedactionRange | undefined;
  readonly reason: string;
  readonly requestedBy: string;
  readonly dryRun: boolean;
};

const FIELDS: ReadonlySet<string> = new Set([
  "query",
  "start",
  "end",
  "reason",
  "requestedBy",
  "dryRun",
]);

/** Throws `invalid`. A field that is not known may be a misspelt bound: it is refused. */
function parseBody(bytes: Uint8Array): Body {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new PintailError("invalid", "the body is not JSON", { cause });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new PintailError("invalid", "the body is not a JSON object");
  }
  const body = json as Record<string, unknown>;
  const unknown = Object.keys(body).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) {
    const known = [...FIELDS].join(", ");
    throw new PintailError(
      "invalid",
      `unknown field '${unknown.slice(0, 50)}', known are ${known}`,
    );
  }
  const { dryRun } = body;
  if (typeof dryRun !== "boolean") {
    throw new PintailError("invalid", "dryRun must say whether to only look (true) or to remove");
  }
  const query = text(body, "query", Number.POSITIVE_INFINITY);
  if (query.trim() === "") throw new PintailError("invalid", "query is empty");
  return {
    query,
    range: rangeOf(body),
    reason: text(body, "reason", MAX_REASON_CHARS),
    requestedBy: text(body, "requestedBy", MAX_REQUESTED_BY_CHARS),
    dryRun,
  };
}

function text(body: Record<string, unknown>, name: string, maxChars: number): string {
  const value = body[name] ?? "";
  if (typeof value !== "string") throw new PintailError("invalid", `${name} is not a string`);
  if (value.length > maxChars) {
    throw new PintailError("invalid", `${name} has ${value.length} characters of ${maxChars}`);
  }
  return value.toWellFormed();
}

function rangeOf(body: Record<string, unknown>): RedactionRange | undefined {
  const [start, end] = [instant(body, "start"), instant(body, "end")];
  if (start === undefined && end === undefined) return undefined;
  const range = { startUnixNano: start ?? 0n, endUnixNano: end ?? MAX_INSTANT };
  if (range.endUnixNano < range.startUnixNano) {
    throw new PintailError("invalid", "end is before start");
  }
  return range;
}

/** As strings or numbers, in the forms that queries over tags take. */
function instant(body: Record<string, unknown>, name: string): bigint | undefined {
  const value = body[name];
  if (value === undefined || value === null || value === "") return undefined;
  const parsed =
    typeof value === "string" || typeof value === "number"
      ? parseInstant(String(value))
      : undefined;
  if (parsed !== undefined && parsed <= MAX_INSTANT) return parsed;
  throw new PintailError(
    "invalid",
    `${name} is no time: give Unix seconds, nanoseconds, or RFC 3339`,
  );
}

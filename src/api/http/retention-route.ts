import { Hono } from "hono";
import type { HonoEnv } from "../../server/body.ts";
import { type ReadTenantRules, readTenants, tenantHeaderValues } from "../../server/tenant.ts";
import { textErrorResponse } from "../../server/text-error.ts";
import type { RetentionReport } from "../../storage/retention/report.ts";
import type { Logger } from "../../telemetry/logger.ts";

export type RetentionRouteParts = {
  /** Of the tenants that were asked for, as far as they have segments. */
  readonly report: (tenants: readonly string[]) => Promise<readonly RetentionReport[]>;
  readonly log: Logger;
  readonly tenantRules: ReadTenantRules;
  readonly apiPrefix: string;
};

/** `GET /api/retention`: what would be dropped now and when more is; drops nothing. */
export function retentionRoute(parts: RetentionRouteParts): Hono<HonoEnv> {
  const app = new Hono<HonoEnv>();
  app.get(`${parts.apiPrefix.replace(/\/+$/, "")}/api/retention`, async (c) => {
    try {
      const tenants = readTenants(tenantHeaderValues(c.req.raw.headers), parts.tenantRules);
      return c.json({ tenants: await parts.report(tenants) });
    } catch (error) {
      return textErrorResponse(error, parts.log);
    }
  });
  return app;
}

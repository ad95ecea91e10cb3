import { PintailError } from "../errors.ts";

/** The tenant of everything while multi-tenancy is off. */
export const SINGLE_TENANT = "single-tenant";
/** The header, and in lower case the gRPC metadata key. */
export const TENANT_HEADER = "x-scope-orgid";

const MAX_TENANT_BYTES = 150;
const UNSUPPORTED = /[^A-Za-z0-9!\-_.*'()]/u;

/** The values of the tenant header: `Headers` joins the lines of a repeated one. */
export function tenantHeaderValues(headers: Headers): readonly string[] {
  const joined = headers.get(TENANT_HEADER);
  return joined === null ? [] : joined.split(", ");
}

/**
 * The one tenant of a push. `values` are all values of the header or metadata key. Throws
 * `unauthenticated` without exactly one value, `invalid` when that does not name one valid tenant.
 */
export function writeTenant(values: readonly string[], multitenancyEnabled: boolean): string {
  if (!multitenancyEnabled) return SINGLE_TENANT;
  const [value] = values;
  if (values.length !== 1 || value === undefined) throw noTenant();
  const tenants = parseTenants(value);
  return onlyOne(tenants);
}

export type ReadTenantRules = {
  readonly multitenancyEnabled: boolean;
  readonly multiTenantQueriesEnabled: boolean;
};

/**
 * The tenants of an HTTP query, sorted, each once; the first header line counts. Throws
 * `unauthenticated` without a value, `invalid` for a bad one or for several where one is allowed.
 */
export function readTenants(values: readonly string[], rules: ReadTenantRules): readonly string[] {
  if (!rules.multitenancyEnabled) return [SINGLE_TENANT];
  const [value] = values;
  if (value === undefined || value === "") throw noTenant();
  return allowed(parseTenants(value), rules);
}

/** As `readTenants`, for gRPC metadata: exactly one value, or several equal ones. */
export function readTenantsOfMetadata(
  values: readonly string[],
  rules: ReadTenantRules,
): readonly string[] {
  if (!rules.multitenancyEnabled) return [SINGLE_TENANT];
  // Some versions of Grafana send it twice.
  const [value, ...others] = new Set(values);
  if (value === undefined || others.length > 0) throw noTenant();
  return allowed(parseTenants(value), rules);
}

function allowed(tenants: readonly string[], rules: ReadTenantRules): readonly string[] {
  if (!rules.multiTenantQueriesEnabled) onlyOne(tenants);
  return tenants;
}

function onlyOne(tenants: readonly string[]): string {
  const [tenant, ...others] = tenants;
  if (tenant === undefined || others.length > 0) {
    throw new PintailError("invalid", "multiple org IDs present");
  }
  return tenant;
}

function noTenant(): PintailError {
  return new PintailError("unauthenticated", "no org id");
}

/** `a|b:key=value` names `a` and `b`: what follows a colon is metadata. */
function parseTenants(value: string): readonly string[] {
  const tenants = new Set<string>();
  for (const part of value.split("|")) {
    const colon = part.indexOf(":");
    const tenant = colon < 0 ? part : part.slice(0, colon);
    checkTenant(tenant);
    tenants.add(tenant);
  }
  return [...tenants].sort();
}

/** Throws `invalid`, in Tempo's words, which clients may know. */
export function checkTenant(tenant: string): void {
  if (tenant === "") throw new PintailError("invalid", "no org id");
  const bad = UNSUPPORTED.exec(tenant)?.[0];
  if (bad !== undefined) {
    throw new PintailError(
      "invalid",
      `tenant ID '${tenant.slice(0, MAX_TENANT_BYTES)}' contains unsupported character '${bad}'`,
    );
  }
  // All characters are ASCII here, so this counts bytes.
  if (tenant.length > MAX_TENANT_BYTES) {
    throw new PintailError("invalid", `tenant ID is too long: max ${MAX_TENANT_BYTES} characters`);
  }
  if (tenant === "." || tenant === "..") {
    throw new PintailError("invalid", "tenant ID is '.' or '..'");
  }
}

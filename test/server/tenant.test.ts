import { describe, expect, test } from "vitest";
import { PintailError } from "../../src/errors.ts";
import {
  readTenants,
  readTenantsOfMetadata,
  tenantHeaderValues,
  writeTenant,
} from "../../src/server/tenant.ts";

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PintailError) return `${error.kind}: ${error.message}`;
    throw error;
  }
  throw new Error("did not throw");
}

const ON = { multitenancyEnabled: true, multiTenantQueriesEnabled: true };

test("without multi-tenancy the header is ignored", () => {
  const off = { ...ON, multitenancyEnabled: false };
  expect(writeTenant(["a/b", "c"], false)).toBe("single-tenant");
  expect(readTenants(["a/b"], off)).toEqual(["single-tenant"]);
  expect(readTenantsOfMetadata([], off)).toEqual(["single-tenant"]);
});

describe("a push", () => {
  test.each([
    ["a", "a"],
    ["a:k=v:w", "a"],
    ["a|a:x=y", "a"],
    ["A-z0_9.!*'()", "A-z0_9.!*'()"],
    ["x".repeat(150), "x".repeat(150)],
  ])("for '%s' is taken", (value, tenant) => {
    expect(writeTenant([value], true)).toBe(tenant);
  });

  test.each([
    [[], "unauthenticated: no org id"],
    [["a", "a"], "unauthenticated: no org id"],
    [[""], "invalid: no org id"],
    [["a|b"], "invalid: multiple org IDs present"],
    [["a|"], "invalid: no org id"],
    [[":x"], "invalid: no org id"],
    [["a/b"], "invalid: tenant ID 'a/b' contains unsupported character '/'"],
    [["ä"], "invalid: tenant ID 'ä' contains unsupported character 'ä'"],
    [["x".repeat(151)], "invalid: tenant ID is too long: max 150 characters"],
    [["."], "invalid: tenant ID is '.' or '..'"],
    [["..:meta"], "invalid: tenant ID is '.' or '..'"],
  ])("for %j is refused", (values, expected) => {
    expect(failure(() => writeTenant(values, true))).toBe(expected);
  });
});

describe("a query", () => {
  test("names tenants, which come sorted and once each", () => {
    expect(readTenants(["c|a:x=y|b|a"], ON)).toEqual(["a", "b", "c"]);
  });

  test("of several header lines takes the first", () => {
    expect(readTenants(["a", "b"], ON)).toEqual(["a"]);
  });

  test("without a tenant is unauthenticated", () => {
    expect(failure(() => readTenants([], ON))).toBe("unauthenticated: no org id");
    expect(failure(() => readTenants([""], ON))).toBe("unauthenticated: no org id");
    expect(failure(() => readTenants(["a|"], ON))).toBe("invalid: no org id");
  });

  test("may not name several where that is off", () => {
    const one = { ...ON, multiTenantQueriesEnabled: false };
    expect(readTenants(["a|a"], one)).toEqual(["a"]);
    expect(failure(() => readTenants(["a|b"], one))).toBe("invalid: multiple org IDs present");
  });

  test("over gRPC has one value, perhaps repeated", () => {
    expect(readTenantsOfMetadata(["b|a", "b|a"], ON)).toEqual(["a", "b"]);
    expect(failure(() => readTenantsOfMetadata(["a", "b"], ON))).toBe("unauthenticated: no org id");
    expect(failure(() => readTenantsOfMetadata([], ON))).toBe("unauthenticated: no org id");
    expect(failure(() => readTenantsOfMetadata([""], ON))).toBe("invalid: no org id");
  });
});

test("repeated header lines are told apart", () => {
  const headers = new Headers();
  expect(tenantHeaderValues(headers)).toEqual([]);
  headers.append("X-Scope-OrgID", "a");
  headers.append("x-scope-orgid", "b");
  expect(tenantHeaderValues(headers)).toEqual(["a", "b"]);
});

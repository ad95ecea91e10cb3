import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { adminTokenOf } from "../../src/app/admin-token-file.ts";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { AdminTokens } from "../../src/server/admin-token.ts";

const outcome = (tokens: AdminTokens, authorization?: string): Promise<string> =>
  tokens.check(new Headers(authorization === undefined ? {} : { authorization })).then(
    () => "allowed",
    (error: { kind: string }) => error.kind,
  );

test("a request needs one of the tokens, whole and as a bearer's", async () => {
  const tokens = new AdminTokens(["first-token", "second-token"]);
  expect(await outcome(tokens, "Bearer first-token")).toBe("allowed");
  expect(await outcome(tokens, "bearer   second-token ")).toBe("allowed");
  for (const wrong of [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "first-token",
    "Basic first-token",
    "Bearer first-toke",
    "Bearer first-tokenn",
    "Bearer first-token second-token",
  ]) {
    expect([wrong, await outcome(tokens, wrong)]).toEqual([wrong, "forbidden"]);
  }
});

test("the data folder's token is made once, for its owner, and anew where the file has none", async () => {
  const dir = mkdtempSync(join(tmpdir(), "pintail-token-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const first = await adminTokenOf(nodeFiles(), dir);
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  expect(await adminTokenOf(nodeFiles(), dir)).toBe(first);
  const path = join(dir, "admin-token");
  if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
  writeFileSync(path, "\n");
  const second = await adminTokenOf(nodeFiles(), dir);
  expect(second).toMatch(/^[0-9a-f]{64}$/);
  expect(second).not.toBe(first);
});

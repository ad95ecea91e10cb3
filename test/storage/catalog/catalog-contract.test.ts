import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { openTestCatalog } from "./catalog-support.ts";
import { type CatalogUnderTest, catalogContract } from "./contract.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "pintail-catalog-"));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

catalogContract("the DuckDB catalog", (nowMs) => {
  const dir = fs.mkdtempSync(path.join(root, "run-"));
  const open = async (): Promise<CatalogUnderTest> => {
    const catalog = await openTestCatalog(dir, { nowMs });
    const reopen = async () => {
      await catalog[Symbol.asyncDispose]();
      return open();
    };
    return { catalog, reopen };
  };
  return open();
});

catalogContract("the memory catalog", async (nowMs) => {
  const under: CatalogUnderTest = {
    catalog: new MemoryCatalog(nowMs),
    reopen: async () => under,
  };
  return under;
});

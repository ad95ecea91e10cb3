import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { LocalStore } from "../../../src/drivers/objects/local/local-store.ts";
import { objectStoreContract } from "./contract.ts";
import {
  observedParts,
  openGcsFakeStore,
  openS3FakeStore,
  TEST_PART_BYTES,
} from "./open-stores.ts";

const parts = { partBytes: TEST_PART_BYTES };

objectStoreContract(
  "local disk",
  async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "pintail-objects-"));
    const store = await LocalStore.open(nodeFiles(), observedParts().parts, {
      path: `${dir}/objects`,
    });
    const close = async () => {
      await store.close();
      fs.rmSync(dir, { recursive: true });
    };
    return { store, close };
  },
  { partBytes: 1024 * 1024 },
);

objectStoreContract("S3 fake", () => openS3FakeStore(), parts);

objectStoreContract(
  "S3 fake without conditional writes",
  () => openS3FakeStore({ conditions: "refused" }),
  {
    ...parts,
    withoutConditions: true,
  },
);

objectStoreContract(
  "S3 fake with ETags that are no checksums, and unquoted conditions",
  () => openS3FakeStore({ opaqueETags: true, unquotedIfMatch: true }),
  parts,
);

objectStoreContract("GCS fake", () => openGcsFakeStore(), parts);

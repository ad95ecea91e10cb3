import { randomUUID } from "node:crypto";
import { test } from "vitest";
import { openObjectStore } from "../../../src/drivers/objects/open-object-store.ts";
import {
  DEFAULT_GCS,
  DEFAULT_S3,
  NO_S3_TLS,
  type ObjectStoreSettings,
} from "../../../src/drivers/objects/settings.ts";
import { objectStoreContract } from "./contract.ts";
import { observedParts } from "./open-stores.ts";

/**
 * The contract against real servers, for those that are given by
 * `PINTAIL_TEST_S3_ENDPOINT` (`http://host:port` or `https://…`), `…_BUCKET`, `…_ACCESS_KEY`,
 * `…_SECRET_KEY`, `…_REGION`, `…_CA_FILE`, and `PINTAIL_TEST_GCS_BUCKET`, `…_ENDPOINT` (a URL; none
 * = Google's), `…_INSECURE=true` for emulators, `…_REPEATS_PREFIXES=true` for fake-gcs-server. Buckets
 * must be there. `PINTAIL_TEST_S3_CONDITIONS=none` is for stores that refuse conditional writes.
 */
const env = (name: string) => process.env[`PINTAIL_TEST_${name}`] ?? "";

const MIN_S3_PART_BYTES = 5 * 1024 * 1024;
const GCS_PART_BYTES = 1024 * 1024;

function real(
  backend: "S3" | "GCS",
  variable: string,
  partBytes: number,
  settings: () => ObjectStoreSettings,
) {
  const name = `real ${backend} server`;
  if (env(variable) === "") {
    test.skip(`${name}: skipped, PINTAIL_TEST_${variable} names none`, () => {});
    console.log(`${name} is not tested: PINTAIL_TEST_${variable} is not set`);
    return;
  }
  objectStoreContract(
    name,
    async () => {
      const store = await openObjectStore(observedParts().parts, settings());
      return { store, close: () => store.close() };
    },
    {
      partBytes,
      withoutConditions: backend === "S3" && env("S3_CONDITIONS") === "none",
      repeatsPrefixes: backend === "GCS" && env("GCS_REPEATS_PREFIXES") === "true",
    },
  );
}

real("S3", "S3_ENDPOINT", MIN_S3_PART_BYTES, () => {
  const url = new URL(env("S3_ENDPOINT"));
  return {
    backend: "s3",
    s3: {
      ...DEFAULT_S3,
      bucket: env("S3_BUCKET") || "pintail-test",
      endpoint: url.host,
      insecure: url.protocol === "http:",
      region: env("S3_REGION"),
      accessKey: env("S3_ACCESS_KEY"),
      secretKey: env("S3_SECRET_KEY"),
      partBytes: MIN_S3_PART_BYTES,
      prefix: `pintail-test-${randomUUID()}`,
      tls: { ...NO_S3_TLS, caFile: env("S3_CA_FILE") },
    },
  };
});

real("GCS", "GCS_BUCKET", GCS_PART_BYTES, () => ({
  backend: "gcs",
  gcs: {
    ...DEFAULT_GCS,
    bucket: env("GCS_BUCKET"),
    endpoint: env("GCS_ENDPOINT"),
    insecure: env("GCS_INSECURE") === "true",
    partBytes: GCS_PART_BYTES,
    prefix: `pintail-test-${randomUUID()}`,
  },
}));

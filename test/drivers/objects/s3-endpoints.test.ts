import * as library from "@aws-sdk/client-s3";
import { expect, onTestFinished, test } from "vitest";
import { makeS3Client } from "../../../src/drivers/objects/s3/s3-client.ts";
import { DEFAULT_S3, type S3Settings } from "../../../src/drivers/objects/settings.ts";

/** Where a request for `key` in `bucket` goes; nothing is sent. */
async function target(settings: Partial<S3Settings>): Promise<string> {
  const client = await makeS3Client(library, {
    ...DEFAULT_S3,
    bucket: "traces",
    accessKey: "a",
    secretKey: "b",
    ...settings,
  });
  let found = "";
  client.middlewareStack.add(
    () => async (args) => {
      const { protocol, hostname, port, path } = args.request as {
        protocol: string;
        hostname: string;
        port?: number;
        path: string;
      };
      found = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`;
      throw new Error("not sent");
    },
    { step: "finalizeRequest", priority: "low" },
  );
  const command = new library.HeadObjectCommand({ Bucket: settings.bucket ?? "traces", Key: "k" });
  await client.send(command).catch(() => {});
  const region = await client.config.region();
  client.destroy();
  return `${found} ${region}`;
}

const CASES: readonly (readonly [Partial<S3Settings>, string])[] = [
  [{ region: "eu-west-1" }, "https://traces.s3.eu-west-1.amazonaws.com/k eu-west-1"],
  [
    { region: "eu-west-1", dualStack: true },
    "https://traces.s3.dualstack.eu-west-1.amazonaws.com/k eu-west-1",
  ],
  [
    { region: "eu-west-1", forcePathStyle: true },
    "https://s3.eu-west-1.amazonaws.com/traces/k eu-west-1",
  ],
  [
    { endpoint: "s3.dualstack.us-east-2.amazonaws.com" },
    "https://traces.s3.dualstack.us-east-2.amazonaws.com/k us-east-2",
  ],
  [
    { endpoint: "s3.eu-central-1.amazonaws.com" },
    "https://traces.s3.eu-central-1.amazonaws.com/k eu-central-1",
  ],
  [{ endpoint: "s3.amazonaws.com" }, "https://traces.s3.amazonaws.com/k us-east-1"],
  [{ endpoint: "minio:9000", insecure: true }, "http://minio:9000/traces/k us-east-1"],
  [{ endpoint: "minio.example", bucketLookupType: 1 }, "https://traces.minio.example/k us-east-1"],
  [
    { endpoint: "s3.eu-central-1.amazonaws.com", bucketLookupType: 2 },
    "https://s3.eu-central-1.amazonaws.com/traces/k eu-central-1",
  ],
  [
    { endpoint: "account.r2.cloudflarestorage.com", region: "auto" },
    "https://account.r2.cloudflarestorage.com/traces/k auto",
  ],
  [{ endpoint: "storage.googleapis.com" }, "https://traces.storage.googleapis.com/k us-east-1"],
  [{ endpoint: "[::1]:9000", insecure: true }, "http://[::1]:9000/traces/k us-east-1"],
];

test.each(CASES)("%o goes to %s", async (settings, expected) => {
  expect(await target(settings)).toBe(expected);
});

test("without a region and an endpoint the start fails", async () => {
  const names = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE"] as const;
  const before = names.map((name) => [name, process.env[name]] as const);
  delete process.env.AWS_REGION;
  delete process.env.AWS_DEFAULT_REGION;
  process.env.AWS_CONFIG_FILE = "/no/such/file";
  onTestFinished(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  await expect(target({})).rejects.toMatchObject({ kind: "invalid" });
});

import { expect, test } from "vitest";
import { checkKey } from "../../../src/drivers/objects/object-key.ts";
import { parseSegmentKey, segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { seededRandom, testSeed } from "../../support/random.ts";

const ID = "01HZZZZZZZZZZZZZZZZZZZZZZ0";

test("a usual tenant stands in its key as it is", () => {
  expect(segmentKey({ tenant: "team-a_1.prod", id: ID })).toBe(
    `segments/team-a_1.prod/${ID}.parquet`,
  );
});

test("signs, and a dot in front, are escaped", () => {
  expect(segmentKey({ tenant: ".a*(b)!'", id: ID })).toBe(
    `segments/=2Ea=2A=28b=29=21=27/${ID}.parquet`,
  );
});

test("every tenant has a valid key of its own, which names it", () => {
  const seed = testSeed();
  console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);
  const random = seededRandom(seed);
  const alphabet = "aZ09!-_.*'()";
  const keys = new Map<string, string>();
  const tenants = ["*".repeat(150), ".".repeat(150), `${"*".repeat(60)}${".".repeat(90)}`, "=2A"];
  for (let i = 0; i < 2000; i++) {
    const length = 1 + Math.floor(random() * 150);
    tenants.push(
      Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join(""),
    );
  }
  for (const tenant of tenants) {
    const key = segmentKey({ tenant, id: ID });
    checkKey(key);
    expect(parseSegmentKey(key)).toEqual({ tenant, id: ID });
    expect(keys.get(key) ?? tenant).toBe(tenant);
    keys.set(key, tenant);
  }
});

test("what is no segment's key is not taken for one", () => {
  for (const key of [
    "owner.json",
    `segments/${ID}.parquet`,
    `segments//${ID}.parquet`,
    `segments/a/${ID}.parquet.tmp`,
    `segments/a/${ID.toLowerCase()}.parquet`,
    "segments/a/note.parquet",
    `segments/a/b/${ID}.parquet`,
    `segments/=2a/${ID}.parquet`,
    `segments/=41/${ID}.parquet`,
    `segments/=FF/${ID}.parquet`,
    `segments/a=/b/${ID}.parquet`,
    `other/a/${ID}.parquet`,
  ]) {
    expect(parseSegmentKey(key), key).toBeUndefined();
  }
});

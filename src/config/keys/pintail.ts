import { type KeySpec, key, prefixed } from "../key-spec.ts";

/** `pintail`: what Tempo has no key for. */
export const pintailKeys: readonly KeySpec[] = prefixed("pintail", [
  key(
    "admin.token",
    "string",
    "",
    "Whoever sends it as `Authorization: Bearer …` may redact traces, as may who can read the file `admin-token` in the data folder; 16 characters at least.",
  ),
  key(
    "storage.cache_bytes",
    "int",
    10_737_418_240,
    "With a bucket: local disk for copies of what it holds.",
  ),
  key(
    "storage.max_spill_bytes",
    "int",
    10_737_418_240,
    "With a bucket: local disk for segments that it does not hold yet; beyond it pushes get 503.",
  ),
  key(
    "storage.upload_after",
    "goDuration",
    "10m",
    "With a bucket: how long a small segment waits for a merge before it is uploaded.",
  ),
  key(
    "retention.max_bytes",
    "int",
    0,
    "A tenant's oldest segments go when all take more than this; 0 = no bound.",
  ),
  key(
    "retention.max_disk_percent",
    "int",
    0,
    "The oldest segments go when the local disk is fuller than this; 0 = no bound.",
    { max: 100 },
  ),
  key(
    "retention.classes",
    "any",
    undefined,
    "List of `{name, query, retention}`, 16 at most: traces that match the TraceQL query are kept for that long, 0 = for ever; the first that matches counts.",
  ),
]);

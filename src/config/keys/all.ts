import type { KeySpec } from "../key-spec.ts";
import { compactionKeys, ingesterKeys, liveStoreKeys } from "./background.ts";
import { distributorKeys } from "./distributor.ts";
import { metricsGeneratorKeys } from "./metrics-generator.ts";
import { overridesKeys } from "./overrides.ts";
import { pintailKeys } from "./pintail.ts";
import { querierKeys, queryFrontendKeys } from "./query.ts";
import { cacheKeys, ingestKeys, memberlistKeys, rootKeys } from "./root.ts";
import { internalServerKeys, serverKeys } from "./server.ts";
import { storageKeys } from "./storage.ts";

/** Every key of the main file, in the order in which it is shown. */
export const allKeys: readonly KeySpec[] = [
  ...rootKeys,
  ...serverKeys,
  ...internalServerKeys,
  ...distributorKeys,
  ...ingesterKeys,
  ...liveStoreKeys,
  ...compactionKeys,
  ...storageKeys,
  ...overridesKeys,
  ...metricsGeneratorKeys,
  ...queryFrontendKeys,
  ...querierKeys,
  ...cacheKeys,
  ...memberlistKeys,
  ...ingestKeys,
  ...pintailKeys,
];

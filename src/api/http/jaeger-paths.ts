/** Of Jaeger's query API, below `/jaeger/api`; known without loading what answers. */
export const JAEGER_PATHS: readonly string[] = [
  "/services",
  // A service's name may hold slashes, escaped or not.
  "/services/:service{[\\s\\S]+}/operations",
  "/operations",
  "/traces",
  "/traces/:id",
  "/dependencies",
  "/v3/services",
  "/v3/operations",
  "/v3/traces",
  "/v3/traces/:id",
  "/v3/dependencies",
];

/** Of Zipkin's query API, version 2, and its UI's settings; known without loading what answers. */
export const ZIPKIN_PATHS: readonly string[] = [
  "/config.json",
  "/api/v2/services",
  "/api/v2/spans",
  "/api/v2/remoteServices",
  "/api/v2/traces",
  "/api/v2/trace/:id",
  "/api/v2/traceMany",
  "/api/v2/dependencies",
  "/api/v2/autocompleteKeys",
  "/api/v2/autocompleteValues",
];

/** The methods of `jaeger.api_v3.QueryService`, known without loading what describes them. */
export const JAEGER_METHODS: readonly string[] = [
  "/jaeger.api_v3.QueryService/GetTrace",
  "/jaeger.api_v3.QueryService/FindTraces",
  "/jaeger.api_v3.QueryService/GetServices",
  "/jaeger.api_v3.QueryService/GetOperations",
  "/jaeger.api_v3.QueryService/GetDependencies",
];

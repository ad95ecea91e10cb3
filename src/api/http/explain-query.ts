import { QueryRecorder } from "../../query/query-recorder.ts";
import { describePipeline } from "../../traceql/plan/describe-pipeline.ts";
import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import { explain } from "../wire/explanation.ts";
import { jsonText } from "../wire/json-text.ts";
import { answer, JSON_TYPE } from "./respond.ts";
import type { ApiRequest } from "./route-context.ts";

/** `explain=true`: the query runs, and what it did is answered instead of what it found. */
export function wantsExplanation({ params }: Pick<ApiRequest, "params">): boolean {
  const text = params.get("explain");
  return text === "true" || text === "1";
}

/** Runs the query and answers with an `Explanation`; `plans` are those of its pipelines. */
export async function answerExplained<T>(
  { params, request }: ApiRequest,
  plans: readonly (Pipeline | undefined)[],
  run: (recorder: QueryRecorder) => Promise<T>,
  count: (result: T) => Readonly<Record<string, number>>,
): Promise<Response> {
  const recorder = new QueryRecorder();
  const began = performance.now();
  const result = await run(recorder);
  const tookMs = performance.now() - began;
  const plan = plans.flatMap((pipeline, i) => {
    const lines = pipeline ? describePipeline(pipeline) : ["false for all data: nothing is read"];
    return plans.length === 1 ? lines : [`query ${i + 1}`, ...lines.map((line) => `  ${line}`)];
  });
  const query = params.get("q") ?? params.get("query") ?? "";
  const explanation = explain(query, plan, recorder, tookMs, count(result));
  return answer(request, JSON_TYPE, jsonText(explanation));
}

import { findTagValuesV2, type TagQuestion } from "./tag-questions.ts";

/** Distinct texts of a TraceQL field, sorted; the empty one is none. */
export async function fieldTexts(question: TagQuestion, field: string): Promise<string[]> {
  const { tagValues } = await findTagValuesV2(question, field);
  const texts = new Set(tagValues.map(({ value }) => value).filter((value) => value !== ""));
  return [...texts].sort();
}

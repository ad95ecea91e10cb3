import type { KafkaReceiverSettings } from "./settings.ts";

/** The topics among `existing` that the settings ask for, sorted. */
export function topicsOf(
  { topics, excludeTopics }: Pick<KafkaReceiverSettings, "topics" | "excludeTopics">,
  existing: readonly string[],
): readonly string[] {
  const names = new Set(topics.filter((topic) => !isPattern(topic)));
  const patterns = topics.filter(isPattern).map((topic) => new RegExp(topic));
  const excluded = excludeTopics.map((topic) => new RegExp(topic));
  const matches = (name: string) =>
    patterns.some((each) => each.test(name)) && !excluded.some((each) => each.test(name));
  return existing.filter((name) => names.has(name) || matches(name)).sort();
}

/** What is wrong with a pattern, or undefined. */
export function patternError(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return undefined;
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
}

export function isPattern(topic: string): boolean {
  return topic.startsWith("^");
}

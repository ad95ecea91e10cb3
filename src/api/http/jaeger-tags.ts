import { PintailError } from "../../errors.ts";
import { quoted } from "./go-numbers.ts";

export type JaegerTags = Map<string, string>;

/**
 * The tags that spans must have: each `tags` is a JSON object of texts or logfmt (`a=1 b="c d"`),
 * each `tag` is `key:value`. Of a key that comes several times the last value counts. Throws
 * `invalid`.
 */
export function jaegerTagParams(params: URLSearchParams): JaegerTags {
  const tags: JaegerTags = new Map();
  for (const text of params.getAll("tag")) {
    const colon = text.indexOf(":");
    if (colon < 0) {
      const message = `malformed 'tag' parameter, expecting key:value, received: ${quoted(text)}`;
      throw new PintailError("invalid", message);
    }
    tags.set(text.slice(0, colon), text.slice(colon + 1));
  }
  for (const text of params.getAll("tags")) {
    const found = text.trimStart().startsWith("{") ? tagsOfJson("tags", text) : tagsOfLogfmt(text);
    for (const [key, value] of found) tags.set(key, value);
  }
  return tags;
}

/** Throws `invalid`, naming the parameter, for anything but an object of texts, numbers, booleans. */
export function tagsOfJson(name: string, json: string): JaegerTags {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw notJson(name, "it is no JSON", cause);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw notJson(name, "it is no object");
  }
  const tags: JaegerTags = new Map();
  for (const [key, value] of Object.entries(parsed)) {
    if (!["string", "number", "boolean"].includes(typeof value)) {
      throw notJson(name, `the value of ${quoted(key)} is no text`);
    }
    tags.set(key, String(value));
  }
  return tags;
}

function notJson(name: string, reason: string, cause?: unknown): PintailError {
  const message = `malformed '${name}' parameter, cannot unmarshal JSON: ${reason}`;
  return new PintailError("invalid", message, { cause });
}

/** A key, maybe `=` and a value without blanks or in quotes. */
const PAIR = /\s*([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?=\s|$)/suy;

/** A key alone is one that is true, as in logfmt. */
function tagsOfLogfmt(text: string): JaegerTags {
  const tags: JaegerTags = new Map();
  const end = text.trimEnd().length;
  let at = 0;
  while (at < end) {
    PAIR.lastIndex = at;
    const match = PAIR.exec(text);
    if (match === null) {
      const rest = quoted(text.slice(at).trim());
      throw new PintailError(
        "invalid",
        `malformed 'tags' parameter, expecting key=value at ${rest}`,
      );
    }
    const [, key = "", inQuotes, bare] = match;
    tags.set(key, inQuotes === undefined ? (bare ?? "true") : unescaped(inQuotes));
    at = PAIR.lastIndex;
  }
  return tags;
}

const ESCAPED: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

function unescaped(text: string): string {
  return text.replace(/\\(.)/gsu, (_, char: string) => ESCAPED[char] ?? char);
}

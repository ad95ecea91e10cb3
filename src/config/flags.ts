import { ConfigError } from "./config-error.ts";
import { FLAGS, type Flag, IGNORED_FLAG_FAMILIES } from "./flag-table.ts";
import { nearest } from "./nearest.ts";

export type ParsedFlags = {
  /** Flag name → text, the last of several; booleans are `true` or `false`. */
  readonly values: ReadonlyMap<string, string>;
  readonly helpWanted: boolean;
  /** What follows the first argument that is no flag; nothing reads it. */
  readonly rest: readonly string[];
};

/**
 * Go's flag syntax: `-x=v`, `--x=v`, `-x v`; a boolean is `-x` or `-x=false` and never takes the
 * next argument. The first argument that is no flag, or `--`, ends the flags. Throws `ConfigError`
 * with the usage text and exit code 2 for a flag that is unknown or lacks its value.
 */
export function parseFlags(args: readonly string[]): ParsedFlags {
  const values = new Map<string, string>();
  let helpWanted = false;
  let i = 0;
  for (; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") {
      i++;
      break;
    }
    if (!arg.startsWith("-") || arg === "-") break;
    const body = arg.replace(/^--?/, "");
    const equals = body.indexOf("=");
    const name = equals < 0 ? body : body.slice(0, equals);
    if (name === "" || name.startsWith("-")) throw usageError(`bad flag syntax: ${arg}`);
    if (name === "h" || name === "help") {
      helpWanted = true;
      continue;
    }
    const flag = findFlag(name, args[i + 1]);
    if (flag === undefined) {
      const guess = nearest(name, FLAGS.keys());
      const hint = guess === undefined ? "" : ` (did you mean -${guess}?)`;
      throw usageError(`flag provided but not defined: -${name}${hint}`);
    }
    let text = equals < 0 ? undefined : body.slice(equals + 1);
    if (flag.type === "bool") {
      text = parseBool(name, text ?? "true");
    } else if (text === undefined) {
      text = args[++i];
      if (text === undefined) throw usageError(`flag needs an argument: -${name}`);
    }
    values.set(name, text);
  }
  return { values, helpWanted, rest: args.slice(i) };
}

export function usageError(problem: string): ConfigError {
  return new ConfigError(`${problem}\n${usageText()}`, { exitCode: 2 });
}

/** All flags with their meaning. */
export function usageText(): string {
  const lines = ["Usage of pintail:"];
  for (const [name, flag] of FLAGS) {
    lines.push(`  -${name}${flag.type === "bool" ? "" : " value"}`);
    if (flag.doc !== "") lines.push(`    \t${flag.doc}`);
  }
  const families = IGNORED_FLAG_FAMILIES.map((family) => `-${family}*`).join(", ");
  lines.push(`Accepted without effect: ${families}`);
  return lines.join("\n");
}

/**
 * Flags of the cluster's families are not listed one by one, so whether one takes a value is seen
 * from what follows it.
 */
function findFlag(name: string, next: string | undefined): Flag | undefined {
  const known = FLAGS.get(name);
  if (known !== undefined) return known;
  if (!IGNORED_FLAG_FAMILIES.some((family) => name.startsWith(family))) return undefined;
  const takesNext = next !== undefined && !next.startsWith("-");
  return { type: takesNext ? "value" : "bool", path: undefined, treatment: "ignored", doc: "" };
}

function parseBool(name: string, text: string): string {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return "true";
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return "false";
  if (!FLAGS.has(name)) return text;
  throw usageError(`invalid boolean value "${text}" for -${name}: parse error`);
}
